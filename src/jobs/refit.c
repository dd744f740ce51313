#include "jobs/refit.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/json_text.h"
#include "core/blas.h"
#include "core/reward/fit.h"
#include "formats/fit_options.h"
#include "jobs/encoding.h"
#include "jobs/load.h"
#include "jobs/publication.h"
#include "jobs/reporter.h"
#include "jobs/settings.h"
#include "store/fit.h"

/* Where a job stands when it has read, when it has encoded texts by a language model (without one that takes no time),
 * and when it has fitted. */
#define READ    0.05
#define ENCODED 0.50
#define FITTED  0.95

/* One fit on its way. */
struct refit {
    const struct job_context *job;
    struct reporter reporter;
    struct fit_task task;
    struct fit_settings settings;
    struct fit_options fit_options;
    int buckets;
    struct encoding *encoding; /* NULL: hashed features */
    double begun;              /* where the job stood when the fit began */
    struct loaded loaded;
    struct fit *fit;       /* NULL also when there is too little data */
    char lack[sizeof((struct err *)0)->message];
    struct fit_former former;
    struct publication publication;
    struct arena arena;
};

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
    reporter_tell(&r->reporter, p->phase, r->begun + (FITTED - r->begun) * p->fraction, metrics, false);
    return !r->reporter.lost;
}

/* ---- the steps ---- */

static int read_options(struct refit *r, struct err *err)
{
    struct pg *pg = reporter_pg(&r->reporter, 0, err);
    if (!pg || fit_task_of(pg, r->job->lease, &r->arena, &r->task, err) < 0)
        return -1;
    if (fit_settings_read(r->task.options, r->task.options_length, &r->settings, &r->arena, err) < 0 ||
        settings_apply(&r->settings, r->job->threads, &r->fit_options, &r->buckets, err) < 0)
        return err_wrap(err, "option %s", err->pointer);
    r->fit_options.progress = progress;
    r->fit_options.context = r;
    return 0;
}

static int read_data(struct refit *r, struct err *err)
{
    reporter_tell(&r->reporter, "reading", 0, "{}", true);
    struct pg *pg = reporter_pg(&r->reporter, 0, err);
    if (!pg)
        return err_wrap(err, "the comparisons cannot be read");
    if (json_given(&r->settings.seen, FIT_POLICY) &&
        encoding_open(&r->reporter, r->settings.policy, &r->encoding, err) < 0)
        return -1;
    struct load_annotators who = {r->settings.held_out_annotators, ANNOTATORS_TRAIN};
    if (loaded_read(pg, &r->job->lease->project, who, r->buckets, r->encoding, &r->loaded, err) < 0 ||
        fit_begun(pg, r->job->lease, &r->loaded.data, err) < 0)
        return -1;
    reporter_say(&r->reporter, "info", "read %d comparisons of %d responses by %d annotators, up to number %lld",
                 r->loaded.comparisons, r->loaded.responses, r->loaded.annotators,
                 (long long)r->loaded.data.watermark);
    if (r->loaded.left_out > 0)
        reporter_say(&r->reporter, "info", "held out %d annotators, to judge what is trained on this fit",
                     r->loaded.left_out);
    return 0;
}

/* Where a language model makes the features, makes those that are not cached. */
static int encode(struct refit *r, struct err *err)
{
    int encoded;
    r->begun = READ;
    if (!r->encoding)
        return 0;
    if (encoding_complete(r->encoding, READ, ENCODED, &encoded, err) < 0 || loaded_encoded(&r->loaded, err) < 0)
        return -1;
    r->begun = encoded > 0 ? ENCODED : READ;
    reporter_say(&r->reporter, "info", "encoded %d responses with the policy %s, %d were cached", encoded,
                 encoding_policy(r->encoding), r->loaded.responses - encoded);
    return 0;
}

static int compute(struct refit *r, struct err *err)
{
    reporter_tell(&r->reporter, "fitting", r->begun, "{}", true);
    if (blas_start(err) < 0)
        return -1;
    if (fit_run(r->loaded.set, &r->fit_options, &r->fit, err) == 0) {
        reporter_say(&r->reporter, "info", "%s", r->fit->reason);
        for (int i = 0; i < r->fit->warnings; i++)
            reporter_say(&r->reporter, "warning", "%s", r->fit->warning[i]);
        return 0;
    }
    r->fit = NULL;
    if (reporter_check(&r->reporter, err) < 0 || err->code != ERR_INSUFFICIENT_DATA)
        return -1;
    snprintf(r->lack, sizeof r->lack, "%s", err->message);
    reporter_say(&r->reporter, "warning", "%s", r->lack);
    return 0;
}

/* Once; what was rendered is rendered again when it must be repeated, because the fit before may have changed. */
static int publish_once(struct refit *r, struct err *err)
{
    struct pg *pg = reporter_pg(&r->reporter, 0, err);
    if (!pg)
        return err_wrap(err, "the fit cannot be published");
    struct publication_input in = {
        .project = r->job->lease->project_name,
        .fit_id = r->task.fit,
        .loaded = &r->loaded,
        .fit = r->fit,
        .lack = r->lack,
        .former = &r->former,
        .options = &r->fit_options,
        .policy = r->encoding ? encoding_policy(r->encoding) : NULL,
    };
    if (fit_former_of(pg, &r->job->lease->project, &r->arena, &r->former, err) < 0 ||
        publication_make(&in, &r->publication, err) < 0)
        return -1;
    int result = fit_store(pg, r->job->lease, &r->publication.fit, err);
    publication_free(&r->publication);
    return result;
}

/* A database that is away for a while does not cost the fit. */
static int publish(struct refit *r, struct err *err)
{
    reporter_tell(&r->reporter, "publishing", FITTED, "{}", true);
    int tried = 0;
    do {
        if (publish_once(r, err) == 0)
            return 0;
    } while (reporter_again(&r->reporter, ++tried, err));
    return -1;
}

int refit_run(const struct job_context *job, struct err *err)
{
    struct refit r = {.job = job, .reporter = {.job = job}};
    int result = -1;
    if (read_options(&r, err) == 0 && read_data(&r, err) == 0 && encode(&r, err) == 0 &&
        compute(&r, err) == 0)
        result = publish(&r, err);
    fit_free(r.fit);
    loaded_free(&r.loaded);
    encoding_close(r.encoding);
    arena_free(&r.arena);
    reporter_close(&r.reporter);
    return result;
}
