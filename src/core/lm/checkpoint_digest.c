#include "core/lm/checkpoint_digest.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

enum { PIECE = 1 << 20 };

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n > m && strcmp(name + n - m, end) == 0;
}

static int counts(const struct dirent *entry)
{
    const char *name = entry->d_name;
    if (name[0] == '.')
        return 0;
    return ends_with(name, ".safetensors") || ends_with(name, ".json") || strcmp(name, "merges.txt") == 0 ||
           strcmp(name, "tokenizer.model") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Adds name, size and content of a file; what is no file is passed over. */
static int add_file(const char *folder, const char *name, struct sha256 *hash, unsigned char *piece, int64_t *bytes,
                    struct err *err)
{
    char path[PATH_MAX];
    struct stat status;
    size_t got;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        return err_set(err, ERR_BAD_FILE, "the name of the folder is too long");
    FILE *file = fopen(path, "rbe");
    if (!file || fstat(fileno(file), &status) < 0) {
        err_errno(err, "cannot read %s", path);
        if (file)
            fclose(file);
        return -1;
    }
    int result = 0;
    if (S_ISREG(status.st_mode)) {
        uint64_t size = (uint64_t)status.st_size;
        unsigned char length[8];
        for (int i = 0; i < 8; i++)
            length[i] = (unsigned char)(size >> 8 * i);
        sha256_update(hash, name, strlen(name) + 1);
        sha256_update(hash, length, sizeof length);
        while ((got = fread(piece, 1, PIECE, file)) > 0)
            sha256_update(hash, piece, got);
        result = ferror(file) ? err_errno(err, "cannot read %s", path) : 0;
        *bytes += status.st_size;
    }
    fclose(file);
    return result;
}

int checkpoint_digest(const char *folder, uint8_t ret[SHA256_SIZE], int64_t *ret_bytes, struct err *err)
{
    struct dirent **entries = NULL;
    struct sha256 hash;
    int64_t bytes = 0;
    int count = scandir(folder, &entries, counts, by_name);
    if (count < 0)
        return err_errno(err, "cannot read %s", folder);
    unsigned char *piece = mem_alloc(PIECE);
    int result = piece ? 0 : err_memory(err);
    sha256_init(&hash);
    for (int i = 0; i < count; i++) {
        if (result == 0)
            result = add_file(folder, entries[i]->d_name, &hash, piece, &bytes, err);
        free(entries[i]);
    }
    free(entries);
    mem_free(piece);
    if (result == 0 && bytes == 0)
        result = err_set(err, ERR_BAD_FILE, "%s holds no model", folder);
    if (result < 0)
        return -1;
    sha256_final(&hash, ret);
    if (ret_bytes)
        *ret_bytes = bytes;
    return 0;
}
