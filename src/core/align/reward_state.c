/* The state of reward training on disk: a snapshot with the model, the optimiser's moments and trainer.json. */
#include <inttypes.h>
#include <stdio.h>

#include "core/align/reward_parts.h"
#include "core/align/snapshot.h"
#include "core/lm/checkpoint.h"

/* A digest of all that the course of training depends on, in hexadecimal. */
static void digest(const struct reward_trainer *t, char text[SHA256_HEX_SIZE])
{
    uint8_t bytes[SHA256_SIZE];
    char options[320];
    struct sha256 hash;
    const struct reward_options *o = &t->options;
    int n = snprintf(options, sizeof options, "reward %.17g %d %.17g %.17g %.17g %.17g %" PRIu64 " %d %zu %s",
                     o->epochs, o->batch_tokens, o->rate, o->warm_up, o->weight_decay, o->centring, o->seed, o->frozen,
                     t->model->layout.count, o->gemm.backend->name);
    reward_data_digest(t->data, bytes);
    sha256_init(&hash);
    sha256_update(&hash, bytes, sizeof bytes);
    sha256_update(&hash, options, (size_t)n);
    sha256_final(&hash, bytes);
    sha256_hex(bytes, text);
}

static int save_weights(void *trainer, const char *folder, struct err *err)
{
    const struct reward_trainer *t = trainer;
    return checkpoint_save(t->model, folder, NULL, DTYPE_F32, err);
}

static int load_weights(void *trainer, const char *folder, struct err *err)
{
    struct reward_trainer *t = trainer;
    return snapshot_load_weights(t->model, folder, err);
}

static json_t *describe(const void *trainer)
{
    const struct reward_trainer *t = trainer;
    return snapshot_put_place(&t->place);
}

static bool take(void *trainer, const json_t *saved)
{
    struct reward_trainer *t = trainer;
    if (!snapshot_get_place(saved, t->trained, &t->place))
        return false;
    reward_shuffle(t);
    return true;
}

static struct snapshot_trainer snapshot_of(struct reward_trainer *t, char course[SHA256_HEX_SIZE])
{
    digest(t, course);
    return (struct snapshot_trainer){.trainer = t,
                                     .step = t->place.done,
                                     .course = course,
                                     .adam = t->adam,
                                     .save_weights = save_weights,
                                     .load_weights = load_weights,
                                     .describe = describe,
                                     .take = take};
}

int reward_trainer_save(struct reward_trainer *t, const char *out, struct err *err)
{
    char course[SHA256_HEX_SIZE];
    struct snapshot_trainer snapshot = snapshot_of(t, course);
    return snapshot_save(&snapshot, out, err);
}

int reward_trainer_resume(struct reward_trainer *t, const char *out, struct err *err)
{
    char course[SHA256_HEX_SIZE];
    struct snapshot_trainer snapshot = snapshot_of(t, course);
    return snapshot_resume(&snapshot, out, err);
}
