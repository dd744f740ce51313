#include "jobs/reporter.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "store/pg.h"

#define SECOND INT64_C(1000000000)

/* TELL: the job waits meanwhile, and what is not told now is told next time. */
enum { CONNECT_MS = 10000, TELL_MS = 5000, WORK_MS = 600000, LINE_SIZE = 1000 };

int reporter_connect(const char *conninfo, struct pg **ret, struct err *err)
{
    struct pg_options options = {.conninfo = conninfo, .application = "egalign run-job"};
    if (pg_open(&options, pg_deadline(CONNECT_MS), ret, err) < 0)
        return -1;
    pg_set_deadline(*ret, pg_deadline(WORK_MS));
    return 0;
}

struct pg *reporter_pg(struct reporter *r, int64_t ms, struct err *err)
{
    if (r->pg && !pg_alive(r->pg)) {
        pg_close(r->pg);
        r->pg = NULL;
    }
    if (!r->pg && reporter_connect(r->job->conninfo, &r->pg, err) < 0)
        return NULL;
    pg_set_deadline(r->pg, pg_deadline(ms ? ms : WORK_MS));
    return r->pg;
}

void reporter_tell(struct reporter *r, const char *stage, double share, const char *metrics, bool important)
{
    struct err e = {0};
    int64_t now = clock_mono_ns();
    if (!important && now - r->told_at < SECOND)
        return;
    r->told_at = now;
    struct pg *pg = reporter_pg(r, TELL_MS, &e);
    if (pg && job_progress(pg, r->job->lease, stage, share, metrics, &e) < 0)
        r->lost |= e.code == ERR_LEASE_LOST;
}

void reporter_say(struct reporter *r, const char *level, const char *format, ...)
{
    struct err e = {0};
    char line[LINE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    struct pg *pg = reporter_pg(r, TELL_MS, &e);
    if (pg && job_say(pg, r->job->lease, level, line, &e) < 0)
        r->lost |= e.code == ERR_LEASE_LOST;
}

int reporter_check(const struct reporter *r, struct err *err)
{
    return r->lost ? err_set(err, ERR_LEASE_LOST, "the lease on the job was lost while it was worked on") : 0;
}

void reporter_close(struct reporter *r)
{
    pg_close(r->pg);
    r->pg = NULL;
}
