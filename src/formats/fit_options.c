#include "formats/fit_options.h"

#include <stdio.h>

const char *const fit_settings_assignments[] = {"soft", "hard", NULL};
const char *const fit_settings_ties[] = {"davidson", "half", NULL};
const char *const fit_settings_fold_units[] = {"item", "pair", NULL};
const char *const fit_settings_encoders[] = {"hashed", "lm", NULL};

static const struct json_field grid_item = JSON_ITEM(REAL, .low = 1e-6, .high = 1e9);

static const struct json_field fields[] = {
    [FIT_SEED] = JSON_FIELD(INT, struct fit_settings, seed, "seed", .least = 0, .most = INT64_MAX,
                            .about = "Seed of every random choice.", .example = "7"),
    [FIT_K] = JSON_FIELD(INT, struct fit_settings, k, "k", .least = 0, .most = 12,
                         .about = "0 chooses the number of groups by held-out likelihood; else exactly this many.",
                         .example = "0"),
    [FIT_K_MAX] = JSON_FIELD(INT, struct fit_settings, k_max, "k_max", .least = 1, .most = 12,
                             .about = "Most groups considered.", .example = "4"),
    [FIT_RESTARTS] = JSON_FIELD(INT, struct fit_settings, restarts, "restarts", .least = 1, .most = 100,
                                .about = "Starts of EM; the best run counts."),
    [FIT_ITERATIONS] = JSON_FIELD(INT, struct fit_settings, iterations, "iterations", .least = 1, .most = 10000,
                                  .about = "Most EM iterations of a run."),
    [FIT_RIDGE] = JSON_FIELD(REAL, struct fit_settings, ridge, "ridge", .low = 0, .high = 1e9,
                             .about = "L2 penalty; 0 chooses from the grid by held-out likelihood."),
    [FIT_RIDGE_GRID] = JSON_FIELD(LIST, struct fit_settings, ridge_grid, "ridge_grid", .least = 1,
                                  .most = FIT_OPTIONS_GRID_MAX, .item = &grid_item, .item_size = sizeof(double),
                                  .about = "Penalties to choose from, ascending."),
    [FIT_ASSIGNMENT] = JSON_FIELD(ENUM, struct fit_settings, assignment, "assignment",
                                  .names = fit_settings_assignments,
                                  .about = "Soft EM, or hard EM with round-robin start."),
    [FIT_TIES] = JSON_FIELD(ENUM, struct fit_settings, ties, "ties", .names = fit_settings_ties,
                            .about = "Ties by Davidson's model, or as half a win for each."),
    [FIT_MIN_GROUP_SIZE] = JSON_FIELD(REAL, struct fit_settings, min_group_size, "min_group_size", .low = 1,
                                      .high = 1e6,
                                      .about = "A group of fewer expected annotators is dropped."),
    [FIT_ASSIGN_THRESHOLD] = JSON_FIELD(REAL, struct fit_settings, assign_threshold, "assign_threshold", .low = 0.5,
                                        .high = 1, .about = "Least posterior of an annotator who is put into a group."),
    [FIT_MIN_COMPARISONS] = JSON_FIELD(INT, struct fit_settings, min_comparisons, "min_comparisons", .least = 0,
                                       .most = 1000000, .about = "Annotators with fewer comparisons are unassigned."),
    [FIT_PERMUTATIONS] = JSON_FIELD(INT, struct fit_settings, permutations, "permutations", .least = 0, .most = 10000,
                                    .about = "Permutations of annotator ids in the test for more than one group; "
                                             "0: no test. As many as the significance needs: 19 for 0.05."),
    [FIT_SIGNIFICANCE] = JSON_FIELD(REAL, struct fit_settings, significance, "significance", .low = 0.001, .high = 0.5,
                                    .about = "p-value that more than one group needs."),
    [FIT_FOLDS] = JSON_FIELD(INT, struct fit_settings, folds, "folds", .least = 2, .most = 20,
                             .about = "Disjoint folds for the penalty and the accuracies."),
    [FIT_FOLD_UNIT] = JSON_FIELD(ENUM, struct fit_settings, fold_unit, "fold_unit", .names = fit_settings_fold_units,
                                 .about = "What folds keep apart: items, for judging unseen prompts, or pairs, for "
                                          "unseen judgements of known prompts."),
    [FIT_STRENGTH_WEIGHTS] = JSON_FIELD(BOOL, struct fit_settings, strength_weights, "strength_weights",
                                        .about = "Weigh a comparison by its strength."),
    [FIT_BUCKETS] = JSON_FIELD(INT, struct fit_settings, buckets, "buckets", .least = 16, .most = 65536,
                               .about = "Hashed dimensions of the text features."),
    [FIT_ENCODER] = JSON_FIELD(ENUM, struct fit_settings, encoder, "encoder", .names = fit_settings_encoders,
                               .about = "What texts are to the fit: hashed words and style, or hidden states of the "
                                        "language model `policy`."),
    [FIT_POLICY] = JSON_FIELD(STR, struct fit_settings, policy, "policy", .least = 1, .most = 63,
                              .about = "Name or id of the policy whose hidden states are the features, with the "
                                       "encoder lm."),
    [FIT_HELD_OUT_ANNOTATORS] = JSON_FIELD(REAL, struct fit_settings, held_out_annotators, "held_out_annotators",
                                           .low = 0, .high = 0.9,
                                           .about = "Share of the annotators, drawn once by their ids, whom the fit "
                                                    "does not see, so that they can judge what is trained on it.",
                                           .example = "0.3"),
};

const struct json_shape fit_settings_shape =
    JSON_SHAPE(struct fit_settings, fields, "FitOptions", "Options of a fit; what is not given keeps its default.");

/* The least p-value is 1 / (1 + permutations): a test that cannot be passed is no test. */
static int check_permutations(const struct fit_settings *s, const char *pointer, struct err *err)
{
    char at[64];
    bool given = json_given(&s->seen, FIT_PERMUTATIONS);
    double significance = json_given(&s->seen, FIT_SIGNIFICANCE) ? s->significance : FIT_OPTIONS_SIGNIFICANCE;
    int64_t permutations = given ? s->permutations : FIT_OPTIONS_PERMUTATIONS;
    if (s->k > 0 || permutations == 0 || 1.0 / (1 + (double)permutations) <= significance)
        return 0;
    snprintf(at, sizeof at, "%s%s", pointer, given ? "/permutations" : "/significance");
    return err_at(err, ERR_INVALID_VALUE, at, "%lld permutations cannot reach a significance of %g",
                  (long long)permutations, significance);
}

/* A policy and the encoder lm need each other; hashed dimensions do not go with them. */
static int check_encoder(const struct fit_settings *s, const char *pointer, struct err *err)
{
    char at[64];
    bool lm = json_given(&s->seen, FIT_ENCODER) && s->encoder == FIT_ENCODER_LM;
    bool policy = json_given(&s->seen, FIT_POLICY);
    if (lm != policy) {
        snprintf(at, sizeof at, "%s/policy", pointer);
        return err_at(err, ERR_INVALID_VALUE, at, lm ? "the encoder lm needs a policy"
                                                     : "a policy is for the encoder lm only");
    }
    if (lm && json_given(&s->seen, FIT_BUCKETS)) {
        snprintf(at, sizeof at, "%s/buckets", pointer);
        return err_at(err, ERR_INVALID_VALUE, at, "the encoder lm has no hashed dimensions");
    }
    return 0;
}

int fit_settings_check(const struct fit_settings *s, const char *pointer, struct err *err)
{
    char at[64];
    if (json_given(&s->seen, FIT_K) && json_given(&s->seen, FIT_K_MAX) && s->k > s->k_max) {
        snprintf(at, sizeof at, "%s/k", pointer);
        return err_at(err, ERR_INVALID_VALUE, at, "k is %lld, more than k_max, which is %lld", (long long)s->k,
                      (long long)s->k_max);
    }
    if (json_given(&s->seen, FIT_RIDGE) && s->ridge > 0 && s->ridge < 1e-6) {
        snprintf(at, sizeof at, "%s/ridge", pointer);
        return err_at(err, ERR_INVALID_VALUE, at, "ridge must be 0 or from 1e-6 to 1e9");
    }
    if (check_permutations(s, pointer, err) < 0 || check_encoder(s, pointer, err) < 0)
        return -1;
    const double *grid = s->ridge_grid.items;
    for (size_t i = 1; i < s->ridge_grid.count; i++) {
        if (grid[i] > grid[i - 1])
            continue;
        snprintf(at, sizeof at, "%s/ridge_grid/%zu", pointer, i);
        return err_at(err, ERR_INVALID_VALUE, at, "the penalties of the grid must ascend");
    }
    return 0;
}

int fit_settings_read(char *text, size_t length, struct fit_settings *ret, struct arena *arena, struct err *err)
{
    static const struct json_limits limits = {.depth = 4, .text_bytes = 256};
    if (json_read(text, length, &fit_settings_shape, &limits, ret, arena, err) < 0)
        return -1;
    return fit_settings_check(ret, "", err);
}

void fit_settings_write(struct buf *out, const struct fit_settings *s)
{
    json_write(out, &fit_settings_shape, s);
}
