#include "core/lm/checkpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/lm/config_json.h"
#include "core/lm/replace.h"

enum { MAX_PATH = 4096, MAX_COPIED = 64 << 20 };

static int join(char *path, const char *folder, const char *name, struct err *err)
{
    if ((size_t)snprintf(path, MAX_PATH, "%s/%s", folder, name) >= MAX_PATH)
        return err_set(err, ERR_BAD_FILE, "the name of the folder is too long");
    return 0;
}

/* The whole of a file of at most `most` bytes; 1 when it is not there. */
static int read_file(const char *path, size_t most, struct buf *out, struct err *err)
{
    FILE *file = fopen(path, "rbe");
    if (!file)
        return errno == ENOENT ? 1 : err_errno(err, "cannot open %s", path);
    size_t n;
    do {
        char chunk[4096];
        n = fread(chunk, 1, sizeof chunk, file);
        buf_add(out, chunk, n);
    } while (n > 0 && out->length <= most && !out->failed);
    int result = 0;
    if (ferror(file))
        result = err_errno(err, "cannot read %s", path);
    else if (out->failed)
        result = err_memory(err);
    else if (out->length > most)
        result = err_set(err, ERR_BAD_FILE, "%s is larger than %zu bytes", path, most);
    fclose(file);
    return result;
}

static int read_config_file(const char *folder, struct lm_shape *ret, struct err *err)
{
    char path[MAX_PATH];
    struct buf text = {0};
    if (join(path, folder, "config.json", err) < 0)
        return -1;
    int result = read_file(path, CONFIG_JSON_MAX, &text, err);
    if (result > 0)
        result = err_set(err, ERR_BAD_FILE, "%s has no config.json", folder);
    else if (result == 0)
        result = checkpoint_config(text.data ? text.data : "", text.length, ret, err);
    buf_free(&text);
    return result;
}

/* `name` without its leading "transformer." or "model.". */
static const char *short_name(const char *name)
{
    const char *const prefixes[] = {"transformer.", "model."};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return name + strlen(prefixes[i]);
    return name;
}

static const struct safetensor *find(const struct safetensors *files, const char *name)
{
    const struct safetensor *t = safetensors_find(files, name);
    return t ? t : safetensors_find(files, short_name(name));
}

/* The number of scalar heads is the height of score.weight. */
static int read_scalars(const struct safetensors *files, struct lm_shape *s, struct err *err)
{
    const struct safetensor *t = safetensors_find(files, "score.weight");
    if (t && (t->rank != 2 || t->shape[0] < 1 || t->shape[0] > 1024))
        return err_set(err, ERR_BAD_FILE, "score.weight has not 1 .. 1024 rows");
    s->scalars = t ? (int)t->shape[0] : 0;
    return 0;
}

int checkpoint_shape(const char *folder, struct lm_shape *ret, struct err *err)
{
    if (read_config_file(folder, ret, err) < 0)
        return -1;
    struct safetensors *files = safetensors_open_folder(folder, err);
    int result = files ? read_scalars(files, ret, err) : -1;
    safetensors_free(files);
    return result;
}

/* A tensor that files hold and the computation does not need. */
static bool is_passed_over(const char *name, const struct lm_shape *s)
{
    const char *const ends[] = {".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        size_t n = strlen(name), e = strlen(ends[i]);
        if (n > e && strcmp(name + n - e, ends[i]) == 0)
            return true;
    }
    return s->tied && strcmp(name, "lm_head.weight") == 0;
}

/* Every tensor of the files has a place in the model. */
static int check_strangers(const struct safetensors *files, const struct lm_layout *l, const struct lm_shape *s,
                           struct err *err)
{
    for (size_t i = 0; i < safetensors_count(files); i++) {
        const char *name = safetensors_at(files, i)->name;
        bool known = is_passed_over(name, s);
        for (int j = 0; j < l->tensor_count && !known; j++)
            known = strcmp(l->tensors[j].name, name) == 0 || strcmp(short_name(l->tensors[j].name), name) == 0;
        if (!known)
            return err_set(err, ERR_BAD_FILE, "tensor \"%.80s\" has no place in this model", name);
    }
    return 0;
}

/* Every tensor of the model is in the files, with its shape. score.bias may be left out: it is 0 then. */
static int check_tensors(const struct safetensors *files, const struct lm_layout *l, struct err *err)
{
    for (int i = 0; i < l->tensor_count; i++) {
        const struct lm_tensor *want = &l->tensors[i];
        const struct safetensor *t = find(files, want->name);
        if (!t && strcmp(want->name, "score.bias") == 0)
            continue;
        if (!t)
            return err_set(err, ERR_BAD_FILE, "tensor \"%s\" is missing", want->name);
        int rank = want->columns ? 2 : 1;
        if (t->rank != rank || t->shape[0] != want->rows || (rank == 2 && t->shape[1] != want->columns))
            return err_set(err, ERR_BAD_FILE, "tensor \"%s\" has the wrong shape; %d x %d is right", want->name,
                           want->rows, want->columns ? want->columns : 1);
    }
    return 0;
}

/* The files hold the tensors of the layout and no others. */
static int check_files(const struct safetensors *files, const struct lm_layout *l, const struct lm_shape *shape,
                       struct err *err)
{
    return check_tensors(files, l, err) < 0 || check_strangers(files, l, shape, err) < 0 ? -1 : 0;
}

/* Takes `files` over. */
static struct lm_model *load(struct safetensors *files, const struct lm_shape *shape, struct err *err)
{
    struct lm_layout layout;
    struct lm_model *m = NULL;
    if (lm_layout_make(shape, &layout, err) == 0 && check_files(files, &layout, shape, err) == 0)
        m = lm_model_new(shape, err);
    lm_layout_free(&layout);
    for (int i = 0; m && i < m->layout.tensor_count; i++) {
        const struct safetensor *t = find(files, m->layout.tensors[i].name);
        if (t && safetensors_read(t, m->weights + m->layout.tensors[i].offset, err) < 0) {
            lm_model_free(m);
            m = NULL;
        }
    }
    safetensors_free(files);
    return m;
}

/* Takes `files` over. */
static struct lm_model *map(struct safetensors *files, const struct lm_shape *shape, struct err *err)
{
    struct lm_model *m = mem_zeroed(1, sizeof *m);
    const struct safetensor **found = NULL;
    if (!m || lm_layout_make(shape, &m->layout, err) < 0 ||
        !(found = mem_zeroed((size_t)m->layout.tensor_count, sizeof *found))) {
        err_memory(err);
        goto fail;
    }
    m->shape = *shape;
    if (check_files(files, &m->layout, shape, err) < 0)
        goto fail;
    for (int i = 0; i < m->layout.tensor_count; i++)
        found[i] = find(files, m->layout.tensors[i].name);
    m->mapped = mapped_take(files, &m->layout, found, err);
    files = NULL;
    if (m->mapped)
        goto out;
fail:
    lm_model_free(m);
    m = NULL;
    safetensors_free(files);
out:
    mem_free(found);
    return m;
}

/* load or map. */
typedef struct lm_model *take_files(struct safetensors *files, const struct lm_shape *shape, struct err *err);

static struct lm_model *open_model(const char *folder, take_files *take, struct err *err)
{
    struct lm_shape shape;
    if (read_config_file(folder, &shape, err) < 0)
        return NULL;
    struct safetensors *files = safetensors_open_folder(folder, err);
    if (!files)
        return NULL;
    if (read_scalars(files, &shape, err) < 0) {
        safetensors_free(files);
        return NULL;
    }
    struct lm_model *m = take(files, &shape, err);
    if (!m)
        err_wrap(err, "%s", folder);
    return m;
}

struct lm_model *checkpoint_load(const char *folder, struct err *err)
{
    return open_model(folder, load, err);
}

struct lm_model *checkpoint_map(const char *folder, struct err *err)
{
    return open_model(folder, map, err);
}

static int write_text(FILE *file, void *context, struct err *err)
{
    struct str *text = context;
    return fwrite(text->ptr, 1, text->len, file) == text->len ? 0 : err_errno(err, "cannot write");
}

static int save_config(const struct checkpoint_source *source, const char *folder, enum safetensors_dtype stored,
                       struct err *err)
{
    char path[MAX_PATH];
    struct lm_shape shape = source->model->shape;
    shape.scalars = source->headless ? 0 : shape.scalars;
    char *text = config_json_compose(&shape, stored, err);
    struct str view = str_of(text);
    int result = !text || join(path, folder, "config.json", err) < 0 ? -1 : replace_file(path, write_text, &view, err);
    free(text);
    return result;
}

static int copy_companions(const char *from, const char *to, struct err *err)
{
    const char *const names[] = {
        "tokenizer.json",          "tokenizer_config.json", "vocab.json",          "merges.txt",
        "tokenizer.model",
        "special_tokens_map.json", "added_tokens.json",     "chat_template.jinja", "generation_config.json",
    };
    int result = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && result == 0; i++) {
        char source[MAX_PATH], target[MAX_PATH];
        struct buf bytes = {0};
        if (join(source, from, names[i], err) < 0 || join(target, to, names[i], err) < 0)
            return -1;
        result = read_file(source, MAX_COPIED, &bytes, err);
        struct str view = {bytes.data ? bytes.data : "", bytes.length};
        result = result == 0 ? replace_file(target, write_text, &view, err) : result > 0 ? 0 : result;
        buf_free(&bytes);
    }
    return result;
}

static void read_part(const void *context, size_t tensor, size_t from, size_t n, float *out)
{
    const struct checkpoint_source *source = context;
    lm_model_read(source->model, (int)tensor, from, n, out);
    if (source->adapters)
        lora_add(source->adapters, source->model->layout.tensors[tensor].offset, from, n, out);
}

static int save_weights(const struct checkpoint_source *source, const char *folder, enum safetensors_dtype stored,
                        struct err *err)
{
    char path[MAX_PATH];
    const struct lm_layout *l = &source->model->layout;
    size_t count = 0;
    struct safetensor *tensors = mem_zeroed((size_t)l->tensor_count, sizeof *tensors);
    if (!tensors)
        return err_memory(err);
    for (int i = 0; i < l->tensor_count; i++) {
        const struct lm_tensor *t = &l->tensors[i];
        if (source->headless && source->model->shape.scalars > 0 && t->offset >= l->scalar.weight)
            break; /* scalar heads come last */
        tensors[count++] = (struct safetensor){.name = t->name, .rank = t->columns ? 2 : 1,
                                               .shape = {t->rows, t->columns}, .count = lm_tensor_count(t)};
    }
    int result = join(path, folder, "model.safetensors", err);
    if (result == 0)
        result = safetensors_write_parts(path, tensors, count, stored, read_part, source, err);
    mem_free(tensors);
    return result;
}

int checkpoint_write(const struct checkpoint_source *source, const char *folder, const char *like,
                     enum safetensors_dtype stored, struct err *err)
{
    if (mkdir(folder, 0755) < 0 && errno != EEXIST)
        return err_errno(err, "cannot make the folder %s", folder);
    if (like && strcmp(like, folder) != 0 && copy_companions(like, folder, err) < 0)
        return -1;
    if (save_config(source, folder, stored, err) < 0)
        return -1;
    return save_weights(source, folder, stored, err);
}

int checkpoint_save(const struct lm_model *m, const char *folder, const char *like, enum safetensors_dtype stored,
                    struct err *err)
{
    if (m->mapped)
        return err_set(err, ERR_INVALID_VALUE, "a mapped model is in its files already");
    return checkpoint_write(&(struct checkpoint_source){.model = m}, folder, like, stored, err);
}
