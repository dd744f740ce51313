/* The pages for people: files of one folder, never anything beside it. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/resource/resource.h"

static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

static const struct {
    const char *ending, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".json", "application/json"},
    {".png", "image/png"},
    {".woff2", "font/woff2"},
    {".txt", "text/plain; charset=utf-8"},
    {".ico", "image/x-icon"},
    {".map", "application/json"},
};

/* The type of a file by its name; NULL when it is none that pages are made of. */
static const char *type_of(struct str name)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        size_t length = strlen(types[i].ending);
        if (name.len > length && memcmp(name.ptr + name.len - length, types[i].ending, length) == 0)
            return types[i].type;
    }
    return NULL;
}

/* A plain name: no way up, nothing hidden, no separators. */
static bool is_plain(struct str segment)
{
    return segment.len > 0 && segment.ptr[0] != '.' && !memchr(segment.ptr, '/', segment.len) &&
           !memchr(segment.ptr, '\\', segment.len);
}

/* Opens the file that the segments name below the folder, following no links; -1 when there is none. */
static int open_below(const char *folder, const struct str *segments, size_t count)
{
    int at = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < count && at >= 0; i++) {
        int flags = i + 1 < count ? O_PATH | O_DIRECTORY : O_RDONLY | O_NONBLOCK;
        int next = is_plain(segments[i]) ? openat(at, segments[i].ptr, flags | O_NOFOLLOW | O_CLOEXEC) : -1;
        close(at);
        at = next;
    }
    return at;
}

static void answer_file(struct request *r, int fd, const struct stat *status, const char *type)
{
    char *etag = arena_printf(&r->arena, "\"%" PRIx64 "-%" PRIx64 "\"",
                              (uint64_t)status->st_mtim.tv_sec * 1000000000u + (uint64_t)status->st_mtim.tv_nsec,
                              (uint64_t)status->st_size);
    if (etag)
        reply_field(&r->reply, "ETag", etag);
    reply_field(&r->reply, "Cache-Control", "no-cache");
    reply_field(&r->reply, "Content-Security-Policy", policy);
    reply_field(&r->reply, "Referrer-Policy", "no-referrer");
    bool known = etag && etag_matches(request_header(r, "If-None-Match"), etag);
    r->reply.status = known ? 304 : 200;
    r->reply.content_type = known ? NULL : type;
    r->reply.file = fd;
    r->reply.file_size = status->st_size;
}

static int answer(struct request *r, const struct str *segments, size_t count, struct err *err)
{
    struct stat status;
    const char *type = type_of(segments[count - 1]);
    int fd = r->api->web_dir && type ? open_below(r->api->web_dir, segments, count) : -1;
    if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
        answer_file(r, fd, &status, type);
        return 0;
    }
    if (fd >= 0)
        close(fd);
    return err_set(err, ERR_NOT_FOUND, "there is no such page");
}

int on_index(struct request *r, struct err *err)
{
    struct str index = STR_LITERAL("index.html");
    return answer(r, &index, 1, err);
}

int on_page(struct request *r, struct err *err)
{
    return answer(r, r->target.segments + 1, r->target.segment_count - 1, err);
}
