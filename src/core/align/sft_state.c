/* The state of training on disk: `out`/checkpoint-N with the model, the optimiser's moments and trainer.json. A folder
 * is written under another name and renamed when it is whole, so what is there is whole. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "core/align/sft_parts.h"
#include "core/lm/checkpoint.h"
#include "core/lm/replace.h"

static const char prefix[] = "checkpoint-";

static int path_of(char path[PATH_MAX], const char *folder, const char *name, struct err *err)
{
    if (snprintf(path, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
        return err_set(err, ERR_BAD_FILE, "the name of the folder is too long");
    return 0;
}

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
    sha256_final(&hash, bytes);
    sha256_hex(bytes, text);
}

static int write_text(FILE *file, void *context, struct err *err)
{
    return fputs(context, file) >= 0 ? 0 : err_errno(err, "cannot write");
}

static int save_trainer(const struct sft *s, const char *folder, struct err *err)
{
    char path[PATH_MAX], course[SHA256_HEX_SIZE];
    if (path_of(path, folder, "trainer.json", err) < 0)
        return -1;
    digest(s, course);
    json_t *root =
        json_pack("{s:I,s:I,s:i,s:I,s:s}", "step", (json_int_t)s->done, "adam_step", (json_int_t)s->adam->step, "epoch",
                  s->epoch, "next", (json_int_t)s->next, "course", course);
    char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
    int result = text ? replace_file(path, write_text, text, err) : err_memory(err);
    free(text);
    json_decref(root);
    return result;
}

static int save_moments(const struct sft *s, const char *folder, struct err *err)
{
    char path[PATH_MAX];
    size_t n = s->adam->trained.count;
    struct safetensor moments[2] = {{.name = "m", .data = s->adam->m}, {.name = "v", .data = s->adam->v}};
    for (int i = 0; i < 2; i++) {
        moments[i].dtype = DTYPE_F32;
        moments[i].rank = 1;
        moments[i].shape[0] = (int64_t)n;
        moments[i].count = n;
        moments[i].bytes = n * sizeof(float);
    }
    if (path_of(path, folder, "optimizer.safetensors", err) < 0)
        return -1;
    return safetensors_write(path, moments, 2, DTYPE_F32, err);
}

/* Removes a folder of files. */
static int remove_folder(const char *path, struct err *err)
{
    char file[PATH_MAX];
    struct dirent *entry;
    DIR *folder = opendir(path);
    if (!folder)
        return errno == ENOENT ? 0 : err_errno(err, "cannot read %s", path);
    while ((entry = readdir(folder)))
        if (entry->d_name[0] != '.' && path_of(file, path, entry->d_name, err) == 0)
            unlink(file);
    closedir(folder);
    return rmdir(path) == 0 ? 0 : err_errno(err, "cannot remove %s", path);
}

/* The step of a checkpoint's folder; -1 for other names. */
static int64_t step_of(const char *name)
{
    char *end;
    if (strncmp(name, prefix, sizeof prefix - 1) != 0 || name[sizeof prefix - 1] < '0' || name[sizeof prefix - 1] > '9')
        return -1;
    long long step = strtoll(name + sizeof prefix - 1, &end, 10);
    return *end || step < 0 ? -1 : step;
}

/* The newest checkpoint in `out`, -1 when there is none; with `remove_below` older ones than that are removed. */
static int scan(const char *out, int64_t remove_below, int64_t *ret, struct err *err)
{
    char path[PATH_MAX];
    struct dirent *entry;
    int result = 0;
    *ret = -1;
    DIR *folder = opendir(out);
    if (!folder)
        return errno == ENOENT ? 0 : err_errno(err, "cannot read %s", out);
    while (result == 0 && (entry = readdir(folder))) {
        int64_t step = step_of(entry->d_name);
        if (step >= 0 && step < remove_below)
            result = path_of(path, out, entry->d_name, err) < 0 ? -1 : remove_folder(path, err);
        else if (step > *ret)
            *ret = step;
    }
    closedir(folder);
    return result;
}

static int sync_folder(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 || fsync(fd) < 0 ? err_errno(err, "cannot sync %s", path) : 0;
    if (fd >= 0)
        close(fd);
    return result;
}

int sft_save(struct sft *s, const char *out, struct err *err)
{
    char unfinished[PATH_MAX], path[PATH_MAX], name[64];
    int64_t newest;
    snprintf(name, sizeof name, "%s%" PRId64, prefix, s->done);
    if (path_of(unfinished, out, "unfinished-checkpoint", err) < 0 || path_of(path, out, name, err) < 0 ||
        remove_folder(unfinished, err) < 0)
        return -1;
    if (access(path, F_OK) == 0) /* resumed and not advanced */
        return 0;
    if (checkpoint_save(s->model, unfinished, NULL, DTYPE_F32, err) < 0 || save_moments(s, unfinished, err) < 0 ||
        save_trainer(s, unfinished, err) < 0 || sync_folder(unfinished, err) < 0)
        return -1;
    if (rename(unfinished, path) < 0)
        return err_errno(err, "cannot rename %s", unfinished);
    if (sync_folder(out, err) < 0)
        return -1;
    return scan(out, s->done, &newest, err);
}

static int load_moments(struct sft *s, const char *folder, struct err *err)
{
    char path[PATH_MAX];
    float *into[2] = {s->adam->m, s->adam->v};
    static const char *const names[2] = {"m", "v"};
    if (path_of(path, folder, "optimizer.safetensors", err) < 0)
        return -1;
    struct safetensors *file = safetensors_open(path, err);
    int result = file ? 0 : -1;
    for (int i = 0; i < 2 && result == 0; i++) {
        const struct safetensor *t = safetensors_find(file, names[i]);
        if (!t || t->count != s->adam->trained.count)
            result = err_set(err, ERR_BAD_FILE, "%s does not fit the model", path);
        else
            result = safetensors_read(t, into[i], err);
    }
    safetensors_free(file);
    return result;
}

static int load_weights(struct sft *s, const char *folder, struct err *err)
{
    struct lm_model *saved = checkpoint_load(folder, err);
    int result = saved ? 0 : -1;
    if (saved && saved->layout.count != s->model->layout.count)
        result = err_set(err, ERR_CONFLICT, "%s is of another model", folder);
    else if (saved)
        memcpy(s->model->weights, saved->weights, saved->layout.count * sizeof *saved->weights);
    lm_model_free(saved);
    return result;
}

static int load_trainer(struct sft *s, const char *folder, struct err *err)
{
    char path[PATH_MAX], course[SHA256_HEX_SIZE];
    json_error_t where;
    json_int_t step, adam_step, next;
    const char *saved;
    int epoch;
    if (path_of(path, folder, "trainer.json", err) < 0)
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
    char name[64], path[PATH_MAX];
    int64_t newest;
    if (scan(out, 0, &newest, err) < 0)
        return -1;
    if (newest < 0)
        return 0;
    snprintf(name, sizeof name, "%s%" PRId64, prefix, newest);
    if (path_of(path, out, name, err) < 0 || load_trainer(s, path, err) < 0 || load_weights(s, path, err) < 0 ||
        load_moments(s, path, err) < 0)
        return -1;
    return 1;
}

int sft_forget(const char *out, struct err *err)
{
    int64_t newest;
    return scan(out, INT64_MAX, &newest, err);
}
