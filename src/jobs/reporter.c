#include "jobs/reporter.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/pg.h"

#define SECOND INT64_C(1000000000)

/* TELL: the job waits meanwhile, and what is not told now is told next time. */
enum { CONNECT_MS = 10000, TELL_MS = 5000, WORK_MS = 600000, LINE_SIZE = 1000 };

enum { CONFLICTS_MOST = 10, WAIT_SECONDS = 10 /* between two tries at most */ };

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

/* Makes room for one more. */
static bool make_room(struct reporter *r)
{
    if (r->figure_count == REPORTER_FIGURES_MOST) {
        mem_free((char *)r->figures[0].json.ptr);
        memmove(r->figures, r->figures + 1, (size_t)--r->figure_count * sizeof *r->figures);
    }
    if (r->figure_count < r->figure_room)
        return true;
    int room = r->figure_room ? 2 * r->figure_room : 64;
    struct job_figures *figures = mem_resize(r->figures, (size_t)room, sizeof *figures);
    if (!figures)
        return false;
    r->figures = figures;
    r->figure_room = room;
    return true;
}

static void drop_figures(struct reporter *r)
{
    for (int i = 0; i < r->figure_count; i++)
        mem_free((char *)r->figures[i].json.ptr);
    r->figure_count = 0;
}

void reporter_figures(struct reporter *r, int64_t step, struct str json)
{
    char *copy = mem_strndup(json.ptr, json.len);
    if (!copy || !make_room(r)) { /* a point of a curve is missing: no reason to end the job */
        mem_free(copy);
        return;
    }
    r->figures[r->figure_count++] = (struct job_figures){step, clock_wall_us(), {copy, json.len}};
    if (clock_mono_ns() - r->stored_at >= SECOND)
        reporter_flush(r);
}

void reporter_flush(struct reporter *r)
{
    struct err e = {0};
    r->stored_at = clock_mono_ns();
    if (r->figure_count == 0)
        return;
    struct pg *pg = reporter_pg(r, TELL_MS, &e);
    if (!pg)
        return;
    if (job_metrics_store(pg, r->job->lease, r->figures, r->figure_count, &e) == 0)
        drop_figures(r);
    else
        r->lost |= e.code == ERR_LEASE_LOST;
}

static void saving(void *reporter)
{
    reporter_flush(reporter);
}

struct pace reporter_pace(struct reporter *r, const char *folder, int64_t every)
{
    return (struct pace){
        .folder = folder, .checkpoint_every = every, .stop = r->job->stop, .saving = saving, .teller = r};
}

void reporter_samples(struct reporter *r, int64_t step, const struct job_sample *samples, int count)
{
    struct err e = {0};
    struct pg *pg = reporter_pg(r, TELL_MS, &e);
    if (pg && job_samples_store(pg, r->job->lease, step, samples, count, &e) < 0)
        r->lost |= e.code == ERR_LEASE_LOST;
}

bool reporter_again(const struct reporter *r, int tried, const struct err *err)
{
    if (err->code != ERR_DATABASE_DOWN && (err->code != ERR_DATABASE_CONFLICT || tried >= CONFLICTS_MOST))
        return false;
    for (int i = 0; i < tried && i < WAIT_SECONDS && !*r->job->stop; i++)
        clock_sleep_ns(SECOND);
    return !*r->job->stop;
}

int reporter_check(const struct reporter *r, struct err *err)
{
    return r->lost ? err_set(err, ERR_LEASE_LOST, "the lease on the job was lost while it was worked on") : 0;
}

void reporter_close(struct reporter *r)
{
    drop_figures(r);
    mem_free(r->figures);
    pg_close(r->pg);
    *r = (struct reporter){.job = r->job};
}
