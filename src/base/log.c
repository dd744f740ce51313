#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

static enum log_level threshold = LOG_INFO;
static bool as_json;
static const char *const names[] = {"debug", "info", "warning", "error"};

void log_setup(enum log_level least, bool json)
{
    threshold = least;
    as_json = json;
}

int log_level_of(const char *name)
{
    for (int i = 0; i < 4; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return -1;
}

/* Copies `text` with control characters (and, for JSON, quotes) escaped, so that nobody can forge a line. */
static size_t escaped(char *out, size_t room, const char *text)
{
    size_t n = 0;
    for (; *text && n + 7 < room; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f)
            n += (size_t)snprintf(out + n, room - n, "\\u%04x", c);
        else if (as_json && (c == '"' || c == '\\'))
            n += (size_t)snprintf(out + n, room - n, "\\%c", c);
        else
            out[n++] = (char)c;
    }
    out[n] = '\0';
    return n;
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    if (level < threshold)
        return;
    char message[1024], safe[2048], line[3072], at[CLOCK_RFC3339_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    escaped(safe, sizeof safe, message);
    clock_rfc3339(clock_wall_us(), at);
    int n = as_json ? snprintf(line, sizeof line,
                               "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\",\"message\":\"%s\"}\n", at,
                               names[level], event, safe)
                    : snprintf(line, sizeof line, "%s %s %s: %s\n", at, names[level], event, safe);
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        return; /* nobody is left to tell */
}

void log_err(enum log_level level, const char *event, const struct err *e)
{
    log_event(level, event, "%s (%s)", e->message, err_info(e->code)->wire);
}
