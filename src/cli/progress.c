#include "cli/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

#define INTERVAL_NS INT64_C(500000000)

void progress_show(struct progress *p, const char *format, ...)
{
    int64_t now = clock_mono_ns();
    if (p->due_ns && now < p->due_ns)
        return;
    bool first = p->due_ns == 0;
    p->due_ns = now + INTERVAL_NS;
    if (first || !isatty(STDERR_FILENO))
        return;
    p->shown = true;
    va_list args;
    va_start(args, format);
    fputs("\r\033[K", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
}

void progress_end(struct progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = false;
}
