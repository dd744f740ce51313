/* Adapters in PEFT's files: adapter_config.json and adapter_model.safetensors. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/mem.h"
#include "core/lm/lora.h"
#include "core/lm/replace.h"
#include "core/lm/safetensors.h"

enum { MAX_PATH = 4096, NAME_SIZE = 160, MAX_CONFIG = 1 << 20, MAX_HEADS = 1024 };

static const char head_weight[] = "base_model.model.score.weight", head_bias[] = "base_model.model.score.bias";

/* "base_model.model." + the module + ".lora_A.weight" or ".lora_B.weight". */
static void peft_name(char *name, const struct lm_adapter *a, char which)
{
    snprintf(name, NAME_SIZE, "base_model.model.%.*s.lora_%c.weight", (int)(strlen(a->tensor) - strlen(".weight")),
             a->tensor, which);
}

static int join(char *path, const char *folder, const char *name, struct err *err)
{
    if ((size_t)snprintf(path, MAX_PATH, "%s/%s", folder, name) >= MAX_PATH)
        return err_set(err, ERR_BAD_FILE, "the name of the folder is too long");
    return 0;
}

static char *compose_config(const struct lm_adapters *a)
{
    json_t *targets = json_array(), *layers = json_array();
    for (int i = 0; i < a->target_count; i++)
        json_array_append_new(targets, json_string(a->targets[i]));
    json_t *config = json_pack("{s:s,s:s,s:i,s:f,s:f,s:s,s:b,s:b,s:o,s:n}", "peft_type", "LORA", "task_type",
                               "CAUSAL_LM", "r", a->rank, "lora_alpha", (double)a->alpha, "lora_dropout", 0.0, "bias",
                               "none", "fan_in_fan_out", (int)(a->shape.family == LM_GPT2), "inference_mode", 1,
                               "target_modules", targets, "base_model_name_or_path");
    if (a->heads > 0)
        json_object_set_new(config, "modules_to_save", json_pack("[s]", "score"));
    for (int i = a->frozen; a->frozen > 0 && i < a->shape.layers; i++)
        json_array_append_new(layers, json_integer(i));
    if (a->frozen > 0)
        json_object_set(config, "layers_to_transform", layers);
    json_decref(layers);
    char *text = json_dumps(config, JSON_INDENT(2));
    json_decref(config);
    return text;
}

static int write_text(FILE *file, void *context, struct err *err)
{
    return fputs(context, file) < 0 ? err_errno(err, "cannot write") : 0;
}

/* Tensors of files: A and B of each adapter, then the heads. */
static size_t tensors_of(const struct lm_adapters *a)
{
    return 2 * (size_t)a->count + (a->heads > 0 ? 2 : 0);
}

static void list_tensors(const struct lm_adapters *a, char (*names)[NAME_SIZE], struct safetensor *tensors)
{
    size_t count = 2 * (size_t)a->count;
    for (size_t i = 0; i < count; i++) {
        const struct lm_adapter *one = &a->items[i / 2];
        bool is_b = i % 2;
        peft_name(names[i], one, is_b ? 'B' : 'A');
        tensors[i] = (struct safetensor){.name = names[i], .rank = 2, .data = a->weights + (is_b ? one->b : one->a),
                                         .shape = {is_b ? one->out : a->rank, is_b ? a->rank : one->in}};
        tensors[i].count = (size_t)(tensors[i].shape[0] * tensors[i].shape[1]);
    }
    if (a->heads == 0)
        return;
    tensors[count] = (struct safetensor){.name = head_weight, .rank = 2, .data = a->weights + a->head_weight,
                                         .shape = {a->heads, a->shape.width},
                                         .count = (size_t)a->heads * (size_t)a->shape.width};
    tensors[count + 1] = (struct safetensor){.name = head_bias, .rank = 1, .data = a->weights + a->head_bias,
                                             .shape = {a->heads}, .count = (size_t)a->heads};
}

int lora_save(const struct lm_adapters *a, const char *folder, struct err *err)
{
    char path[MAX_PATH], *config = compose_config(a);
    size_t count = tensors_of(a);
    struct safetensor *tensors = mem_zeroed(count, sizeof *tensors);
    char(*names)[NAME_SIZE] = mem_zeroed(count, sizeof *names);
    int result = -1;
    if (!config || !tensors || !names) {
        err_memory(err);
        goto out;
    }
    list_tensors(a, names, tensors);
    if (mkdir(folder, 0755) < 0 && errno != EEXIST) {
        err_errno(err, "cannot make the folder %s", folder);
        goto out;
    }
    if (join(path, folder, "adapter_config.json", err) < 0 || replace_file(path, write_text, config, err) < 0 ||
        join(path, folder, "adapter_model.safetensors", err) < 0)
        goto out;
    result = safetensors_write(path, tensors, count, DTYPE_F32, err);
out:
    free(config);
    mem_free(tensors);
    mem_free(names);
    return result;
}

static bool is_off(const json_t *v)
{
    return !v || json_is_null(v) || json_is_false(v) || (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_object(v) && json_object_size(v) == 0);
}

static int refuse(const char *name, struct err *err)
{
    return err_set(err, ERR_BAD_FILE, "adapter_config.json: %s is not supported", name);
}

/* Settings that must be off: absent, null, false, 0, "none", [] or {}. */
static int refuse_extras(json_t *config, struct err *err)
{
    const char *const names[] = {"use_dora",      "use_rslora",     "rank_pattern",
                                 "alpha_pattern", "layers_pattern", "lora_bias"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!is_off(json_object_get(config, names[i])))
            return refuse(names[i], err);
    const char *bias = json_string_value(json_object_get(config, "bias"));
    if (bias && strcmp(bias, "none") != 0)
        return err_set(err, ERR_BAD_FILE, "adapter_config.json: bias \"%.40s\" is not supported", bias);
    return 0;
}

/* target_modules as a comma-separated list. */
static int list_targets(json_t *config, struct buf *out, struct err *err)
{
    json_t *list = json_object_get(config, "target_modules"), *one;
    size_t i;
    json_array_foreach(list, i, one) {
        const char *name = json_string_value(one);
        if (!name || strchr(name, ','))
            return err_set(err, ERR_BAD_FILE, "adapter_config.json: target_modules holds no list of names");
        buf_printf(out, "%s%s", i ? "," : "", name);
    }
    if (out->failed)
        return err_memory(err);
    if (out->length == 0)
        return err_set(err, ERR_BAD_FILE, "adapter_config.json: target_modules holds no list of names");
    return 0;
}

/* The layers to transform: all, or those from some block to the top, in order. */
static int read_layers(json_t *config, int blocks, int *ret_frozen, struct err *err)
{
    json_t *layers = json_object_get(config, "layers_to_transform"), *one;
    size_t i;
    *ret_frozen = 0;
    if (is_off(layers))
        return 0;
    int count = json_is_array(layers) && json_array_size(layers) <= (size_t)blocks ? (int)json_array_size(layers) : 0;
    *ret_frozen = blocks - count;
    json_array_foreach(layers, i, one)
        if (json_integer_value(one) != *ret_frozen + (json_int_t)i)
            count = 0;
    return count > 0 ? 0 : refuse("a choice of layers_to_transform other than the top ones", err);
}

/* How many scalar heads are stored: none, or those of the module "score". */
static int read_heads(json_t *config, const struct safetensors *files, int *ret, struct err *err)
{
    json_t *saved = json_object_get(config, "modules_to_save");
    const struct safetensor *t = safetensors_find(files, head_weight);
    const char *only = json_array_size(saved) == 1 ? json_string_value(json_array_get(saved, 0)) : NULL;
    *ret = 0;
    if (is_off(saved))
        return 0;
    if (!only || strcmp(only, "score") != 0)
        return refuse("a choice of modules_to_save other than score", err);
    if (!t || t->rank != 2 || t->shape[0] < 1 || t->shape[0] > MAX_HEADS)
        return err_set(err, ERR_BAD_FILE, "%s has not 1 .. %d rows", head_weight, MAX_HEADS);
    *ret = (int)t->shape[0];
    return 0;
}

static struct lm_adapters *adapters_of(json_t *config, const struct lm_shape *shape, const struct safetensors *files,
                                       struct err *err)
{
    struct buf targets = {0};
    struct lm_adapters *a = NULL;
    struct lora_options o = {0};
    json_t *r = json_object_get(config, "r"), *alpha = json_object_get(config, "lora_alpha");
    const char *type = json_string_value(json_object_get(config, "peft_type"));
    if (!type || strcmp(type, "LORA") != 0)
        err_set(err, ERR_BAD_FILE, "adapter_config.json: peft_type is not LORA");
    else if (!json_is_integer(r) || json_integer_value(r) < 1 || json_integer_value(r) > LORA_MAX_RANK ||
             !json_is_number(alpha))
        err_set(err, ERR_BAD_FILE, "adapter_config.json: r or lora_alpha is not usable");
    else if (refuse_extras(config, err) == 0 && list_targets(config, &targets, err) == 0 &&
             read_layers(config, shape->layers, &o.frozen, err) == 0 &&
             read_heads(config, files, &o.heads, err) == 0) {
        o.targets = targets.data;
        o.rank = (int)json_integer_value(r);
        o.alpha = json_number_value(alpha);
        a = lora_plan(shape, &o, err);
    }
    buf_free(&targets);
    return a;
}

/* Reads all tensors, each of which must have its place and its shape. */
static int read_weights(struct lm_adapters *a, const struct safetensors *files, struct err *err)
{
    size_t count = tensors_of(a);
    struct safetensor *tensors = mem_zeroed(count, sizeof *tensors);
    char(*names)[NAME_SIZE] = mem_zeroed(count, sizeof *names);
    int result = tensors && names ? 0 : err_memory(err);
    if (result == 0 && safetensors_count(files) != count)
        result = err_set(err, ERR_BAD_FILE, "there are %zu tensors, not %zu", safetensors_count(files), count);
    if (result == 0)
        list_tensors(a, names, tensors);
    for (size_t i = 0; i < count && result == 0; i++) {
        const struct safetensor *want = &tensors[i], *t = safetensors_find(files, want->name);
        if (!t)
            result = err_set(err, ERR_BAD_FILE, "tensor \"%s\" is missing", want->name);
        else if (t->rank != want->rank || memcmp(t->shape, want->shape, sizeof t->shape) != 0)
            result = err_set(err, ERR_BAD_FILE, "tensor \"%s\" has the wrong shape; %lld x %lld is right", want->name,
                             (long long)want->shape[0], (long long)(want->rank > 1 ? want->shape[1] : 1));
        else
            result = safetensors_read(t, a->weights + ((const float *)want->data - a->weights), err);
    }
    mem_free(tensors);
    mem_free(names);
    return result;
}

/* Plans, makes and reads the adapters of `files`. */
static struct lm_adapters *read_adapters(json_t *config, const struct lm_shape *shape, const struct safetensors *files,
                                         struct err *err)
{
    struct lm_adapters *a = adapters_of(config, shape, files, err);
    if (a && (lora_start(a, 0, err) < 0 || read_weights(a, files, err) < 0)) {
        lora_free(a);
        a = NULL;
    }
    return a;
}

struct lm_adapters *lora_load(const struct lm_shape *shape, const char *folder, struct err *err)
{
    char path[MAX_PATH];
    json_error_t where;
    struct stat st;
    if (join(path, folder, "adapter_config.json", err) < 0)
        return NULL;
    if (stat(path, &st) < 0 || st.st_size > MAX_CONFIG) {
        err_set(err, ERR_BAD_FILE, "%s is not there, or too large", path);
        return NULL;
    }
    json_t *config = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(config))
        err_set(err, ERR_BAD_FILE, "%s: %s", path, config ? "not an object" : where.text);
    struct safetensors *files = NULL;
    if (json_is_object(config) && join(path, folder, "adapter_model.safetensors", err) == 0)
        files = safetensors_open(path, err);
    struct lm_adapters *a = files ? read_adapters(config, shape, files, err) : NULL;
    safetensors_free(files);
    json_decref(config);
    return a;
}

/* The same adapters but for their numbers. */
static bool is_alike(const struct lm_adapters *a, const struct lm_adapters *b)
{
    bool alike = a->total == b->total && a->count == b->count && a->rank == b->rank && a->heads == b->heads &&
                 a->alpha == b->alpha;
    for (int i = 0; i < a->count && alike; i++)
        alike = a->items[i].offset == b->items[i].offset;
    return alike;
}

int lora_reload(struct lm_adapters *into, const char *folder, struct err *err)
{
    struct lm_adapters *saved = lora_load(&into->shape, folder, err);
    int result = saved ? 0 : -1;
    if (saved && !is_alike(saved, into))
        result = err_set(err, ERR_CONFLICT, "%s is of other adapters", folder);
    else if (saved)
        memcpy(into->weights, saved->weights, saved->total * sizeof *saved->weights);
    lora_free(saved);
    return result;
}
