#include "cli/fit_print.h"

#include <math.h>
#include <string.h>

#include "base/json_text.h"
#include "base/sha256.h"
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

static void member_real(struct buf *out, const char *name, double value)
{
    json_key(out, name);
    json_put_real(out, value);
}

static void member_int(struct buf *out, const char *name, int64_t value)
{
    json_key(out, name);
    json_put_int(out, value);
}

static void member_text(struct buf *out, const char *name, const char *value)
{
    json_key(out, name);
    json_put_text(out, value);
}

static void member_share(struct buf *out, const char *name, const struct proportion *p)
{
    json_key(out, name);
    json_open(out, '{');
    json_key(out, "accuracy");
    if (p->n > 0)
        json_put_real(out, p->value);
    else
        json_put_null(out);
    member_real(out, "low", p->low);
    member_real(out, "high", p->high);
    member_int(out, "n", (int64_t)p->n);
    json_close(out, '}');
}

static void member_accuracy(struct buf *out, const char *name, const struct fit_accuracy *a)
{
    json_key(out, name);
    json_open(out, '{');
    member_share(out, "mixture", &a->mixture);
    member_share(out, "single", &a->pooled);
    json_close(out, '}');
}

static void json_evidence(struct buf *out, const struct fit *f)
{
    json_key(out, "evidence");
    json_open(out, '[');
    for (int i = 0; i < f->evidences; i++) {
        const struct fit_evidence *e = &f->evidence[i];
        json_open(out, '{');
        member_int(out, "k", e->k);
        member_real(out, "held_out_log_likelihood", e->held_out);
        member_real(out, "standard_error", e->standard_error);
        member_real(out, "gain", e->gain);
        member_real(out, "gain_standard_error", e->gain_error);
        member_real(out, "permutation_p", e->permutation_p);
        json_close(out, '}');
    }
    json_close(out, ']');
    json_key(out, "ridge_evidence");
    json_open(out, '[');
    for (int i = 0; i < f->ridges; i++) {
        json_open(out, '{');
        member_real(out, "ridge", f->ridge_path[i].ridge);
        member_real(out, "single", f->ridge_path[i].pooled);
        member_real(out, "mixture", f->ridge_path[i].mixture);
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void json_groups(struct buf *out, const struct fit *f)
{
    json_key(out, "groups");
    json_open(out, '[');
    for (int u = 0; u < f->k; u++) {
        const struct fit_group *g = &f->group[u];
        json_open(out, '{');
        member_int(out, "group", u);
        member_real(out, "weight", g->weight);
        member_int(out, "size", g->size);
        member_real(out, "expected_size", g->expected_size);
        member_accuracy(out, "held_out", &g->accuracy);
        fit_document_calibration(out, &g->calibration, &g->pooled_calibration);
        member_real(out, "tv_mixture", g->tv_mixture);
        json_key(out, "tv");
        json_open(out, '[');
        for (int v = 0; v < f->k; v++)
            json_put_real(out, g->tv[v]);
        json_close(out, ']');
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void json_annotators(struct buf *out, const struct fit *f, char *const *name)
{
    json_key(out, "annotators");
    json_open(out, '[');
    for (int h = 0; h < f->annotators; h++) {
        const struct fit_annotator *a = &f->annotator[h];
        json_open(out, '{');
        member_text(out, "annotator", name[h]);
        json_key(out, "group");
        if (a->group >= 0)
            json_put_int(out, a->group);
        else
            json_put_null(out);
        member_int(out, "comparisons", a->comparisons);
        json_key(out, "posterior");
        json_open(out, '[');
        for (int u = 0; u < f->k; u++)
            json_put_real(out, a->posterior[u]);
        json_close(out, ']');
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void json_calibration(struct buf *out, const struct fit *f)
{
    member_real(out, "calibration_error", f->calibration_error);
    json_key(out, "calibration");
    json_open(out, '[');
    for (int b = 0; b < FIT_CALIBRATION_BINS; b++) {
        json_open(out, '{');
        member_int(out, "n", (int64_t)f->calibration[b].n);
        member_real(out, "predicted", f->calibration[b].predicted);
        member_real(out, "observed", f->calibration[b].observed);
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void json_encoder(struct buf *out, const struct fit *f)
{
    char hex[SHA256_HEX_SIZE];
    member_text(out, "encoder", f->encoder);
    member_int(out, "dimension", f->dimension);
    if (strcmp(f->encoder, "lm") == 0)
        member_text(out, "encoder_digest", sha256_hex(f->encoder_digest, hex));
}

void fit_print_json(struct buf *out, const struct fit *f, char *const *name)
{
    json_open(out, '{');
    member_int(out, "k", f->k);
    member_text(out, "reason", f->reason);
    json_evidence(out, f);
    json_groups(out, f);
    json_annotators(out, f, name);
    member_accuracy(out, "held_out", &f->accuracy);
    member_text(out, "fold_unit", f->fold_unit);
    json_calibration(out, f);
    member_real(out, "ridge", f->ridge);
    member_real(out, "ridge_single", f->ridge_pooled);
    member_real(out, "temperature", f->temperature);
    json_encoder(out, f);
    member_text(out, "assignment", assignment_name(f->assignment));
    member_text(out, "ties", tie_model_name(f->ties));
    member_real(out, "tie_parameter", f->tie_parameter);
    json_key(out, "trace");
    json_open(out, '[');
    for (int i = 0; i < f->iterations; i++)
        json_put_real(out, f->trace[i]);
    json_close(out, ']');
    json_key(out, "warnings");
    json_open(out, '[');
    for (int i = 0; i < f->warnings; i++)
        json_put_text(out, f->warning[i]);
    json_close(out, ']');
    member_int(out, "comparisons", f->comparisons);
    member_int(out, "tied", f->ties_seen);
    member_int(out, "items", f->items);
    member_int(out, "responses", f->responses);
    member_int(out, "seed", (int64_t)f->seed);
    member_int(out, "threads", f->threads);
    member_text(out, "blas", f->blas);
    json_close(out, '}');
    buf_char(out, '\n');
}
