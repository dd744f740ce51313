#include "cli/fit_print.h"

#include <math.h>
#include <stdio.h>

#include "base/json_text.h"
#include "base/version.h"
#include "jobs/fit_document.h"

static void put_share(struct buf *out, const struct proportion *p)
{
    if (p->n > 0)
        buf_printf(out, "%5.1f %% (%4.1f-%4.1f)", 100 * p->value, 100 * p->low, 100 * p->high);
    else
        buf_printf(out, "%20s", "-");
}

static void put_accuracy_row(struct buf *out, const struct fit_accuracy *a)
{
    buf_text(out, "  ");
    put_share(out, &a->mixture);
    buf_text(out, "  ");
    put_share(out, &a->pooled);
    buf_printf(out, "  %6.0f\n", a->mixture.n);
}

static void put_evidence(struct buf *out, const struct fit *f)
{
    buf_printf(out, "\n groups  held-out log-likelihood  gain over one (s.e.)   permutation p\n");
    for (int i = 0; i < f->evidences; i++) {
        const struct fit_evidence *e = &f->evidence[i];
        buf_printf(out, " %6d  %10.4f (s.e. %.4f)  %+9.4f (%.4f)", e->k, e->held_out, e->standard_error, e->gain,
                   e->gain_error);
        if (!isnan(e->permutation_p))
            buf_printf(out, "  %14.3f", e->permutation_p);
        buf_char(out, '\n');
    }
}

static void put_groups(struct buf *out, const struct fit *f)
{
    buf_printf(out, "\n group  weight  annotators   own reward, held out    single reward           comparisons\n");
    for (int u = 0; u < f->k; u++) {
        const struct fit_group *g = &f->group[u];
        buf_printf(out, " %5d  %6.3f  %10d ", u, g->weight, g->size);
        put_accuracy_row(out, &g->accuracy);
    }
    buf_printf(out, "   all          %10d ", f->annotators);
    put_accuracy_row(out, &f->accuracy);
}

/* Says nothing of a group without held-out comparisons. */
static void put_calibrations(struct buf *out, const struct fit *f)
{
    for (int u = 0; u < f->k; u++) {
        const struct calibration *own = &f->group[u].calibration, *pooled = &f->group[u].pooled_calibration;
        if (own->n > 0)
            buf_printf(out, "Group %d, held out: its reward is off by %.3f (log-loss %.3f, best temperature %.2f), the "
                       "single one by %.3f (%.3f, %.2f).\n", u, own->error, own->nll, own->temperature, pooled->error,
                       pooled->nll, pooled->temperature);
    }
}

void fit_print_table(struct buf *out, const struct fit *f)
{
    int unassigned = 0;
    for (int h = 0; h < f->annotators; h++)
        unassigned += f->annotator[h].group < 0;
    buf_printf(out, "%s\n%d comparisons (%d ties) by %d annotators on %d items.\n", f->reason, f->comparisons,
               f->ties_seen, f->annotators, f->items);
    if (f->evidences > 0)
        put_evidence(out, f);
    put_groups(out, f);
    buf_printf(out, "\n%d annotators unassigned (too few comparisons, or no clear posterior).\n", unassigned);
    for (int u = 0; u < f->k; u++)
        for (int v = u + 1; v < f->k; v++)
            buf_printf(out, "Groups %d and %d would choose differently with probability %.3f (total variation).\n", u,
                       v, f->group[u].tv[v]);
    put_calibrations(out, f);
    buf_printf(out, "Encoder %s (%d features), ridge %g (single reward %g), %s assignment, ties by %s, held out by %s, "
               "temperature %g, calibration error %.3f, seed %llu.\n", f->encoder, f->dimension, f->ridge,
               f->ridge_pooled, assignment_name(f->assignment),
               tie_model_name(f->ties), f->fold_unit, f->temperature, f->calibration_error,
               (unsigned long long)f->seed);
    for (int i = 0; i < f->warnings; i++)
        buf_printf(out, "Note: %s\n", f->warning[i]);
}

/* A member whose value follows. */
static void open_member(struct buf *out, const char *name, char bracket)
{
    json_key(out, name);
    json_open(out, bracket);
}

static void json_groups(struct buf *out, const struct fit *f)
{
    open_member(out, "groups", '[');
    for (int u = 0; u < f->k; u++) {
        json_open(out, '{');
        json_member_int(out, "ordinal", u);
        json_member_real(out, "weight", f->group[u].weight);
        json_member_int(out, "size", f->group[u].size);
        json_key(out, "summary");
        fit_document_group(out, f, u);
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void json_memberships(struct buf *out, const struct fit *f, char *const *name)
{
    open_member(out, "memberships", '[');
    for (int h = 0; h < f->annotators; h++) {
        const struct fit_annotator *a = &f->annotator[h];
        json_open(out, '{');
        json_member_text(out, "name", name[h]);
        json_key(out, "ordinal");
        if (a->group >= 0)
            json_put_int(out, a->group);
        else
            json_put_null(out);
        open_member(out, "posterior", '[');
        for (int u = 0; u < f->k; u++)
            json_put_real(out, a->posterior[u]);
        json_close(out, ']');
        json_member_int(out, "comparisons", a->comparisons);
        json_close(out, '}');
    }
    json_close(out, ']');
}

/* The members of a fit as the API shows it. */
static void json_fit(struct buf *out, const struct fit *f, const char *model)
{
    char program[96];
    snprintf(program, sizeof program, "%s (%s)", version_number, version_revision);
    json_member_int(out, "comparisons", f->comparisons);
    json_member_int(out, "annotators", f->annotators);
    json_member_int(out, "k", f->k);
    json_member_text(out, "verdict", fit_document_verdict(f));
    json_member_text(out, "encoder", f->encoder);
    json_member_real(out, "ridge", f->ridge);
    json_member_int(out, "seed", (int64_t)f->seed);
    json_member_int(out, "threads", f->threads);
    json_member_text(out, "blas", f->blas);
    json_member_text(out, "code_version", program);
    json_key(out, "evidence");
    fit_document_evidence(out, f);
    json_key(out, "summary");
    fit_document_summary(out, f, model);
    json_key(out, "warnings");
    fit_document_warnings(out, f);
    json_groups(out, f);
}

void fit_print_json(struct buf *out, const struct fit *f, const char *model, char *const *name)
{
    json_open(out, '{');
    json_fit(out, f, model);
    json_memberships(out, f, name);
    json_member_int(out, "tied", f->ties_seen);
    open_member(out, "trace", '[');
    for (int i = 0; i < f->iterations; i++)
        json_put_real(out, f->trace[i]);
    json_close(out, ']');
    json_close(out, '}');
    buf_char(out, '\n');
}
