/* The state of EM over reward models on disk: a snapshot with the weights of all models and the responsibilities. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/align/reward_em_parts.h"
#include "core/align/snapshot.h"
#include "core/lm/safetensors.h"

/* A digest of all that the course depends on, in hexadecimal. */
static void digest(const struct reward_em *e, char text[SHA256_HEX_SIZE])
{
    uint8_t bytes[SHA256_SIZE];
    char options[320];
    struct sha256 hash;
    const struct reward_options *o = &e->options.train;
    const struct reward_data *d = e->in.sequences;
    int n = snprintf(options, sizeof options, "em %d %d %.17g %d %.17g %.17g %.17g %.17g %" PRIu64 " %d %s",
                     e->options.groups, e->options.assignment, o->epochs, o->batch_tokens, o->rate, o->warm_up,
                     o->weight_decay, o->centring, o->seed, o->frozen, o->gemm.backend->name);
    sha256_init(&hash);
    sha256_update(&hash, options, (size_t)n);
    sha256_update(&hash, d->tokens.ids, d->tokens.count * sizeof *d->tokens.ids);
    for (int i = 0; i < e->in.comparisons; i++) {
        const struct reward_em_comparison *c = &e->in.comparison[i];
        double numbers[5] = {c->annotator, c->first, c->second, c->preference, c->held_out};
        sha256_update(&hash, numbers, sizeof numbers);
    }
    if (e->in.start)
        sha256_update(&hash, e->in.start,
                      (size_t)e->in.annotators * (size_t)e->options.groups * sizeof *e->in.start);
    sha256_update(&hash, e->in.base->weights, e->in.base->layout.count * sizeof(float));
    sha256_final(&hash, bytes);
    sha256_hex(bytes, text);
}

static int save_models(void *trainer, const char *folder, struct err *err)
{
    const struct reward_em *e = trainer;
    struct safetensor tensors[REWARD_HEADS_MAX + 2];
    char path[PATH_MAX], names[REWARD_HEADS_MAX + 1][16];
    size_t K = (size_t)e->options.groups, n = e->model[0]->layout.count;
    if (mkdir(folder, 0777) < 0)
        return err_errno(err, "cannot make %s", folder);
    if (snapshot_path(path, folder, "models.safetensors", err) < 0)
        return -1;
    for (size_t u = 0; u <= K; u++) {
        snprintf(names[u], sizeof names[u], "model.%zu", u);
        tensors[u] = (struct safetensor){.name = names[u], .dtype = DTYPE_F32, .rank = 1, .count = n,
                                         .bytes = n * sizeof(float), .data = e->model[u]->weights};
        tensors[u].shape[0] = (int64_t)n;
    }
    return safetensors_write(path, tensors, (int)K + 1, DTYPE_F32, err);
}

static int load_models(void *trainer, const char *folder, struct err *err)
{
    struct reward_em *e = trainer;
    char path[PATH_MAX], name[24];
    if (snapshot_path(path, folder, "models.safetensors", err) < 0)
        return -1;
    struct safetensors *file = safetensors_open(path, err);
    int result = file ? 0 : -1;
    for (int u = 0; u <= e->options.groups && result == 0; u++) {
        snprintf(name, sizeof name, "model.%d", u);
        const struct safetensor *t = safetensors_find(file, name);
        if (!t || t->count != e->model[u]->layout.count)
            result = err_set(err, ERR_BAD_FILE, "%s does not fit the model", path);
        else
            result = safetensors_read(t, e->model[u]->weights, err);
    }
    safetensors_free(file);
    return result;
}

/* The responsibilities, as numbers that are read back exactly. */
static json_t *describe(const void *trainer)
{
    const struct reward_em *e = trainer;
    json_t *q = json_array();
    for (int i = 0; q && i < e->in.annotators * e->options.groups; i++)
        json_array_append_new(q, json_real(e->q[i]));
    return json_pack("{s:i,s:I,s:f,s:f,s:o}", "iterations", e->iterations, "steps", (json_int_t)e->steps, "moved",
                     e->moved, "likelihood", e->total, "posteriors", q);
}

static bool take(void *trainer, const json_t *saved)
{
    struct reward_em *e = trainer;
    const json_t *q = json_object_get(saved, "posteriors"), *iterations = json_object_get(saved, "iterations");
    const json_t *steps = json_object_get(saved, "steps"), *moved = json_object_get(saved, "moved"),
                 *likelihood = json_object_get(saved, "likelihood");
    size_t numbers = (size_t)e->in.annotators * (size_t)e->options.groups;
    if (!json_is_integer(iterations) || json_integer_value(iterations) < 0 || json_array_size(q) != numbers ||
        !json_is_integer(steps) || !json_is_number(moved) || !json_is_number(likelihood))
        return false;
    e->steps = json_integer_value(steps);
    e->moved = json_number_value(moved);
    e->total = json_number_value(likelihood);
    for (size_t i = 0; i < numbers; i++)
        e->q[i] = json_number_value(json_array_get(q, i));
    e->iterations = (int)json_integer_value(iterations);
    return true;
}

static struct snapshot_trainer snapshot_of(struct reward_em *e, char course[SHA256_HEX_SIZE])
{
    digest(e, course);
    return (struct snapshot_trainer){.trainer = e,
                                     .step = e->iterations,
                                     .course = course,
                                     .save_weights = save_models,
                                     .load_weights = load_models,
                                     .describe = describe,
                                     .take = take};
}

int reward_em_save(struct reward_em *e, const char *out, struct err *err)
{
    char course[SHA256_HEX_SIZE];
    struct snapshot_trainer t = snapshot_of(e, course);
    return snapshot_save(&t, out, err);
}

int reward_em_resume(struct reward_em *e, const char *out, struct err *err)
{
    char course[SHA256_HEX_SIZE];
    struct snapshot_trainer t = snapshot_of(e, course);
    int found = snapshot_resume(&t, out, err);
    if (found <= 0)
        return found;
    for (int u = 0; u <= e->options.groups; u++)
        if (reward_em_score(e, u, err) < 0)
            return -1;
    return 1;
}
