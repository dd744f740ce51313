/* The state of training on disk: a snapshot with the model, the optimiser's moments and trainer.json. */
#include <inttypes.h>
#include <stdio.h>
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

/* What is trained: the model, or the adapters. */
static int save_weights(void *trainer, const char *folder, struct err *err)
{
    const struct sft *s = trainer;
    if (s->options.adapters)
        return lora_save(s->options.adapters, folder, err);
    return checkpoint_save(s->model, folder, NULL, DTYPE_F32, err);
}

static int load_weights(void *trainer, const char *folder, struct err *err)
{
    struct sft *s = trainer;
    if (s->options.adapters)
        return lora_reload(s->options.adapters, folder, err);
    return snapshot_load_weights(s->model, folder, err);
}

static json_t *describe(const void *trainer)
{
    const struct sft *s = trainer;
    return snapshot_put_place(&s->place);
}

static bool take(void *trainer, const json_t *saved)
{
    struct sft *s = trainer;
    if (!snapshot_get_place(saved, s->trained, &s->place))
        return false;
    sft_shuffle(s);
    return true;
}

static struct snapshot_trainer snapshot_of(struct sft *s, char course[SHA256_HEX_SIZE])
{
    digest(s, course);
    return (struct snapshot_trainer){.trainer = s,
                                     .step = s->place.done,
                                     .course = course,
                                     .adam = s->adam,
                                     .save_weights = save_weights,
                                     .load_weights = load_weights,
                                     .describe = describe,
                                     .take = take};
}

int sft_save(struct sft *s, const char *out, struct err *err)
{
    char course[SHA256_HEX_SIZE];
    struct snapshot_trainer t = snapshot_of(s, course);
    return snapshot_save(&t, out, err);
}

int sft_resume(struct sft *s, const char *out, struct err *err)
{
    char course[SHA256_HEX_SIZE];
    struct snapshot_trainer t = snapshot_of(s, course);
    return snapshot_resume(&t, out, err);
}

int sft_forget(const char *out, struct err *err)
{
    return snapshot_forget(out, err);
}
