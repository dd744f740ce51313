#include "jobs/refit.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_text.h"
#include "core/blas.h"
#include "core/reward/fit.h"
#include "formats/fit_options.h"
#include "jobs/load.h"
#include "jobs/publication.h"
#include "jobs/settings.h"
#include "store/fit.h"
#include "store/pg.h"

#define SECOND INT64_C(1000000000)

/* TELL: the fit waits meanwhile, and what is not told now is told next time. */
enum { CONNECT_MS = 10000, TELL_MS = 5000, WORK_MS = 600000, PUBLISH_TRIES = 10 };

/* How much of a job is not the engine's: reading before it, publishing after it. */
#define SHARE_READ 0.05
#define SHARE_FIT 0.90

/* One fit on its way. */
struct refit {
    const struct refit_options *options;
    const struct job_lease *lease;
    struct pg *pg;         /* NULL while there is none */
    int64_t told_at;       /* when progress was last written */
    bool lost;             /* the lease */
    struct fit_task task;
    struct fit_settings settings;
    struct fit_options fit_options;
    int buckets;
    struct loaded loaded;
    struct fit *fit;       /* NULL also when there is too little data */
    char lack[sizeof((struct err *)0)->message];
    struct fit_former former;
    struct publication publication;
    struct arena arena;
};

int refit_connect(const char *conninfo, struct pg **ret, struct err *err)
{
    struct pg_options options = {.conninfo = conninfo, .application = "egalign run-job"};
    if (pg_open(&options, pg_deadline(CONNECT_MS), ret, err) < 0)
        return -1;
    pg_set_deadline(*ret, pg_deadline(WORK_MS));
    return 0;
}

/* ---- telling how far it is ---- */

/* Whether there is a connection, made anew if need be, for work of at most `ms`. */
static bool connected(struct refit *r, int64_t ms)
{
    if (r->pg && !pg_alive(r->pg)) {
        pg_close(r->pg);
        r->pg = NULL;
    }
    if (!r->pg && refit_connect(r->options->conninfo, &r->pg, NULL) < 0)
        return false;
    pg_set_deadline(r->pg, pg_deadline(ms));
    return true;
}

/* Writes the stage, at most once a second unless it is `important`. Only a lost lease matters: the rest is told next
 * time. */
static void tell(struct refit *r, const char *stage, double share, const char *metrics, bool important)
{
    struct err e = {0};
    int64_t now = clock_mono_ns();
    if (!important && now - r->told_at < SECOND)
        return;
    r->told_at = now;
    if (connected(r, TELL_MS) && job_progress(r->pg, r->lease, stage, share, metrics, &e) < 0)
        r->lost |= e.code == ERR_LEASE_LOST;
}

static void say(struct refit *r, const char *level, const char *message)
{
    struct err e = {0};
    if (connected(r, TELL_MS) && job_say(r->pg, r->lease, level, message, &e) < 0)
        r->lost |= e.code == ERR_LEASE_LOST;
}

/* The engine's callback. */
static bool progress(void *context, const struct fit_progress *p)
{
    struct refit *r = context;
    char metrics[120];
    struct buf out = {0};
    json_open(&out, '{');
    json_key(&out, "iteration");
    json_put_int(&out, p->iteration);
    json_key(&out, "objective");
    json_put_real(&out, p->objective);
    json_close(&out, '}');
    snprintf(metrics, sizeof metrics, "%s", out.data && !out.failed ? out.data : "{}");
    buf_free(&out);
    tell(r, p->phase, SHARE_READ + SHARE_FIT * p->fraction, metrics, false);
    return !r->lost;
}

/* ---- the steps ---- */

static int read_options(struct refit *r, struct err *err)
{
    if (fit_task_of(r->pg, r->lease, &r->arena, &r->task, err) < 0)
        return -1;
    if (fit_settings_read(r->task.options, r->task.options_length, &r->settings, &r->arena, err) < 0 ||
        settings_apply(&r->settings, r->options->threads, &r->fit_options, &r->buckets, err) < 0)
        return err_wrap(err, "option %s", err->pointer);
    r->fit_options.progress = progress;
    r->fit_options.context = r;
    return 0;
}

static int read_data(struct refit *r, struct err *err)
{
    char line[160];
    tell(r, "reading", 0, "{}", true);
    if (!connected(r, WORK_MS))
        return err_set(err, ERR_DATABASE_DOWN, "the database does not answer, so the comparisons cannot be read");
    if (loaded_read(r->pg, &r->lease->project, r->buckets, &r->loaded, err) < 0 ||
        fit_begun(r->pg, r->lease, &r->loaded.data, err) < 0)
        return -1;
    snprintf(line, sizeof line, "read %d comparisons of %d responses by %d annotators, up to number %lld",
             r->loaded.comparisons, r->loaded.responses, r->loaded.annotators, (long long)r->loaded.data.watermark);
    say(r, "info", line);
    return 0;
}

static int compute(struct refit *r, struct err *err)
{
    tell(r, "fitting", SHARE_READ, "{}", true);
    if (blas_start(err) < 0)
        return -1;
    if (fit_run(r->loaded.set, &r->fit_options, &r->fit, err) == 0) {
        say(r, "info", r->fit->reason);
        for (int i = 0; i < r->fit->warnings; i++)
            say(r, "warning", r->fit->warning[i]);
        return 0;
    }
    r->fit = NULL;
    if (r->lost)
        return err_set(err, ERR_LEASE_LOST, "the lease on the job was lost while it was computed");
    if (err->code != ERR_INSUFFICIENT_DATA)
        return -1;
    snprintf(r->lack, sizeof r->lack, "%s", err->message);
    say(r, "warning", r->lack);
    return 0;
}

/* Once; what was rendered is rendered again when it must be repeated, because the fit before may have changed. */
static int publish_once(struct refit *r, struct err *err)
{
    if (!connected(r, WORK_MS))
        return err_set(err, ERR_DATABASE_DOWN, "the database does not answer, so the fit cannot be published");
    struct publication_input in = {
        .project = r->lease->project_name,
        .fit_id = r->task.fit,
        .loaded = &r->loaded,
        .fit = r->fit,
        .lack = r->lack,
        .former = &r->former,
        .options = &r->fit_options,
    };
    if (fit_former_of(r->pg, &r->lease->project, &r->arena, &r->former, err) < 0 ||
        publication_make(&in, &r->publication, err) < 0)
        return -1;
    int result = fit_store(r->pg, r->lease, &r->publication.fit, err);
    publication_free(&r->publication);
    return result;
}

/* A database that is away for a while does not cost the fit. */
static int publish(struct refit *r, struct err *err)
{
    tell(r, "publishing", SHARE_READ + SHARE_FIT, "{}", true);
    for (int try = 1;; try++) {
        if (publish_once(r, err) == 0)
            return 0;
        if ((err->code != ERR_DATABASE_DOWN && err->code != ERR_DATABASE_CONFLICT) || try == PUBLISH_TRIES)
            return -1;
        clock_sleep_ns(try * SECOND);
    }
}

int refit_run(const struct refit_options *options, const struct job_lease *lease, struct err *err)
{
    struct refit r = {.options = options, .lease = lease};
    int result = -1;
    if (refit_connect(options->conninfo, &r.pg, err) < 0)
        goto out;
    if (read_options(&r, err) == 0 && read_data(&r, err) == 0 && compute(&r, err) == 0)
        result = publish(&r, err);
out:
    fit_free(r.fit);
    loaded_free(&r.loaded);
    arena_free(&r.arena);
    pg_close(r.pg);
    return result;
}
