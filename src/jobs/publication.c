#include "jobs/publication.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "base/version.h"
#include "core/blas.h"
#include "core/reward/lineage.h"
#include "jobs/fit_document.h"
#include "jobs/win_rates.h"

static const char *const event_kinds[] = {
    [LINEAGE_BORN] = "appeared",
    [LINEAGE_ENDED] = "vanished",
    [LINEAGE_SPLIT] = "split",
    [LINEAGE_MERGED] = "merged",
};

/* ---- lineage ---- */

/* One group is everybody's, also of those who have too few comparisons to be assigned. */
static int group_among(int groups, int assigned)
{
    return groups == 1 ? 0 : assigned;
}

/* The group of each annotator in the fit before and in this one. */
static int match(const struct publication_input *in, struct lineage *ret, struct arena *arena, struct err *err)
{
    int n = in->fit->annotators;
    int *before = arena_zeroed(arena, (size_t)n + 1, sizeof *before);
    int *after = arena_zeroed(arena, (size_t)n + 1, sizeof *after);
    if (!before || !after)
        return err_memory(err);
    for (int h = 0; h < n; h++) {
        before[h] = -1;
        after[h] = group_among(in->fit->k, in->fit->annotator[h].group);
    }
    for (int i = 0; i < in->former->members; i++) {
        int h = loaded_annotator(in->loaded, &in->former->member[i].annotator);
        if (h >= 0)
            before[h] = group_among(in->former->groups, in->former->member[i].ordinal);
    }
    lineage_match(n, before, in->former->groups, after, in->fit->k, ret);
    return 0;
}

/* The first colour that neither the groups before nor those named so far have. */
static int free_colour(const struct fit_former *former, const struct fit_publication_group *group, int named)
{
    for (int colour = 0;; colour++) {
        bool taken = false;
        for (int i = 0; i < former->groups; i++)
            taken |= former->group[i].colour == colour;
        for (int i = 0; i < named; i++)
            taken |= group[i].colour == colour;
        if (!taken)
            return colour;
    }
}

static int name_groups(const struct publication_input *in, const struct lineage *lineage, struct publication *p,
                       struct win_rates_group *named, struct err *err)
{
    for (int u = 0; u < in->fit->k; u++) {
        struct fit_publication_group *g = &p->fit.group[u];
        int former = lineage->former[u];
        g->weight = in->fit->group[u].weight;
        g->size = in->fit->group[u].size;
        g->is_new = former < 0;
        if (g->is_new && uuid_new(&g->lineage, err) < 0)
            return -1;
        if (!g->is_new)
            g->lineage = in->former->group[former].lineage;
        g->colour = g->is_new ? free_colour(in->former, p->fit.group, u) : in->former->group[former].colour;
        g->stability = g->is_new ? NAN : lineage->stability[u];
        named[u] = (struct win_rates_group){g->lineage, STR_LITERAL(""), g->colour};
        if (!g->is_new)
            named[u].name = in->former->group[former].name;
    }
    return 0;
}

static int list_events(const struct publication_input *in, const struct lineage *lineage, struct publication *p,
                       struct err *err)
{
    p->fit.event = arena_zeroed(&p->arena, (size_t)lineage->events + 1, sizeof *p->fit.event);
    if (!p->fit.event)
        return err_memory(err);
    p->fit.events = lineage->events;
    for (int i = 0; i < lineage->events; i++) {
        const struct lineage_event *e = &lineage->event[i];
        p->fit.event[i] = (struct fit_publication_event){
            .kind = event_kinds[e->kind],
            .before = e->before < 0 ? NULL : &in->former->group[e->before].lineage,
            .after = e->after < 0 ? NULL : &p->fit.group[e->after].lineage,
            .share = e->before < 0 || e->after < 0 ? NAN : e->share,
        };
    }
    return 0;
}

/* ---- documents ---- */

/* Each group's document, one after the other in one piece of memory. */
static int describe_groups(const struct fit *fit, struct publication *p, struct err *err)
{
    for (int u = 0; u < fit->k; u++) {
        struct buf document = {0};
        fit_document_group(&document, fit, u);
        char *copy = document.failed ? NULL : arena_strndup(&p->arena, document.data, document.length);
        p->fit.group[u].summary = (struct str){copy, document.length};
        buf_free(&document);
        if (!copy)
            return err_memory(err);
    }
    return 0;
}

static int list_members(const struct publication_input *in, struct publication *p, struct err *err)
{
    p->fit.members = in->fit->annotators;
    p->fit.member = arena_zeroed(&p->arena, (size_t)p->fit.members + 1, sizeof *p->fit.member);
    if (!p->fit.member)
        return err_memory(err);
    for (int h = 0; h < p->fit.members; h++) {
        const struct fit_annotator *a = &in->fit->annotator[h];
        p->fit.member[h] =
            (struct fit_publication_member){in->loaded->annotator[h], a->group, a->comparisons, a->posterior};
    }
    return 0;
}

/* What only a fit has. */
static int describe_fit(const struct publication_input *in, struct publication *p, struct win_rates_group *named,
                        struct err *err)
{
    struct lineage lineage;
    p->fit.k = in->fit->k;
    p->fit.verdict = fit_document_verdict(in->fit);
    p->fit.ridge = in->fit->ridge;
    p->fit.group = arena_zeroed(&p->arena, (size_t)in->fit->k, sizeof *p->fit.group);
    if (!p->fit.group)
        return err_memory(err);
    if (match(in, &lineage, &p->arena, err) < 0 || name_groups(in, &lineage, p, named, err) < 0 ||
        list_events(in, &lineage, p, err) < 0 || describe_groups(in->fit, p, err) < 0 || list_members(in, p, err) < 0)
        return -1;
    fit_document_evidence(&p->evidence, in->fit);
    fit_document_summary(&p->summary, in->fit, in->policy);
    fit_document_warnings(&p->warnings, in->fit);
    fit_save(in->fit, &p->model);
    return 0;
}

static void describe_lack(const struct publication_input *in, struct publication *p)
{
    p->fit.k = 0;
    p->fit.verdict = "insufficient_data";
    p->fit.ridge = in->options->ridge;
    buf_text(&p->evidence, "{\"by_k\":[],\"ridges\":[]}");
    buf_text(&p->summary, "{}");
    buf_text(&p->warnings, "[]");
}

/* The strong entity tag: quotes around the SHA-256 of the document. */
static void tag(struct publication *p)
{
    uint8_t digest[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];
    sha256(p->win_rates.data, p->win_rates.length, digest);
    snprintf(p->etag, sizeof p->etag, "\"%s\"", sha256_hex(digest, hex));
}

static struct str view(const struct buf *b)
{
    return (struct str){b->data, b->length};
}

/* The parts that every publication has, and the views of what was rendered. */
static void complete(const struct publication_input *in, struct publication *p)
{
    struct fit_publication *f = &p->fit;
    snprintf(p->code_version, sizeof p->code_version, "%s (%s)", version_number, version_revision);
    f->fit = in->fit_id;
    f->data = in->loaded->data;
    memcpy(f->data_digest, in->loaded->digest, sizeof f->data_digest);
    f->comparisons = in->loaded->comparisons;
    f->annotators = in->loaded->annotators;
    f->encoder = in->policy ? "lm" : "hashed";
    f->seed = (int64_t)in->options->seed;
    f->threads = in->options->threads;
    f->blas = blas_config();
    f->code_version = p->code_version;
    f->evidence = view(&p->evidence);
    f->summary = view(&p->summary);
    f->warnings = view(&p->warnings);
    f->model = view(&p->model);
    f->win_rates = view(&p->win_rates);
    f->etag = p->etag;
}

static int more_needed(int there, int needed)
{
    return there < needed ? needed - there : 0;
}

int publication_make(const struct publication_input *in, struct publication *ret, struct err *err)
{
    struct win_rates_group named[FIT_GROUPS_MAX];
    *ret = (struct publication){0};
    struct win_rates_input rates = {
        .project = in->project,
        .fit_id = in->fit_id,
        .loaded = in->loaded,
        .fit = in->fit,
        .group = named,
        .reason = in->fit ? in->fit->reason : in->lack,
        .missing_comparisons = more_needed(in->loaded->comparisons, FIT_LEAST_COMPARISONS),
        .missing_annotators = more_needed(in->loaded->annotators, FIT_LEAST_ANNOTATORS),
    };
    if (!in->fit)
        describe_lack(in, ret);
    else if (describe_fit(in, ret, named, err) < 0)
        goto fail;
    if (win_rates_write(&rates, &ret->win_rates, err) < 0)
        goto fail;
    if (ret->evidence.failed || ret->summary.failed || ret->warnings.failed || ret->model.failed) {
        err_memory(err);
        goto fail;
    }
    tag(ret);
    complete(in, ret);
    return 0;
fail:
    publication_free(ret);
    return -1;
}

void publication_free(struct publication *p)
{
    buf_free(&p->evidence);
    buf_free(&p->summary);
    buf_free(&p->warnings);
    buf_free(&p->model);
    buf_free(&p->win_rates);
    arena_free(&p->arena);
    *p = (struct publication){0};
}
