#include "cli/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

#define INTERVAL_NS INT64_C(500000000)

void progress_show(struct progress *p, const char *format, ...)
{
    int64_t now = clock_mono_ns();
    if (now - p->shown_at < INTERVAL_NS || !isatty(STDERR_FILENO))
        return;
    p->shown_at = now;
    va_list args;
    va_start(args, format);
    fputs("\r\033[K", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
}

void progress_end(struct progress *p)
{
    if (p->shown_at)
        fputs("\r\033[K", stderr);
    p->shown_at = 0;
}
