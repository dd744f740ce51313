#include "api/document.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* FNV-1a of 64 bits, from two starts: tells versions of one document apart; nobody gains by forging one. */
static uint64_t fingerprint(struct str body, uint64_t hash)
{
    for (size_t i = 0; i < body.len; i++)
        hash = (hash ^ (unsigned char)body.ptr[i]) * 0x100000001b3u;
    return hash;
}

struct document *document_new(struct str body, const char *etag)
{
    struct document *d = mem_alloc(sizeof *d + body.len + 1);
    if (!d)
        return NULL;
    atomic_init(&d->references, 1);
    d->length = body.len;
    memcpy(d->bytes, body.ptr, body.len);
    d->bytes[body.len] = '\0';
    if (*etag)
        snprintf(d->etag, sizeof d->etag, "%s", etag);
    else
        snprintf(d->etag, sizeof d->etag, "\"%016" PRIx64 "%016" PRIx64 "\"", fingerprint(body, 0xcbf29ce484222325u),
                 fingerprint(body, 0x84222325cbf29ce4u));
    return d;
}

struct document *document_hold(struct document *d)
{
    atomic_fetch_add_explicit(&d->references, 1, memory_order_relaxed);
    return d;
}

void document_drop(struct document *d)
{
    if (d && atomic_fetch_sub_explicit(&d->references, 1, memory_order_acq_rel) == 1)
        mem_free(d);
}

bool etag_matches(const char *if_none_match, const char *etag)
{
    size_t length = strlen(etag);
    const char *at = if_none_match ? if_none_match : "";
    while (*at) {
        at += strspn(at, " \t,");
        if (*at == '*')
            return true;
        if (strncmp(at, "W/", 2) == 0)
            at += 2;
        if (strncmp(at, etag, length) == 0 && strchr(" \t,", at[length]))
            return true;
        at += *at == '"' ? 1 + strcspn(at + 1, "\"") : strcspn(at, ",");
        at += *at == '"';
    }
    return false;
}
