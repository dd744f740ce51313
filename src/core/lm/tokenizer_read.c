/* tokenizer.json, and vocab.json with merges.txt, made into a struct tokenizer. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/lm/bpe_bytes.h"
#include "core/lm/tokenizer_parts.h"

static struct str string_of(json_t *value)
{
    return (struct str){json_string_value(value), json_string_length(value)};
}

/* Checks what of the model is not supported, and reads its switches. */
static int read_model(struct tokenizer *t, json_t *model, struct err *err)
{
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    json_t *type = json_object_get(model, "type"), *dropout = json_object_get(model, "dropout");
    if (type && (!json_is_string(type) || strcmp(json_string_value(type), "BPE") != 0))
        return err_set(err, ERR_BAD_FILE, "a model of type \"%.60s\" is not supported",
                       json_is_string(type) ? json_string_value(type) : "");
    if (tokenizer_only(model, "model",
                       "type dropout unk_token continuing_subword_prefix end_of_word_suffix fuse_unk byte_fallback "
                       "ignore_merges vocab merges",
                       err) < 0)
        return -1;
    if (dropout && !json_is_null(dropout) && !(json_is_number(dropout) && json_number_value(dropout) == 0))
        return err_set(err, ERR_BAD_FILE, "model: dropout is not supported");
    for (int i = 0; i < 2; i++) {
        json_t *affix = json_object_get(model, affixes[i]);
        if (affix && !json_is_null(affix) && !(json_is_string(affix) && json_string_length(affix) == 0))
            return err_set(err, ERR_BAD_FILE, "model: %s is not supported", affixes[i]);
    }
    return tokenizer_read_switch(model, "model", "fuse_unk", false, &t->fuse_unknown, err) < 0 ||
                   tokenizer_read_switch(model, "model", "byte_fallback", false, &t->byte_fallback, err) < 0 ||
                   tokenizer_read_switch(model, "model", "ignore_merges", false, &t->ignore_merges, err) < 0
               ? -1
               : 0;
}

/* How many tokens there are in all; -1 with err for added tokens that are none. */
static int64_t count_tokens(json_t *vocabulary, json_t *added, struct err *err)
{
    json_t *one;
    size_t i;
    int64_t count = (int64_t)json_object_size(vocabulary);
    if (added && !json_is_null(added) && (!json_is_array(added) || json_array_size(added) > TOKENIZER_MAX_ADDED))
        return err_set(err, ERR_BAD_FILE, "added_tokens is not a list of at most %d", TOKENIZER_MAX_ADDED);
    json_array_foreach (added, i, one) {
        const char *content = json_string_value(json_object_get(one, "content"));
        if (!content)
            return err_set(err, ERR_BAD_FILE, "added token %zu has no content", i);
        count += !json_object_get(vocabulary, content);
    }
    return count;
}

static int put_added(struct tokenizer *t, json_t *one, struct err *err)
{
    static const char *const refused[] = {"single_word", "lstrip", "rstrip"};
    json_t *id = json_object_get(one, "id");
    struct str content = string_of(json_object_get(one, "content"));
    bool value, special, normalized;
    if (tokenizer_only(one, "an added token", "id content single_word lstrip rstrip normalized special", err) < 0)
        return -1;
    for (int i = 0; i < 3; i++) {
        if (tokenizer_read_switch(one, "an added token", refused[i], false, &value, err) < 0)
            return -1;
        if (value)
            return err_set(err, ERR_BAD_FILE, "added token \"%.60s\": %s is not supported", content.ptr, refused[i]);
    }
    if (!json_is_integer(id))
        return err_set(err, ERR_BAD_FILE, "added token \"%.60s\": the id is not a whole number", content.ptr);
    int32_t known = bpe_vocabulary_find(t->vocabulary, content);
    if (known >= 0 && known != json_integer_value(id))
        return err_set(err, ERR_BAD_FILE, "added token \"%.60s\" has the id %lld, and %d in the vocabulary",
                       content.ptr, (long long)json_integer_value(id), known);
    if (known < 0 && bpe_vocabulary_put(t->vocabulary, json_integer_value(id), content, err) < 0)
        return -1;
    if (tokenizer_read_switch(one, "an added token", "special", false, &special, err) < 0 ||
        tokenizer_read_switch(one, "an added token", "normalized", false, &normalized, err) < 0)
        return -1;
    t->marks[json_integer_value(id)] = (uint8_t)(MARK_ADDED | (special ? MARK_SPECIAL : 0) |
                                                 (known < 0 ? MARK_OUTSIDE : 0) | (normalized ? MARK_NORMALIZED : 0));
    return 0;
}

static int read_vocabulary(struct tokenizer *t, json_t *vocabulary, json_t *added, struct err *err)
{
    const char *text;
    json_t *id, *one;
    size_t i;
    if (!json_is_object(vocabulary))
        return err_set(err, ERR_BAD_FILE, "the vocabulary is not an object");
    int64_t count = count_tokens(vocabulary, added, err);
    if (count < 0)
        return -1;
    t->vocabulary = bpe_vocabulary_new((size_t)count, err);
    t->marks = t->vocabulary ? mem_zeroed((size_t)count, 1) : NULL;
    if (!t->marks)
        return t->vocabulary ? err_memory(err) : -1;
    json_object_foreach (vocabulary, text, id) {
        if (!json_is_integer(id))
            return err_set(err, ERR_BAD_FILE, "the id of token \"%.60s\" is not a whole number", text);
        if (bpe_vocabulary_put(t->vocabulary, json_integer_value(id), str_of(text), err) < 0)
            return -1;
    }
    json_array_foreach (added, i, one)
        if (put_added(t, one, err) < 0)
            return -1;
    return 0;
}

/* A merge is "left right" or ["left", "right"]. */
static int read_merge(struct bpe *bpe, json_t *merge, size_t rank, struct err *err)
{
    struct str left, right, text = string_of(merge);
    if (json_is_array(merge) && json_array_size(merge) == 2) {
        left = string_of(json_array_get(merge, 0));
        right = string_of(json_array_get(merge, 1));
    } else {
        const char *space = text.ptr ? memchr(text.ptr, ' ', text.len) : NULL;
        left = (struct str){text.ptr, space ? (size_t)(space - text.ptr) : 0};
        right = (struct str){space ? space + 1 : NULL, space ? text.len - left.len - 1 : 0};
    }
    if (left.len == 0 || right.len == 0 || left.len > BPE_MAX_TEXT || right.len > BPE_MAX_TEXT)
        return err_set(err, ERR_BAD_FILE, "merge %zu is not two tokens", rank);
    return bpe_add(bpe, left, right, err);
}

static int read_merges(struct tokenizer *t, json_t *merges, struct err *err)
{
    json_t *one;
    size_t i;
    if (!json_is_array(merges))
        return err_set(err, ERR_BAD_FILE, "the merges are not a list");
    t->bpe = bpe_new(t->vocabulary, json_array_size(merges), err);
    if (!t->bpe)
        return -1;
    json_array_foreach (merges, i, one)
        if (read_merge(t->bpe, one, i, err) < 0)
            return -1;
    return 0;
}

int tokenizer_fallback_byte(struct str text)
{
    char digits[3] = {0}, *end;
    if (text.len != 6 || memcmp(text.ptr, "<0x", 3) != 0 || text.ptr[5] != '>')
        return -1;
    memcpy(digits, text.ptr + 3, 2);
    if (!strchr("0123456789abcdefABCDEF", digits[0]))
        return -1;
    long byte = strtol(digits, &end, 16);
    return end == digits + 2 ? (int)byte : -1;
}

/* The ids of single bytes and of the unknown token. */
static int find_singles(struct tokenizer *t, json_t *unknown, struct err *err)
{
    for (int byte = 0; byte < 256; byte++) {
        char text[8];
        struct buf spelled = {0};
        unsigned char value = (unsigned char)byte;
        bpe_bytes_spell(&spelled, (struct str){(const char *)&value, 1});
        if (spelled.failed)
            return err_memory(err);
        snprintf(text, sizeof text, "<0x%02X>", value);
        struct str name = t->byte_level ? (struct str){spelled.data, spelled.length} : str_of(text);
        t->byte_ids[byte] = t->byte_level || t->byte_fallback ? bpe_vocabulary_find(t->vocabulary, name) : -1;
        buf_free(&spelled);
    }
    t->unknown = -1;
    if (!unknown || json_is_null(unknown))
        return 0;
    t->unknown = json_is_string(unknown) ? bpe_vocabulary_find(t->vocabulary, string_of(unknown)) : -1;
    return t->unknown < 0 ? err_set(err, ERR_BAD_FILE, "model: unk_token is not in the vocabulary") : 0;
}

/* Appends the bytes that a token stands for. */
static void decode_token(const struct tokenizer *t, int32_t id, struct buf *out)
{
    struct str text = tokenizer_text(t, id);
    size_t before = out->length;
    if (t->marks[id] & MARK_ADDED) {
        buf_add(out, text.ptr, text.len);
    } else if (t->byte_level) {
        if (bpe_bytes_read(out, text))
            return;
        out->length = before;
        buf_add(out, text.ptr, text.len);
    } else if (t->decode_fallback && tokenizer_fallback_byte(text) >= 0) {
        buf_char(out, (char)tokenizer_fallback_byte(text));
    } else {
        size_t mark = t->decode_from ? strlen(t->decode_from) : 0;
        for (const char *found; mark && (found = memmem(text.ptr, text.len, t->decode_from, mark));) {
            size_t length = (size_t)(found - text.ptr);
            buf_add(out, text.ptr, length);
            buf_text(out, t->decode_to);
            text = (struct str){found + mark, text.len - length - mark};
        }
        buf_add(out, text.ptr, text.len);
    }
}

static int decode_all(struct tokenizer *t, struct err *err)
{
    size_t count = tokenizer_count(t);
    t->decoded_at = mem_array(count + 1, sizeof *t->decoded_at);
    if (!t->decoded_at)
        return err_memory(err);
    for (size_t id = 0; id < count; id++) {
        t->decoded_at[id] = t->decoded.length;
        decode_token(t, (int32_t)id, &t->decoded);
    }
    t->decoded_at[count] = t->decoded.length;
    return t->decoded.failed ? err_memory(err) : 0;
}

static int compare_added(const void *a, const void *b)
{
    const struct tokenizer_added *x = a, *y = b;
    if (*x->pattern != *y->pattern)
        return (unsigned char)*x->pattern - (unsigned char)*y->pattern;
    if (x->length != y->length)
        return x->length < y->length ? 1 : -1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int gather_one(struct tokenizer *t, int32_t id, struct err *err)
{
    bool normalized = t->marks[id] & MARK_NORMALIZED;
    struct tokenizer_added_set *set = normalized ? &t->normalized : &t->raw;
    struct tokenizer_added *a = &set->items[set->count];
    struct buf buffers[2] = {{0}, {0}};
    struct str pattern = tokenizer_text(t, id);
    int result = normalized ? tokenizer_normalize(t, pattern, true, buffers, &pattern, err) : 0;
    if (result == 0 && (pattern.len == 0 || pattern.len > BPE_MAX_TEXT))
        result = err_set(err, ERR_BAD_FILE, "added token %d is normalized to nothing, or to too much", id);
    if (result == 0) {
        a->pattern = mem_strndup(pattern.ptr, pattern.len);
        a->length = pattern.len;
        a->id = id;
        a->special = t->marks[id] & MARK_SPECIAL;
        result = a->pattern ? 0 : err_memory(err);
    }
    set->count += result == 0;
    buf_free(&buffers[0]);
    buf_free(&buffers[1]);
    return result;
}

static void sort_added(struct tokenizer_added_set *set)
{
    qsort(set->items, set->count, sizeof *set->items, compare_added);
    size_t i = 0;
    for (int first = 0; first <= 256; first++) {
        while (i < set->count && (unsigned char)*set->items[i].pattern < first)
            i++;
        set->starts[first] = (uint32_t)i;
    }
}

/* The added tokens in the order in which they are looked for; `most` is how many there can be. */
static int gather_added(struct tokenizer *t, size_t most, struct err *err)
{
    t->raw.items = mem_zeroed(most + 1, sizeof *t->raw.items);
    t->normalized.items = mem_zeroed(most + 1, sizeof *t->normalized.items);
    if (!t->raw.items || !t->normalized.items)
        return err_memory(err);
    for (size_t id = 0; id < tokenizer_count(t); id++)
        if ((t->marks[id] & MARK_ADDED) && gather_one(t, (int32_t)id, err) < 0)
            return -1;
    sort_added(&t->raw);
    sort_added(&t->normalized);
    return 0;
}

struct tokenizer *tokenizer_build(json_t *model, json_t *added, json_t *const sections[SECTIONS], struct err *err)
{
    struct tokenizer *t = mem_zeroed(1, sizeof *t);
    if (!t) {
        err_memory(err);
        return NULL;
    }
    for (int i = 0; i < SECTIONS; i++)
        t->sections[i] = json_incref(sections[i]);
    if (read_model(t, model, err) < 0 || read_vocabulary(t, json_object_get(model, "vocab"), added, err) < 0 ||
        read_merges(t, json_object_get(model, "merges"), err) < 0 || tokenizer_read_steps(t, err) < 0 ||
        find_singles(t, json_object_get(model, "unk_token"), err) < 0 ||
        gather_added(t, json_array_size(added), err) < 0 || decode_all(t, err) < 0) {
        tokenizer_free(t);
        return NULL;
    }
    return t;
}

static json_t *load_object(struct str text, const char *name, struct err *err)
{
    json_error_t where;
    json_t *object = NULL;
    if (text.len > TOKENIZER_MAX_FILE) {
        err_set(err, ERR_BAD_FILE, "%s is larger than %d bytes", name, TOKENIZER_MAX_FILE);
        return NULL;
    }
    object = json_loadb(text.len ? text.ptr : "", text.len, JSON_REJECT_DUPLICATES, &where);
    if (json_is_object(object))
        return object;
    err_set(err, ERR_BAD_FILE, "%s is not a JSON object%s%.100s", name, object ? "" : ": ", object ? "" : where.text);
    json_decref(object);
    return NULL;
}

struct tokenizer *tokenizer_parse(struct str json, struct err *err)
{
    json_t *root = load_object(json, "tokenizer.json", err), *sections[SECTIONS];
    struct tokenizer *t = NULL;
    if (!root)
        return NULL;
    for (int i = 0; i < SECTIONS; i++)
        sections[i] = json_object_get(root, tokenizer_section_names[i]);
    if (tokenizer_only(root, "the file",
                       "version truncation padding added_tokens normalizer pre_tokenizer post_processor decoder model",
                       err) == 0)
        t = tokenizer_build(json_object_get(root, "model"), json_object_get(root, "added_tokens"), sections, err);
    if (!t)
        err_wrap(err, "tokenizer.json");
    json_decref(root);
    return t;
}

/* The lines of merges.txt as a list; its first line may be "#version: ...". NULL without memory. */
static json_t *list_merges(struct str text)
{
    json_t *list = json_array();
    int failed = !list;
    for (size_t line = 0; text.len > 0 && !failed; line++) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t length = end ? (size_t)(end - text.ptr) : text.len, kept = length;
        kept -= kept > 0 && text.ptr[kept - 1] == '\r';
        bool comment = line == 0 && length >= 8 && memcmp(text.ptr, "#version", 8) == 0;
        if (kept > 0 && !comment)
            failed = json_array_append_new(list, json_stringn_nocheck(text.ptr, kept));
        length += end != NULL;
        text = (struct str){text.ptr + length, text.len - length};
    }
    if (!failed)
        return list;
    json_decref(list);
    return NULL;
}

struct tokenizer *tokenizer_parse_pair(struct str vocabulary, struct str merges, struct err *err)
{
    static const char end[] = "<|endoftext|>";
    struct tokenizer *t = NULL;
    json_t *sections[SECTIONS] = {NULL}, *added = json_array(), *list = NULL, *model = NULL;
    json_t *ids = load_object(vocabulary, "vocab.json", err);
    if (!ids)
        goto out;
    if (merges.len > TOKENIZER_MAX_FILE || (merges.len && !str_is_utf8(merges))) {
        err_set(err, ERR_BAD_FILE, "merges.txt is not UTF-8 of at most %d bytes", TOKENIZER_MAX_FILE);
        goto out;
    }
    list = list_merges(merges);
    model = json_pack("{s:s,s:O,s:O}", "type", "BPE", "vocab", ids, "merges", list);
    json_t *id = json_object_get(ids, end);
    if (id)
        json_array_append_new(added, json_pack("{s:O,s:s,s:b}", "id", id, "content", end, "special", 1));
    if (!list || !model || !added || json_array_size(added) != (id != NULL) || !tokenizer_gpt2_sections(sections)) {
        err_memory(err);
        goto out;
    }
    t = tokenizer_build(model, added, sections, err);
    if (!t)
        err_wrap(err, "vocab.json and merges.txt");
out:
    for (int i = 0; i < SECTIONS; i++)
        json_decref(sections[i]);
    json_decref(added);
    json_decref(list);
    json_decref(model);
    json_decref(ids);
    return t;
}
