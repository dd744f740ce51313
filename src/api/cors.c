#include "api/cors.h"

#include <string.h>

static bool listed(const char *allowed, const char *origin)
{
    size_t length = strlen(origin);
    for (const char *at = allowed; *at; at += strcspn(at, ",")) {
        at += strspn(at, ", ");
        if (strncmp(at, origin, length) == 0 && strchr(", ", at[length]))
            return length > 0;
    }
    return false;
}

bool cors_answer(struct reply *r, const char *allowed, const char *origin)
{
    if (!*allowed)
        return false;
    reply_field(r, "Vary", "Origin");
    if (!origin || !listed(allowed, origin))
        return false;
    reply_field(r, "Access-Control-Allow-Origin", origin);
    reply_field(r, "Access-Control-Expose-Headers",
                "ETag, Link, Location, Retry-After, X-Request-Id, RateLimit, RateLimit-Policy");
    return true;
}

void cors_preflight(struct reply *r, const char *allow)
{
    reply_field(r, "Access-Control-Allow-Methods", allow);
    reply_field(r, "Access-Control-Allow-Headers",
                "Authorization, Content-Type, Idempotency-Key, If-None-Match, X-Request-Id, traceparent");
    reply_field(r, "Access-Control-Max-Age", "600");
}
