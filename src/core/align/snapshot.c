#include "core/align/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/lm/checkpoint.h"
#include "core/lm/replace.h"

static const char prefix[] = "checkpoint-";
static const char unfinished_name[] = "unfinished-checkpoint", moments_file[] = "optimizer.safetensors";
static const char trainer_file[] = "trainer.json";
static const char *const moment_names[2] = {"m", "v"};

int snapshot_path(char path[PATH_MAX], const char *folder, const char *name, struct err *err)
{
    if (snprintf(path, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
        return err_set(err, ERR_BAD_FILE, "the name of the folder is too long");
    return 0;
}

static int path_of_step(char path[PATH_MAX], const char *out, int64_t step, struct err *err)
{
    char name[64];
    snprintf(name, sizeof name, "%s%" PRId64, prefix, step);
    return snapshot_path(path, out, name, err);
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
        if (entry->d_name[0] != '.' && snapshot_path(file, path, entry->d_name, err) == 0)
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
            result = snapshot_path(path, out, entry->d_name, err) < 0 ? -1 : remove_folder(path, err);
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

/* Where snapshot `step` is to be written. *ret_there: it exists already, and there is nothing to do. */
static int begin(const char *out, int64_t step, char unfinished[PATH_MAX], bool *ret_there, struct err *err)
{
    char path[PATH_MAX];
    if (snapshot_path(unfinished, out, unfinished_name, err) < 0 || path_of_step(path, out, step, err) < 0)
        return -1;
    *ret_there = access(path, F_OK) == 0;
    return remove_folder(unfinished, err);
}

/* What was written becomes `out`/checkpoint-`step`, and older ones go. */
static int commit(const char *out, int64_t step, struct err *err)
{
    char unfinished[PATH_MAX], path[PATH_MAX];
    int64_t newest;
    if (snapshot_path(unfinished, out, unfinished_name, err) < 0 || path_of_step(path, out, step, err) < 0 ||
        sync_folder(unfinished, err) < 0)
        return -1;
    if (rename(unfinished, path) < 0)
        return err_errno(err, "cannot rename %s", unfinished);
    if (sync_folder(out, err) < 0)
        return -1;
    return scan(out, step, &newest, err);
}

/* The newest one's folder: 1, or 0 when there is none. */
static int newest_folder(const char *out, char path[PATH_MAX], struct err *err)
{
    int64_t newest;
    if (scan(out, 0, &newest, err) < 0)
        return -1;
    if (newest < 0)
        return 0;
    return path_of_step(path, out, newest, err) < 0 ? -1 : 1;
}

int snapshot_forget(const char *out, struct err *err)
{
    int64_t newest;
    return scan(out, INT64_MAX, &newest, err);
}

int snapshot_save_moments(const struct adamw *adam, const char *folder, struct err *err)
{
    char path[PATH_MAX];
    const float *const from[2] = {adam->m, adam->v};
    size_t n = adam->trained.count;
    struct safetensor moments[2];
    for (int i = 0; i < 2; i++)
        moments[i] = (struct safetensor){.name = moment_names[i], .data = from[i], .dtype = DTYPE_F32, .rank = 1,
                                         .shape = {(int64_t)n}, .count = n, .bytes = n * sizeof(float)};
    if (snapshot_path(path, folder, moments_file, err) < 0)
        return -1;
    return safetensors_write(path, moments, 2, DTYPE_F32, err);
}

int snapshot_load_moments(struct adamw *adam, const char *folder, struct err *err)
{
    char path[PATH_MAX];
    float *const into[2] = {adam->m, adam->v};
    if (snapshot_path(path, folder, moments_file, err) < 0)
        return -1;
    struct safetensors *file = safetensors_open(path, err);
    int result = file ? 0 : -1;
    for (int i = 0; i < 2 && result == 0; i++) {
        const struct safetensor *t = safetensors_find(file, moment_names[i]);
        if (!t || t->count != adam->trained.count)
            result = err_set(err, ERR_BAD_FILE, "%s does not fit the model", path);
        else
            result = safetensors_read(t, into[i], err);
    }
    safetensors_free(file);
    return result;
}

static int write_text(FILE *file, void *context, struct err *err)
{
    return fputs(context, file) >= 0 ? 0 : err_errno(err, "cannot write");
}

static int save_trainer(const struct snapshot_trainer *t, const char *folder, struct err *err)
{
    char path[PATH_MAX];
    json_t *root = t->describe(t->trainer);
    char *text = NULL;
    if (root && json_object_set_new(root, "course", json_string(t->course)) == 0 &&
        (!t->adam || json_object_set_new(root, "adam_step", json_integer(t->adam->step)) == 0))
        text = json_dumps(root, JSON_INDENT(2));
    int result = text ? snapshot_path(path, folder, trainer_file, err) : err_memory(err);
    if (result == 0)
        result = replace_file(path, write_text, text, err);
    free(text);
    json_decref(root);
    return result;
}

static int load_trainer(const struct snapshot_trainer *t, const char *folder, struct err *err)
{
    char path[PATH_MAX];
    json_error_t where;
    json_int_t adam_step = 0;
    const char *course;
    int result = 0;
    if (snapshot_path(path, folder, trainer_file, err) < 0)
        return -1;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
    if (json_unpack(root, t->adam ? "{s:s,s:I}" : "{s:s}", "course", &course, "adam_step", &adam_step) < 0 ||
        adam_step < 0)
        result = err_set(err, ERR_BAD_FILE, "%s is not usable", path);
    else if (strcmp(course, t->course) != 0)
        result = err_set(err, ERR_CONFLICT, "%s is of other data or options; train into another folder, or remove it",
                         folder);
    else if (!t->take(t->trainer, root))
        result = err_set(err, ERR_BAD_FILE, "%s is not usable", path);
    else if (t->adam)
        t->adam->step = adam_step;
    json_decref(root);
    return result;
}

json_t *snapshot_put_place(const struct snapshot_place *p)
{
    return json_pack("{s:I,s:i,s:I}", "step", (json_int_t)p->done, "epoch", p->epoch, "next", (json_int_t)p->next);
}

bool snapshot_get_place(const json_t *saved, size_t count, struct snapshot_place *ret)
{
    json_int_t step, next;
    int epoch;
    if (json_unpack((json_t *)saved, "{s:I,s:i,s:I}", "step", &step, "epoch", &epoch, "next", &next) < 0 || step < 0 ||
        epoch < 0 || next < 0 || (size_t)next > count)
        return false;
    *ret = (struct snapshot_place){.done = step, .epoch = epoch, .next = (size_t)next};
    return true;
}

int snapshot_save(const struct snapshot_trainer *t, const char *out, struct err *err)
{
    char unfinished[PATH_MAX];
    bool there;
    if (begin(out, t->step, unfinished, &there, err) < 0)
        return -1;
    if (there)
        return 0;
    if (t->save_weights(t->trainer, unfinished, err) < 0 ||
        (t->adam && snapshot_save_moments(t->adam, unfinished, err) < 0) ||
        save_trainer(t, unfinished, err) < 0)
        return -1;
    return commit(out, t->step, err);
}

int snapshot_resume(const struct snapshot_trainer *t, const char *out, struct err *err)
{
    char path[PATH_MAX];
    int found = newest_folder(out, path, err);
    if (found <= 0)
        return found;
    if (load_trainer(t, path, err) < 0 || t->load_weights(t->trainer, path, err) < 0 ||
        (t->adam && snapshot_load_moments(t->adam, path, err) < 0))
        return -1;
    return 1;
}

int snapshot_load_weights(struct lm_model *m, const char *folder, struct err *err)
{
    struct lm_model *saved = checkpoint_load(folder, err);
    int result = saved ? 0 : -1;
    if (saved && saved->layout.count != m->layout.count)
        result = err_set(err, ERR_CONFLICT, "%s is of another model", folder);
    else if (saved)
        memcpy(m->weights, saved->weights, saved->layout.count * sizeof *saved->weights);
    lm_model_free(saved);
    return result;
}
