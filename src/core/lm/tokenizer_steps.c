/* The steps around the model in tokenizer.json: normalizer, pre-tokenizer, post-processor and decoder. Each type that
 * is known is read with all its members; any other type or member is refused by name. */
#include <string.h>

#include "base/mem.h"
#include "core/lm/tokenizer_parts.h"

/* Whether `name` is one of the space-separated `known`. */
static bool is_among(const char *name, const char *known)
{
    size_t length = strlen(name);
    for (const char *word = known; *word; word += strcspn(word, " "), word += *word == ' ')
        if (strcspn(word, " ") == length && memcmp(word, name, length) == 0)
            return true;
    return false;
}

int tokenizer_only(json_t *object, const char *where, const char *known, struct err *err)
{
    const char *name;
    json_t *value;
    if (!json_is_object(object))
        return err_set(err, ERR_BAD_FILE, "%s is not an object", where);
    json_object_foreach (object, name, value)
        if (!is_among(name, known))
            return err_set(err, ERR_BAD_FILE, "%s: member \"%.60s\" is not supported", where, name);
    return 0;
}

int tokenizer_read_switch(json_t *object, const char *where, const char *name, bool fallback, bool *ret,
                          struct err *err)
{
    json_t *value = json_object_get(object, name);
    *ret = value && !json_is_null(value) ? json_is_true(value) : fallback;
    if (value && !json_is_null(value) && !json_is_boolean(value))
        return err_set(err, ERR_BAD_FILE, "%s: %s is neither true nor false", where, name);
    return 0;
}

static bool absent(json_t *value)
{
    return !value || json_is_null(value);
}

/* A text of least .. TOKENIZER_SHORT_TEXT bytes, owned by the caller. NULL on failure. */
static char *read_text(json_t *value, const char *where, size_t least, struct err *err)
{
    size_t length = json_string_length(value);
    if (!json_is_string(value) || length < least || length > TOKENIZER_SHORT_TEXT) {
        err_set(err, ERR_BAD_FILE, "%s is not a text of %zu to %d bytes", where, least, TOKENIZER_SHORT_TEXT);
        return NULL;
    }
    char *text = mem_strdup(json_string_value(value));
    if (!text)
        err_memory(err);
    return text;
}

static const char *type_of(json_t *step)
{
    const char *type = json_string_value(json_object_get(step, "type"));
    return type ? type : "";
}

static int unsupported(const char *where, json_t *step, struct err *err)
{
    return err_set(err, ERR_BAD_FILE, "%s of type \"%.60s\" is not supported", where, type_of(step));
}

/* Calls read for a step, or for each step of a "Sequence", whose list is the member `list`. */
static int each_step(struct tokenizer *t, json_t *step, const char *where, const char *list,
                     int (*read)(struct tokenizer *, json_t *, struct err *), struct err *err)
{
    if (absent(step))
        return 0;
    if (strcmp(type_of(step), "Sequence") != 0)
        return read(t, step, err);
    json_t *steps = json_object_get(step, list), *one;
    size_t i;
    if (!json_is_array(steps) || json_array_size(steps) > TOKENIZER_STEPS)
        return err_set(err, ERR_BAD_FILE, "%s: %s is not a list of at most %d", where, list, TOKENIZER_STEPS);
    json_array_foreach (steps, i, one)
        if (read(t, one, err) < 0)
            return -1;
    return 0;
}

/* {"String": from} and the text that takes its place. */
static int read_replace(json_t *step, const char *where, char **ret_from, char **ret_to, struct err *err)
{
    json_t *pattern = json_object_get(step, "pattern");
    if (tokenizer_only(step, where, "type pattern content", err) < 0 ||
        tokenizer_only(pattern, where, "String", err) < 0)
        return -1;
    *ret_from = read_text(json_object_get(pattern, "String"), where, 1, err);
    *ret_to = *ret_from ? read_text(json_object_get(step, "content"), where, 0, err) : NULL;
    return *ret_to ? 0 : -1;
}

static int read_normalizer(struct tokenizer *t, json_t *step, struct err *err)
{
    struct tokenizer_rewrite *r = &t->rewrites[t->rewrite_count++];
    if (strcmp(type_of(step), "Replace") == 0)
        return read_replace(step, "normalizer Replace", &r->from, &r->to, err);
    if (strcmp(type_of(step), "Prepend") != 0)
        return unsupported("a normalizer", step, err);
    if (tokenizer_only(step, "normalizer Prepend", "type prepend", err) < 0)
        return -1;
    r->prepend = true;
    r->to = read_text(json_object_get(step, "prepend"), "normalizer Prepend", 0, err);
    return r->to ? 0 : -1;
}

static int read_split(json_t *step, struct tokenizer_cut *c, struct err *err)
{
    const char *behaviour = json_string_value(json_object_get(step, "behavior"));
    json_t *pattern = json_object_get(step, "pattern"), *regex = json_object_get(pattern, "Regex");
    bool invert;
    if (tokenizer_only(step, "pre_tokenizer Split", "type pattern behavior invert", err) < 0 ||
        tokenizer_only(pattern, "pre_tokenizer Split: pattern", "Regex", err) < 0 ||
        tokenizer_read_switch(step, "pre_tokenizer Split", "invert", false, &invert, err) < 0)
        return -1;
    if (!behaviour || strcmp(behaviour, "Isolated") != 0 || invert)
        return err_set(err, ERR_BAD_FILE, "pre_tokenizer Split: behavior \"%.40s\"%s is not supported",
                       behaviour ? behaviour : "", invert ? " inverted" : "");
    if (!json_is_string(regex))
        return err_set(err, ERR_BAD_FILE, "pre_tokenizer Split: pattern has no Regex");
    struct str text = {json_string_value(regex), json_string_length(regex)};
    c->pattern = tokenizer_pattern_new(text, err);
    return c->pattern ? 0 : -1;
}

static int read_metaspace(json_t *step, struct tokenizer_cut *c, struct err *err)
{
    static const char *const schemes[] = {
        [PREPEND_NEVER] = "never", [PREPEND_FIRST] = "first", [PREPEND_ALWAYS] = "always"};
    const char *scheme = json_string_value(json_object_get(step, "prepend_scheme"));
    bool legacy, found = !scheme;
    if (tokenizer_only(step, "Metaspace", "type replacement prepend_scheme split add_prefix_space str_rep", err) < 0 ||
        tokenizer_read_switch(step, "Metaspace", "split", true, &c->split, err) < 0 ||
        tokenizer_read_switch(step, "Metaspace", "add_prefix_space", true, &legacy, err) < 0)
        return -1;
    c->prepend = legacy ? PREPEND_ALWAYS : PREPEND_NEVER;
    for (int i = PREPEND_NEVER; scheme && i <= PREPEND_ALWAYS; i++)
        if (strcmp(scheme, schemes[i]) == 0) {
            c->prepend = i;
            found = true;
        }
    if (!found)
        return err_set(err, ERR_BAD_FILE, "Metaspace: prepend_scheme \"%.40s\" is not supported", scheme);
    c->replacement = read_text(json_object_get(step, "replacement"), "Metaspace: replacement", 1, err);
    return c->replacement ? 0 : -1;
}

static int read_byte_level(struct tokenizer *t, json_t *step, struct tokenizer_cut *c, struct err *err)
{
    bool regex;
    if (tokenizer_only(step, "pre_tokenizer ByteLevel", "type add_prefix_space trim_offsets use_regex", err) < 0 ||
        tokenizer_read_switch(step, "pre_tokenizer ByteLevel", "add_prefix_space", true, &t->prefix_space, err) < 0 ||
        tokenizer_read_switch(step, "pre_tokenizer ByteLevel", "use_regex", true, &regex, err) < 0)
        return -1;
    if (t->prefix_space && t->cut_count > 0)
        return err_set(err, ERR_BAD_FILE,
                       "pre_tokenizer ByteLevel with add_prefix_space after another step is not "
                       "supported");
    t->byte_level = true;
    if (!regex)
        return 0;
    t->cut_count++;
    c->pattern = tokenizer_pattern_new(str_of(tokenizer_pattern_gpt2), err);
    return c->pattern ? 0 : -1;
}

static int read_pre_tokenizer(struct tokenizer *t, json_t *step, struct err *err)
{
    struct tokenizer_cut *c = &t->cuts[t->cut_count];
    if (t->byte_level)
        return err_set(err, ERR_BAD_FILE, "a pre_tokenizer after ByteLevel is not supported");
    if (strcmp(type_of(step), "ByteLevel") == 0)
        return read_byte_level(t, step, c, err);
    t->cut_count++;
    if (strcmp(type_of(step), "Split") == 0)
        return read_split(step, c, err);
    if (strcmp(type_of(step), "Metaspace") != 0)
        return unsupported("a pre_tokenizer", step, err);
    if (t->cut_count > 1)
        return err_set(err, ERR_BAD_FILE, "a pre_tokenizer Metaspace after another step is not supported");
    return read_metaspace(step, c, err);
}

/* The ids of a special token in a template, which must be tokens of the vocabulary. */
static int read_frame_token(struct tokenizer *t, json_t *template, json_t *entry, bool before, struct err *err)
{
    const char *name = json_string_value(json_object_get(entry, "id"));
    json_t *token = json_object_get(json_object_get(template, "special_tokens"), name ? name : "");
    json_t *ids = json_object_get(token, "ids"), *id;
    size_t i;
    if (json_array_size(ids) < 1)
        return err_set(err, ERR_BAD_FILE, "post_processor: special token \"%.60s\" has no ids", name ? name : "");
    json_array_foreach (ids, i, id) {
        json_int_t number = json_integer_value(id);
        int *count = before ? &t->before_count : &t->after_count;
        if (!json_is_integer(id) || !tokenizer_text(t, number).ptr || *count == TOKENIZER_FRAME_IDS)
            return err_set(err, ERR_BAD_FILE, "post_processor: the ids of \"%.60s\" are not usable", name);
        (before ? t->before : t->after)[(*count)++] = (int32_t)number;
    }
    return 0;
}

static int read_template(struct tokenizer *t, json_t *step, struct err *err)
{
    json_t *single = json_object_get(step, "single"), *part;
    bool before = true;
    size_t i;
    if (tokenizer_only(step, "post_processor TemplateProcessing", "type single pair special_tokens", err) < 0)
        return -1;
    json_array_foreach (single, i, part) {
        json_t *token = json_object_get(part, "SpecialToken"), *text = json_object_get(part, "Sequence");
        if ((!token && !text) || (text && !before))
            return err_set(err, ERR_BAD_FILE, "post_processor TemplateProcessing: part %zu is not supported", i);
        if (token && read_frame_token(t, step, token, before, err) < 0)
            return -1;
        before = before && !text;
    }
    return before ? err_set(err, ERR_BAD_FILE, "post_processor TemplateProcessing: there is no Sequence in single") : 0;
}

static int read_post_processor(struct tokenizer *t, json_t *step, struct err *err)
{
    if (strcmp(type_of(step), "TemplateProcessing") == 0)
        return t->before_count || t->after_count ? unsupported("a second post_processor", step, err)
                                                 : read_template(t, step, err);
    if (strcmp(type_of(step), "ByteLevel") == 0) /* concerns offsets only */
        return tokenizer_only(step, "post_processor ByteLevel", "type add_prefix_space trim_offsets use_regex", err);
    return unsupported("a post_processor", step, err);
}

static int read_strip(struct tokenizer *t, json_t *step, struct err *err)
{
    const char *content = json_string_value(json_object_get(step, "content"));
    json_t *start = json_object_get(step, "start"), *stop = json_object_get(step, "stop");
    if (tokenizer_only(step, "decoder Strip", "type content start stop", err) < 0)
        return -1;
    json_int_t count = json_integer_value(start);
    if (!content || strcmp(content, " ") != 0 || !json_is_integer(start) || count < 0 || count > 100 ||
        !json_is_integer(stop) || json_integer_value(stop) != 0)
        return err_set(err, ERR_BAD_FILE, "decoder Strip of anything but spaces at the start is not supported");
    t->strip = (int)count;
    return 0;
}

static int read_decoder(struct tokenizer *t, json_t *step, struct err *err)
{
    const char *type = type_of(step);
    struct tokenizer_cut metaspace = {0};
    if (strcmp(type, "ByteLevel") == 0 && t->byte_level)
        return tokenizer_only(step, "decoder ByteLevel", "type add_prefix_space trim_offsets use_regex", err);
    if (t->byte_level)
        return unsupported("with a ByteLevel pre_tokenizer, a decoder", step, err);
    if (strcmp(type, "Fuse") == 0) {
        t->decode_fused = true;
        return tokenizer_only(step, "decoder Fuse", "type", err);
    }
    if (strcmp(type, "ByteFallback") == 0 && !t->decode_fused) {
        t->decode_fallback = true;
        return tokenizer_only(step, "decoder ByteFallback", "type", err);
    }
    if (strcmp(type, "Strip") == 0 && t->decode_fused)
        return read_strip(t, step, err);
    if (t->decode_from)
        return unsupported("after another one, a decoder", step, err);
    if (strcmp(type, "Replace") == 0)
        return read_replace(step, "decoder Replace", &t->decode_from, &t->decode_to, err);
    if (strcmp(type, "Metaspace") != 0)
        return unsupported("a decoder", step, err);
    int result = read_metaspace(step, &metaspace, err);
    t->decode_from = metaspace.replacement;
    t->decode_to = mem_strdup(" ");
    t->strip = metaspace.prepend != PREPEND_NEVER;
    return result == 0 && !t->decode_to ? err_memory(err) : result;
}

int tokenizer_read_steps(struct tokenizer *t, struct err *err)
{
    if (each_step(t, t->sections[SECTION_NORMALIZER], "normalizer", "normalizers", read_normalizer, err) < 0 ||
        each_step(t, t->sections[SECTION_PRE], "pre_tokenizer", "pretokenizers", read_pre_tokenizer, err) < 0 ||
        each_step(t, t->sections[SECTION_POST], "post_processor", "processors", read_post_processor, err) < 0 ||
        each_step(t, t->sections[SECTION_DECODER], "decoder", "decoders", read_decoder, err) < 0)
        return -1;
    if (absent(t->sections[SECTION_DECODER]))
        return err_set(err, ERR_BAD_FILE, "a tokenizer without decoder is not supported");
    return 0;
}

/* Replaces every `from` in `text`. */
static int replace(const struct tokenizer_rewrite *r, struct str text, struct buf *out, struct err *err)
{
    size_t length = strlen(r->from);
    while (text.len > 0) {
        const char *found = memmem(text.ptr, text.len, r->from, length);
        size_t before = found ? (size_t)(found - text.ptr) : text.len;
        buf_add(out, text.ptr, before);
        if (found)
            buf_text(out, r->to);
        before += found ? length : 0;
        text = (struct str){text.ptr + before, text.len - before};
        if (out->length > TOKENIZER_MAX_TEXT)
            return err_set(err, ERR_TOO_LARGE, "the normalizer makes more than %d bytes", TOKENIZER_MAX_TEXT);
    }
    return 0;
}

int tokenizer_normalize(const struct tokenizer *t, struct str text, bool first, struct buf buffers[2], struct str *ret,
                        struct err *err)
{
    for (int i = 0; i < t->rewrite_count; i++) {
        const struct tokenizer_rewrite *r = &t->rewrites[i];
        struct buf *out = &buffers[i % 2];
        buf_clear(out);
        if (!r->prepend && replace(r, text, out, err) < 0)
            return -1;
        if (r->prepend && (!first || text.len == 0))
            buf_add(out, text.ptr, text.len);
        else if (r->prepend) {
            buf_text(out, r->to);
            buf_add(out, text.ptr, text.len);
        }
        if (out->failed)
            return err_memory(err);
        text = (struct str){out->data, out->length};
    }
    *ret = text;
    return 0;
}
