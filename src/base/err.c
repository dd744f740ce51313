#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

static const struct err_info infos[ERR_COUNT] = {
    [ERR_OK] = {"ok", 200, false, "No error", ""},
#define ERROR(symbol, wire, status, retryable, title, prose) [ERR_##symbol] = {wire, status, retryable, title, prose},
#include "base/errors.def"
#undef ERROR
};

const struct err_info *err_info(enum err_code code)
{
    CHECK((int)code >= 0 && code < ERR_COUNT);
    return &infos[code];
}

static void fill(struct err *e, enum err_code code, const char *pointer, const char *format, va_list args)
{
    e->code = code;
    e->line = 0;
    snprintf(e->pointer, sizeof e->pointer, "%s", pointer);
    vsnprintf(e->message, sizeof e->message, format, args);
}

int err_set(struct err *e, enum err_code code, const char *format, ...)
{
    if (!e)
        return -1;
    va_list args;
    va_start(args, format);
    fill(e, code, "", format, args);
    va_end(args);
    return -1;
}

int err_at(struct err *e, enum err_code code, const char *pointer, const char *format, ...)
{
    if (!e)
        return -1;
    va_list args;
    va_start(args, format);
    fill(e, code, pointer, format, args);
    va_end(args);
    return -1;
}

int err_wrap(struct err *e, const char *format, ...)
{
    if (!e)
        return -1;
    char what[sizeof e->message], before[sizeof e->message];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    memcpy(before, e->message, sizeof before);
    int n = snprintf(e->message, sizeof e->message, "%s: ", what);
    if (n > 0 && (size_t)n < sizeof e->message) {
        size_t length = strnlen(before, sizeof e->message - (size_t)n - 1);
        memcpy(e->message + n, before, length);
        e->message[(size_t)n + length] = '\0';
    }
    return -1;
}

int err_errno(struct err *e, const char *format, ...)
{
    int number = errno;
    if (!e)
        return -1;
    char what[sizeof e->message];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    char reason[128];
    err_set(e, ERR_SYSTEM, "%s", strerror_r(number, reason, sizeof reason));
    return err_wrap(e, "%s", what);
}

int err_memory(struct err *e)
{
    return err_set(e, ERR_NO_MEMORY, "out of memory");
}

void err_print_docs(void)
{
    printf("# Errors\n\nGenerated from `src/base/errors.def`. "
           "Every error answer is `application/problem+json` (RFC 9457) "
           "with one of these codes in `code`.\n\n| code | HTTP | retry | title | meaning |\n|---|---|---|---|---|\n");
    for (int i = 1; i < ERR_COUNT; i++)
        printf("| `%s` | %d | %s | %s | %s |\n", infos[i].wire, infos[i].status, infos[i].retryable ? "yes" : "no",
               infos[i].title, infos[i].prose);
}
