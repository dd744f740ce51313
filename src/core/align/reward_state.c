/* The state of reward training on disk: a snapshot with the model, the optimiser's moments and trainer.json. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static int save_trainer(const struct reward_trainer *t, const char *folder, struct err *err)
{
    char course[SHA256_HEX_SIZE];
    digest(t, course);
    json_t *root =
        json_pack("{s:I,s:I,s:i,s:I,s:s}", "step", (json_int_t)t->done, "adam_step", (json_int_t)t->adam->step, "epoch",
                  t->epoch, "next", (json_int_t)t->next, "course", course);
    char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
    int result = text ? snapshot_save_trainer(folder, text, err) : err_memory(err);
    free(text);
    json_decref(root);
    return result;
}

int reward_trainer_save(struct reward_trainer *t, const char *out, struct err *err)
{
    char unfinished[PATH_MAX];
    bool there;
    if (snapshot_begin(out, t->done, unfinished, &there, err) < 0)
        return -1;
    if (there) /* resumed and not advanced */
        return 0;
    if (checkpoint_save(t->model, unfinished, NULL, DTYPE_F32, err) < 0 ||
        snapshot_save_moments(t->adam, unfinished, err) < 0 || save_trainer(t, unfinished, err) < 0)
        return -1;
    return snapshot_commit(out, t->done, err);
}

static int load_trainer(struct reward_trainer *t, const char *folder, struct err *err)
{
    char path[PATH_MAX], course[SHA256_HEX_SIZE];
    json_error_t where;
    json_int_t step, adam_step, next;
    const char *saved;
    int epoch, result = 0;
    if (snapshot_path(path, folder, "trainer.json", err) < 0)
        return -1;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
    digest(t, course);
    if (json_unpack(root, "{s:I,s:I,s:i,s:I,s:s}", "step", &step, "adam_step", &adam_step, "epoch", &epoch, "next",
                    &next, "course", &saved) < 0 ||
        step < 0 || epoch < 0 || next < 0 || (size_t)next > t->trained)
        result = err_set(err, ERR_BAD_FILE, "%s is not usable", path);
    else if (strcmp(course, saved) != 0)
        result = err_set(err, ERR_CONFLICT, "%s is of other data or options; train into another folder, or remove it",
                         folder);
    if (result == 0) {
        t->done = step;
        t->adam->step = adam_step;
        t->epoch = epoch;
        t->next = (size_t)next;
        reward_shuffle(t);
    }
    json_decref(root);
    return result;
}

int reward_trainer_resume(struct reward_trainer *t, const char *out, struct err *err)
{
    char path[PATH_MAX];
    int found = snapshot_newest(out, path, err);
    if (found <= 0)
        return found;
    if (load_trainer(t, path, err) < 0 || snapshot_load_weights(t->model, path, err) < 0 ||
        snapshot_load_moments(t->adam, path, err) < 0)
        return -1;
    return 1;
}
