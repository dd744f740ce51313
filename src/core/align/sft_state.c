/* The state of training on disk: a snapshot with the model, the optimiser's moments and trainer.json. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/align/sft_parts.h"
#include "core/align/snapshot.h"
#include "core/lm/checkpoint.h"

/* A digest of all that the course of training depends on, in hexadecimal. */
static void digest(const struct sft *s, char text[SHA256_HEX_SIZE])
{
    uint8_t bytes[SHA256_SIZE];
    char options[256];
    struct sha256 hash;
    sft_data_digest(s->data, bytes);
    const struct sft_options *o = &s->options;
    int n = snprintf(options, sizeof options, "%" PRId64 " %d %.17g %.17g %.17g %" PRIu64 " %d %zu %s", s->steps,
                     o->batch_tokens, o->rate, o->warm_up, o->weight_decay, o->seed, o->frozen, s->model->layout.count,
                     o->gemm.backend->name);
    sha256_init(&hash);
    sha256_update(&hash, bytes, sizeof bytes);
    sha256_update(&hash, options, (size_t)n);
    const struct lm_adapters *a = o->adapters;
    if (a)
        n = snprintf(options, sizeof options, "rank %d alpha %.9g", a->rank, (double)a->alpha);
    for (int i = 0; a && i < a->count; i++)
        sha256_update(&hash, a->items[i].tensor, strlen(a->items[i].tensor) + 1);
    if (a)
        sha256_update(&hash, options, (size_t)n);
    sha256_final(&hash, bytes);
    sha256_hex(bytes, text);
}

static int save_trainer(const struct sft *s, const char *folder, struct err *err)
{
    char course[SHA256_HEX_SIZE];
    digest(s, course);
    json_t *root =
        json_pack("{s:I,s:I,s:i,s:I,s:s}", "step", (json_int_t)s->done, "adam_step", (json_int_t)s->adam->step, "epoch",
                  s->epoch, "next", (json_int_t)s->next, "course", course);
    char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
    int result = text ? snapshot_save_trainer(folder, text, err) : err_memory(err);
    free(text);
    json_decref(root);
    return result;
}

/* What is trained: the model, or the adapters. */
static int save_weights(const struct sft *s, const char *folder, struct err *err)
{
    if (s->options.adapters)
        return lora_save(s->options.adapters, folder, err);
    return checkpoint_save(s->model, folder, NULL, DTYPE_F32, err);
}

static int load_weights(struct sft *s, const char *folder, struct err *err)
{
    struct lm_adapters *into = s->options.adapters;
    if (!into)
        return snapshot_load_weights(s->model, folder, err);
    struct lm_adapters *saved = lora_load(&s->model->shape, folder, err);
    int result = saved ? 0 : -1;
    if (saved && saved->total != into->total)
        result = err_set(err, ERR_CONFLICT, "%s is of other adapters", folder);
    else if (saved)
        memcpy(into->weights, saved->weights, saved->total * sizeof *saved->weights);
    lora_free(saved);
    return result;
}

int sft_save(struct sft *s, const char *out, struct err *err)
{
    char unfinished[PATH_MAX];
    bool there;
    if (snapshot_begin(out, s->done, unfinished, &there, err) < 0)
        return -1;
    if (there) /* resumed and not advanced */
        return 0;
    if (save_weights(s, unfinished, err) < 0 || snapshot_save_moments(s->adam, unfinished, err) < 0 ||
        save_trainer(s, unfinished, err) < 0)
        return -1;
    return snapshot_commit(out, s->done, err);
}

static int load_trainer(struct sft *s, const char *folder, struct err *err)
{
    char path[PATH_MAX], course[SHA256_HEX_SIZE];
    json_error_t where;
    json_int_t step, adam_step, next;
    const char *saved;
    int epoch;
    if (snapshot_path(path, folder, "trainer.json", err) < 0)
        return -1;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
    digest(s, course);
    int result = 0;
    if (json_unpack(root, "{s:I,s:I,s:i,s:I,s:s}", "step", &step, "adam_step", &adam_step, "epoch", &epoch, "next",
                    &next, "course", &saved) < 0 ||
        step < 0 || epoch < 0 || next < 0 || (size_t)next > s->trained)
        result = err_set(err, ERR_BAD_FILE, "%s is not usable", path);
    else if (strcmp(course, saved) != 0)
        result = err_set(err, ERR_CONFLICT, "%s is of other data or options; train into another folder, or remove it",
                         folder);
    if (result == 0) {
        s->done = step;
        s->adam->step = adam_step;
        s->epoch = epoch;
        s->next = (size_t)next;
        sft_shuffle(s);
    }
    json_decref(root);
    return result;
}

int sft_resume(struct sft *s, const char *out, struct err *err)
{
    char path[PATH_MAX];
    int found = snapshot_newest(out, path, err);
    if (found <= 0)
        return found;
    if (load_trainer(s, path, err) < 0 || load_weights(s, path, err) < 0 ||
        snapshot_load_moments(s->adam, path, err) < 0)
        return -1;
    return 1;
}

int sft_forget(const char *out, struct err *err)
{
    return snapshot_forget(out, err);
}
