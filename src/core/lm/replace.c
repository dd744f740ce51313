#include "core/lm/replace.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* Makes the rename last: the folder itself is written out. */
static int sync_folder(const char *path, struct err *err)
{
    char *folder = mem_strdup(path);
    if (!folder)
        return err_memory(err);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 || fsync(fd) < 0 ? err_errno(err, "cannot sync the folder of %s", path) : 0;
    if (fd >= 0)
        close(fd);
    mem_free(folder);
    return result;
}

static char *temporary_name(const char *path)
{
    size_t size = strlen(path) + sizeof ".tmp-XXXXXX";
    char *name = mem_alloc(size);
    if (name)
        snprintf(name, size, "%s.tmp-XXXXXX", path);
    return name;
}

/* Writes and syncs the temporary; closes the file in any case. */
static int fill(FILE *file, const char *path, int (*write)(FILE *, void *, struct err *), void *context,
                struct err *err)
{
    int result = write(file, context, err);
    if (result < 0)
        err_wrap(err, "%s", path);
    else if (fflush(file) != 0 || fchmod(fileno(file), 0644) < 0 || fsync(fileno(file)) < 0)
        result = err_errno(err, "cannot write %s", path);
    if (fclose(file) != 0 && result == 0)
        result = err_errno(err, "cannot write %s", path);
    return result;
}

int replace_file(const char *path, int (*write)(FILE *file, void *context, struct err *err), void *context,
                 struct err *err)
{
    char *name = temporary_name(path);
    if (!name)
        return err_memory(err);
    int result = -1, fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0) {
        err_errno(err, "cannot create %s", name);
        goto out;
    }
    FILE *file = fdopen(fd, "wb");
    if (!file) {
        err_errno(err, "cannot write %s", name);
        close(fd);
        unlink(name);
        goto out;
    }
    result = fill(file, path, write, context, err);
    if (result == 0 && rename(name, path) < 0)
        result = err_errno(err, "cannot rename %s", name);
    if (result < 0)
        unlink(name);
    else
        result = sync_folder(path, err);
out:
    mem_free(name);
    return result;
}
