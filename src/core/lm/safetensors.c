#include "core/lm/safetensors.h"

#include <endian.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/mem.h"
#include "core/lm/safetensors_header.h"

enum { MAX_INDEX_BYTES = 4 << 20, MAX_PATH = 4096 };

struct mapping {
    void *start;
    size_t size;
};

struct safetensors {
    struct safetensor_list list; /* in the order of names once it is open */
    struct arena names;
    struct mapping *mappings;
    size_t mapping_count;
};

static struct safetensors *empty_set(struct err *err)
{
    struct safetensors *s = mem_zeroed(1, sizeof *s);
    if (!s)
        err_memory(err);
    return s;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct safetensor *)a)->name, ((const struct safetensor *)b)->name);
}

/* Puts the tensors of all files in order; no name may be there twice. */
static int sort_names(struct safetensors *s, struct err *err)
{
    if (s->list.count == 0)
        return 0;
    qsort(s->list.items, s->list.count, sizeof s->list.items[0], by_name);
    for (size_t i = 1; i < s->list.count; i++)
        if (by_name(&s->list.items[i - 1], &s->list.items[i]) == 0)
            return err_set(err, ERR_BAD_FILE, "tensor \"%.80s\" is there twice", s->list.items[i].name);
    return 0;
}

struct safetensors *safetensors_parse(const void *bytes, size_t size, struct err *err)
{
    struct safetensors *s = empty_set(err);
    if (!s)
        return NULL;
    if (safetensors_header(bytes, size, &s->list, &s->names, err) < 0 || sort_names(s, err) < 0) {
        safetensors_free(s);
        return NULL;
    }
    return s;
}

/* Maps `path` and adds its tensors, unsorted. */
static int add_file(struct safetensors *s, const char *path, struct err *err)
{
    int result = -1;
    struct mapping *more = mem_resize(s->mappings, s->mapping_count + 1, sizeof *more);
    if (!more)
        return err_memory(err);
    s->mappings = more;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "cannot open %s", path);
    struct stat st;
    if (fstat(fd, &st) < 0) {
        err_errno(err, "cannot read %s", path);
        goto out;
    }
    if (!S_ISREG(st.st_mode) || st.st_size < 8) {
        err_set(err, ERR_BAD_FILE, "%s is not a safetensors file: it has no header", path);
        goto out;
    }
    void *start = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (start == MAP_FAILED) {
        err_errno(err, "cannot map %s", path);
        goto out;
    }
    s->mappings[s->mapping_count++] = (struct mapping){start, (size_t)st.st_size};
    result = safetensors_header(start, (size_t)st.st_size, &s->list, &s->names, err);
    if (result < 0)
        err_wrap(err, "%s", path);
out:
    close(fd);
    return result;
}

struct safetensors *safetensors_open(const char *path, struct err *err)
{
    struct safetensors *s = empty_set(err);
    if (!s)
        return NULL;
    if (add_file(s, path, err) < 0 || sort_names(s, err) < 0) {
        safetensors_free(s);
        return NULL;
    }
    return s;
}

/* A shard is a plain file of the same folder: an index must not lead elsewhere. */
static int check_shard_name(const char *name, struct err *err)
{
    size_t length = strlen(name);
    if (length < 13 || length > 255 || strchr(name, '/') || name[0] == '.' ||
        strcmp(name + length - 12, ".safetensors") != 0)
        return err_set(err, ERR_BAD_FILE, "\"%.80s\" is no name of a shard", name);
    return 0;
}

/* Opens the shards that a weight_map names, each once. */
static int open_shards(struct safetensors *s, const char *folder, json_t *map, json_t *opened, struct err *err)
{
    const char *tensor;
    json_t *shard;
    json_object_foreach(map, tensor, shard) {
        const char *name = json_string_value(shard);
        if (!name || strlen(name) != json_string_length(shard))
            return err_set(err, ERR_BAD_FILE, "the shard of \"%.80s\" is not a text", tensor);
        if (json_object_get(opened, name))
            continue;
        char path[MAX_PATH];
        if (check_shard_name(name, err) < 0)
            return -1;
        snprintf(path, sizeof path, "%s/%s", folder, name);
        if (add_file(s, path, err) < 0)
            return -1;
        if (json_object_set_new(opened, name, json_integer((json_int_t)s->mapping_count - 1)) < 0)
            return err_memory(err);
    }
    return 0;
}

/* Every name of the index must be a tensor of the file that it names. */
static int check_index(const struct safetensors *s, json_t *map, json_t *opened, struct err *err)
{
    const char *tensor;
    json_t *shard;
    json_object_foreach(map, tensor, shard) {
        const struct safetensor *t = safetensors_find(s, tensor);
        const struct mapping *m = &s->mappings[json_integer_value(json_object_get(opened, json_string_value(shard)))];
        if (!t || (const char *)t->data < (char *)m->start || (const char *)t->data > (char *)m->start + m->size)
            return err_set(err, ERR_BAD_FILE, "tensor \"%.80s\" is not in %.80s, where the index puts it", tensor,
                           json_string_value(shard));
    }
    return 0;
}

static int add_indexed(struct safetensors *s, const char *folder, const char *path, struct err *err)
{
    int result = -1;
    json_error_t where;
    json_t *opened = json_object(), *index = NULL;
    struct stat st;
    if (stat(path, &st) < 0) {
        err_errno(err, "cannot read %s", path);
        goto out;
    }
    if (st.st_size > MAX_INDEX_BYTES) {
        err_set(err, ERR_BAD_FILE, "%s is larger than an index may be (%d bytes)", path, MAX_INDEX_BYTES);
        goto out;
    }
    index = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
    json_t *map = json_object_get(index, "weight_map");
    if (!json_is_object(map)) {
        err_set(err, ERR_BAD_FILE, "%s has no weight_map%s%s", path, index ? "" : ": ", index ? "" : where.text);
        goto out;
    }
    if (open_shards(s, folder, map, opened, err) == 0 && sort_names(s, err) == 0)
        result = check_index(s, map, opened, err);
    if (result < 0)
        err_wrap(err, "%s", path);
out:
    json_decref(opened);
    json_decref(index);
    return result;
}

struct safetensors *safetensors_open_folder(const char *folder, struct err *err)
{
    char whole[MAX_PATH], index[MAX_PATH];
    if ((size_t)snprintf(whole, sizeof whole, "%s/model.safetensors", folder) >= sizeof whole ||
        (size_t)snprintf(index, sizeof index, "%s/model.safetensors.index.json", folder) >= sizeof index) {
        err_set(err, ERR_BAD_FILE, "the name of the folder is too long");
        return NULL;
    }
    if (access(whole, F_OK) == 0 || access(index, F_OK) != 0)
        return safetensors_open(whole, err);
    struct safetensors *s = empty_set(err);
    if (s && add_indexed(s, folder, index, err) < 0) {
        safetensors_free(s);
        s = NULL;
    }
    return s;
}

void safetensors_free(struct safetensors *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->mapping_count; i++)
        munmap(s->mappings[i].start, s->mappings[i].size);
    mem_free(s->mappings);
    mem_free(s->list.items);
    arena_free(&s->names);
    mem_free(s);
}

size_t safetensors_count(const struct safetensors *s)
{
    return s->list.count;
}

const struct safetensor *safetensors_at(const struct safetensors *s, size_t i)
{
    return &s->list.items[i];
}

const struct safetensor *safetensors_find(const struct safetensors *s, const char *name)
{
    struct safetensor key = {.name = name};
    return s->list.count == 0 ? NULL : bsearch(&key, s->list.items, s->list.count, sizeof key, by_name);
}

/* IEEE half precision, subnormals included. */
static float float_of_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
    uint32_t bits = sign | (exponent + 112) << 23 | fraction << 13;
    float value;
    if (exponent == 31)
        bits = sign | 0x7f800000 | fraction << 13;
    if (exponent == 0) {
        value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float element_at(const struct safetensor *t, size_t i)
{
    uint32_t bits = 0;
    uint16_t half = 0;
    float value;
    if (t->dtype == DTYPE_F32) {
        memcpy(&bits, (const char *)t->data + 4 * i, sizeof bits);
        bits = le32toh(bits);
    } else {
        memcpy(&half, (const char *)t->data + 2 * i, sizeof half);
        half = le16toh(half);
        bits = (uint32_t)half << 16;
    }
    memcpy(&value, &bits, sizeof value);
    return t->dtype == DTYPE_F16 ? float_of_half(half) : value;
}

int safetensors_read(const struct safetensor *t, float *out, struct err *err)
{
    if (t->dtype == DTYPE_OTHER)
        return err_set(err, ERR_BAD_FILE, "tensor \"%.80s\" has a dtype other than F32, F16, BF16", t->name);
    float spoiled = 0; /* x * 0 is 0 for finite x, NaN for others */
    for (size_t i = 0; i < t->count; i++) {
        out[i] = element_at(t, i);
        spoiled += out[i] * 0;
    }
    if (spoiled != 0)
        return err_set(err, ERR_NUMERICAL, "tensor \"%.80s\" holds a NaN or an infinity", t->name);
    return 0;
}
