#include "formats/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "base/mem.h"

enum { CHUNK_BYTES = 64 * 1024 };

struct lines {
    gzFile file;
    int64_t size;
    struct ndjson stream;
    bool at_end;
    char chunk[CHUNK_BYTES];
};

struct lines *lines_open(const char *path, size_t max_line, struct err *err)
{
    struct stat status;
    struct lines *l = mem_zeroed(1, sizeof *l);
    if (!l) {
        err_memory(err);
        return NULL;
    }
    l->stream.max_line = max_line;
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0) {
        err_errno(err, "the file cannot be opened");
        goto fail;
    }
    if (S_ISDIR(status.st_mode)) {
        err_set(err, ERR_BAD_FILE, "it is a folder");
        goto fail;
    }
    l->size = S_ISREG(status.st_mode) ? (int64_t)status.st_size : -1;
    l->file = gzdopen(fd, "rb");
    if (l->file)
        return l;
    err_memory(err);
fail:
    if (fd >= 0)
        close(fd);
    mem_free(l);
    return NULL;
}

/* Reads the next chunk into the stream, or ends it. */
static int more(struct lines *l, struct err *err)
{
    int n = gzread(l->file, l->chunk, CHUNK_BYTES), status = Z_OK;
    const char *reason = gzerror(l->file, &status);
    if (n < 0 || (n == 0 && status != Z_OK && status != Z_STREAM_END)) {
        const char *bare = strstr(reason, ">: "); /* the library begins with the number of the descriptor */
        err_set(err, ERR_BAD_FILE, "the file cannot be read: %s",
                status == Z_ERRNO ? strerror(errno) : bare ? bare + 3 : reason);
        err->line = l->stream.line;
        return -1;
    }
    if (n > 0) {
        ndjson_feed(&l->stream, l->chunk, (size_t)n);
        return 0;
    }
    ndjson_end(&l->stream);
    l->at_end = true;
    return 0;
}

int lines_next(struct lines *l, struct ndjson_line *ret, struct err *err)
{
    for (;;) {
        int got = ndjson_next(&l->stream, ret, err);
        if (got != 0 || l->at_end)
            return got;
        if (more(l, err))
            return -1;
    }
}

int64_t lines_offset(const struct lines *l)
{
    return (int64_t)gzoffset(l->file);
}

int64_t lines_size(const struct lines *l)
{
    return l->size;
}

void lines_close(struct lines *l)
{
    if (!l)
        return;
    gzclose(l->file);
    ndjson_free(&l->stream);
    mem_free(l);
}
