/* The state of EM over reward models on disk: a snapshot with the weights of all models, their scores, the
 * responsibilities, and within an M-step the place and the moments of the model whose turn it is. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/align/reward_em_parts.h"
#include "core/align/reward_parts.h"
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

enum { TENSORS_MAX = REWARD_HEADS_MAX + 2, NAME_SIZE = 24 };

/* The weights of the models, and the scores under them: the float arrays that are kept. */
struct kept {
    char name[NAME_SIZE];
    float *data;
    size_t count;
};

static int list_kept(const struct reward_em *e, struct kept ret[TENSORS_MAX])
{
    int models = e->options.groups + 1;
    for (int u = 0; u < models; u++) {
        ret[u] = (struct kept){.data = e->model[u]->weights, .count = e->model[u]->layout.count};
        snprintf(ret[u].name, NAME_SIZE, "model.%d", u);
    }
    ret[models] = (struct kept){"score", e->score, (size_t)models * (size_t)e->in.sequences->count};
    return models + 1;
}

static int save_arrays(const struct reward_em *e, const char *path, struct err *err)
{
    struct kept kept[TENSORS_MAX];
    struct safetensor tensors[TENSORS_MAX];
    int n = list_kept(e, kept);
    for (int i = 0; i < n; i++)
        tensors[i] = (struct safetensor){.name = kept[i].name, .dtype = DTYPE_F32, .rank = 1,
                                         .shape = {(int64_t)kept[i].count}, .count = kept[i].count,
                                         .bytes = kept[i].count * sizeof(float), .data = kept[i].data};
    return safetensors_write(path, tensors, n, DTYPE_F32, err);
}

static int load_arrays(struct reward_em *e, const char *path, struct err *err)
{
    struct kept kept[TENSORS_MAX];
    struct safetensors *file = safetensors_open(path, err);
    int n = list_kept(e, kept), result = file ? 0 : -1;
    for (int i = 0; i < n && result == 0; i++) {
        const struct safetensor *t = safetensors_find(file, kept[i].name);
        if (!t || t->count != kept[i].count)
            result = err_set(err, ERR_BAD_FILE, "%s does not fit the models", path);
        else
            result = safetensors_read(t, kept[i].data, err);
    }
    safetensors_free(file);
    return result;
}

static int save_models(void *trainer, const char *folder, struct err *err)
{
    const struct reward_em *e = trainer;
    char path[PATH_MAX];
    if (mkdir(folder, 0777) < 0)
        return err_errno(err, "cannot make %s", folder);
    if (snapshot_path(path, folder, "models.safetensors", err) < 0 || save_arrays(e, path, err) < 0)
        return -1;
    return e->work.trainer ? snapshot_save_moments(e->work.trainer->adam, folder, err) : 0;
}

/* The M-step that was under way goes on from `resumed`. */
static int resume_work(struct reward_em *e, const char *folder, struct err *err)
{
    int found = reward_em_begin(e, err);
    if (found < 0)
        return -1;
    if (found == 0 || e->resumed.next > e->work.trainer->trained)
        return err_set(err, ERR_BAD_FILE, "%s does not fit the comparisons", folder);
    struct reward_trainer *t = e->work.trainer;
    t->place = e->resumed;
    t->adam->step = t->place.done;
    reward_shuffle(t);
    return snapshot_load_moments(t->adam, folder, err);
}

static int load_models(void *trainer, const char *folder, struct err *err)
{
    struct reward_em *e = trainer;
    char path[PATH_MAX];
    if (snapshot_path(path, folder, "models.safetensors", err) < 0 || load_arrays(e, path, err) < 0)
        return -1;
    return e->resumed.done > 0 ? resume_work(e, folder, err) : 0;
}

/* The responsibilities, as numbers that are read back exactly, whose turn it is, and how far that model is. */
static json_t *describe(const void *trainer)
{
    static const struct snapshot_place nowhere;
    const struct reward_em *e = trainer;
    json_t *q = json_array();
    for (int i = 0; q && i < e->in.annotators * e->options.groups; i++)
        json_array_append_new(q, json_real(e->q[i]));
    return json_pack("{s:i,s:I,s:f,s:f,s:o,s:i,s:o}", "iterations", e->iterations, "steps", (json_int_t)e->steps,
                     "moved", e->moved, "likelihood", e->total, "posteriors", q, "turn", e->turn, "place",
                     snapshot_put_place(e->work.trainer ? &e->work.trainer->place : &nowhere));
}

static bool take(void *trainer, const json_t *saved)
{
    struct reward_em *e = trainer;
    const json_t *q;
    json_t *place;
    json_int_t steps;
    int iterations, turn;
    double moved, likelihood;
    size_t numbers = (size_t)e->in.annotators * (size_t)e->options.groups;
    if (json_unpack((json_t *)saved, "{s:i,s:I,s:F,s:F,s:o,s:i,s:o}", "iterations", &iterations, "steps", &steps,
                    "moved", &moved, "likelihood", &likelihood, "posteriors", &q, "turn", &turn, "place", &place) < 0 ||
        iterations < 0 || steps < 0 || turn < 0 || turn > e->options.groups + 1 || json_array_size(q) != numbers ||
        !snapshot_get_place(place, (size_t)e->in.comparisons, &e->resumed) ||
        (e->resumed.done > 0 && turn > e->options.groups))
        return false;
    e->iterations = iterations;
    e->steps = steps;
    e->moved = moved;
    e->total = likelihood;
    e->turn = turn;
    for (size_t i = 0; i < numbers; i++)
        e->q[i] = json_number_value(json_array_get(q, i));
    return true;
}

static struct snapshot_trainer snapshot_of(struct reward_em *e, char course[SHA256_HEX_SIZE])
{
    digest(e, course);
    return (struct snapshot_trainer){.trainer = e,
                                     .step = e->steps,
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
    return snapshot_resume(&t, out, err);
}
