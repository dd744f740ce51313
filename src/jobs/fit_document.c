#include "jobs/fit_document.h"

#include "base/json_text.h"
#include "base/sha256.h"
#include "jobs/win_rates.h"

const char *fit_document_verdict(const struct fit *f)
{
    return f->k > 1 ? "groups_found" : "one_group_suffices";
}

void fit_document_evidence(struct buf *out, const struct fit *f)
{
    json_open(out, '{');
    json_member_text(out, "reason", f->reason);
    json_member_bool(out, "forced", f->forced);
    json_key(out, "by_k");
    json_open(out, '[');
    for (int i = 0; i < f->evidences; i++) {
        const struct fit_evidence *e = &f->evidence[i];
        json_open(out, '{');
        json_member_int(out, "k", e->k);
        json_member_real(out, "held_out", e->held_out);
        json_member_real(out, "standard_error", e->standard_error);
        json_member_real(out, "gain", e->gain);
        json_member_real(out, "gain_error", e->gain_error);
        json_member_real(out, "permutation_p", e->permutation_p);
        json_member_real(out, "train", e->train);
        json_close(out, '}');
    }
    json_close(out, ']');
    json_key(out, "ridges");
    json_open(out, '[');
    for (int i = 0; i < f->ridges; i++) {
        json_open(out, '{');
        json_member_real(out, "ridge", f->ridge_path[i].ridge);
        json_member_real(out, "pooled", f->ridge_path[i].pooled);
        json_member_real(out, "mixture", f->ridge_path[i].mixture);
        json_close(out, '}');
    }
    json_close(out, ']');
    json_close(out, '}');
}

static void put_one_calibration(struct buf *out, const char *name, const struct calibration *c)
{
    json_key(out, name);
    json_open(out, '{');
    json_member_real(out, "n", c->n);
    json_member_real(out, "nll", c->nll);
    json_member_real(out, "brier", c->brier);
    json_member_real(out, "error", c->error);
    json_member_real(out, "temperature", c->temperature);
    json_member_real(out, "tempered_nll", c->tempered);
    json_close(out, '}');
}

void fit_document_calibration(struct buf *out, const struct calibration *group, const struct calibration *single)
{
    json_key(out, "calibration");
    json_open(out, '{');
    put_one_calibration(out, "group", group);
    put_one_calibration(out, "single", single);
    json_close(out, '}');
}

static void put_calibration(struct buf *out, const struct fit *f)
{
    json_key(out, "calibration");
    json_open(out, '{');
    json_member_real(out, "error", f->calibration_error);
    put_one_calibration(out, "single", &f->pooled_calibration);
    json_key(out, "bins");
    json_open(out, '[');
    for (int i = 0; i < FIT_CALIBRATION_BINS; i++) {
        json_open(out, '{');
        json_member_real(out, "n", f->calibration[i].n);
        json_member_real(out, "predicted", f->calibration[i].predicted);
        json_member_real(out, "observed", f->calibration[i].observed);
        json_close(out, '}');
    }
    json_close(out, ']');
    json_close(out, '}');
}

/* The policy whose states are the features, and the digest of its encoder; null for hashed ones. */
static void put_encoder(struct buf *out, const struct fit *f, const char *policy)
{
    char hex[SHA256_HEX_SIZE];
    if (policy) {
        json_member_text(out, "policy", policy);
        json_member_text(out, "encoder_digest", sha256_hex(f->encoder_digest, hex));
        return;
    }
    json_key(out, "policy");
    json_put_null(out);
    json_key(out, "encoder_digest");
    json_put_null(out);
}

void fit_document_summary(struct buf *out, const struct fit *f, const char *policy)
{
    json_open(out, '{');
    win_rates_accuracy(out, &f->accuracy);
    json_member_text(out, "fold_unit", f->fold_unit);
    put_calibration(out, f);
    json_member_real(out, "temperature", f->temperature);
    json_member_real(out, "ridge_pooled", f->ridge_pooled);
    json_member_real(out, "tie_parameter", f->tie_parameter);
    json_member_text(out, "assignment", assignment_name(f->assignment));
    json_member_text(out, "ties", tie_model_name(f->ties));
    json_member_int(out, "iterations", f->iterations);
    json_member_int(out, "restarts", f->restarts);
    json_member_int(out, "items", f->items);
    json_member_int(out, "responses", f->responses);
    json_member_int(out, "dimension", f->dimension);
    put_encoder(out, f, policy);
    json_close(out, '}');
}

void fit_document_group(struct buf *out, const struct fit *f, int group)
{
    const struct fit_group *g = &f->group[group];
    json_open(out, '{');
    win_rates_accuracy(out, &g->accuracy);
    fit_document_calibration(out, &g->calibration, &g->pooled_calibration);
    json_member_real(out, "expected_size", g->expected_size);
    json_member_real(out, "tv_mixture", g->tv_mixture);
    json_key(out, "tv");
    json_open(out, '[');
    for (int v = 0; v < f->k; v++)
        json_put_real(out, g->tv[v]);
    json_close(out, ']');
    json_close(out, '}');
}

void fit_document_warnings(struct buf *out, const struct fit *f)
{
    json_open(out, '[');
    for (int i = 0; i < f->warnings; i++)
        json_put_text(out, f->warning[i]);
    json_close(out, ']');
}
