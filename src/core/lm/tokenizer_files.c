/* The files of a tokenizer in a Hugging Face directory, read and written. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/lm/replace.h"
#include "core/lm/tokenizer_parts.h"

bool tokenizer_gpt2_sections(json_t *sections[SECTIONS])
{
    static const char step[] = "{s:s,s:b,s:b,s:b}";
    for (int i = SECTION_PRE; i < SECTIONS; i++)
        sections[i] = json_pack(step, "type", "ByteLevel", "add_prefix_space", i != SECTION_PRE, "trim_offsets",
                                i != SECTION_POST, "use_regex", 1);
    sections[SECTION_NORMALIZER] = json_null();
    return sections[SECTION_PRE] && sections[SECTION_POST] && sections[SECTION_DECODER];
}

static int join(char path[PATH_MAX], const char *folder, const char *name, struct err *err)
{
    if (snprintf(path, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
        return err_set(err, ERR_BAD_FILE, "the name of the folder is too long");
    return 0;
}

/* The whole of a file. 1 when it is not there. */
static int read_whole(const char *folder, const char *name, struct buf *out, struct err *err)
{
    char path[PATH_MAX];
    if (join(path, folder, name, err) < 0)
        return -1;
    FILE *file = fopen(path, "rbe");
    if (!file)
        return errno == ENOENT ? 1 : err_errno(err, "cannot open %s", path);
    size_t n;
    do {
        char chunk[1 << 14];
        n = fread(chunk, 1, sizeof chunk, file);
        buf_add(out, chunk, n);
    } while (n > 0 && out->length <= TOKENIZER_MAX_FILE && !out->failed);
    int result = 0;
    if (ferror(file))
        result = err_errno(err, "cannot read %s", path);
    else if (out->failed)
        result = err_memory(err);
    fclose(file);
    return result;
}

struct tokenizer *tokenizer_load(const char *folder, struct err *err)
{
    struct buf first = {0}, second = {0};
    struct tokenizer *t = NULL;
    int absent = read_whole(folder, "tokenizer.json", &first, err);
    if (absent == 0) {
        t = tokenizer_parse((struct str){first.data, first.length}, err);
    } else if (absent > 0) {
        absent = read_whole(folder, "vocab.json", &first, err);
        if (absent == 0)
            absent = read_whole(folder, "merges.txt", &second, err);
        if (absent == 0)
            t = tokenizer_parse_pair((struct str){first.data, first.length}, (struct str){second.data, second.length},
                                     err);
        else if (absent > 0)
            err_set(err, ERR_BAD_FILE, "there is neither tokenizer.json nor vocab.json with merges.txt");
    }
    if (!t)
        err_wrap(err, "%s", folder);
    buf_free(&first);
    buf_free(&second);
    return t;
}

/* Tokens by text in the order of ids; `outside` includes the added ones that the model does not have. */
static json_t *compose_vocabulary(const struct tokenizer *t, bool outside)
{
    json_t *vocabulary = json_object();
    for (size_t id = 0; vocabulary && id < tokenizer_count(t); id++)
        if (outside || !(t->marks[id] & MARK_OUTSIDE)) {
            struct str text = tokenizer_text(t, (int64_t)id);
            if (json_object_setn_new_nocheck(vocabulary, text.ptr, text.len, json_integer((json_int_t)id)) < 0) {
                json_decref(vocabulary);
                return NULL;
            }
        }
    return vocabulary;
}

/* Merges as "left right", or as pairs where a token has a space in it. */
static json_t *compose_merges(const struct tokenizer *t)
{
    json_t *merges = json_array();
    for (size_t rank = 0; merges && rank < bpe_count(t->bpe); rank++) {
        int32_t left, right;
        bpe_pair(t->bpe, rank, &left, &right);
        struct str a = tokenizer_text(t, left), b = tokenizer_text(t, right);
        bool spaces = memchr(a.ptr, ' ', a.len) || memchr(b.ptr, ' ', b.len);
        json_t *merge = spaces ? json_pack("[s%,s%]", a.ptr, a.len, b.ptr, b.len)
                               : json_sprintf("%.*s %.*s", (int)a.len, a.ptr, (int)b.len, b.ptr);
        if (json_array_append_new(merges, merge) < 0) {
            json_decref(merges);
            return NULL;
        }
    }
    return merges;
}

static json_t *compose_added(const struct tokenizer *t)
{
    json_t *added = json_array();
    for (size_t id = 0; added && id < tokenizer_count(t); id++) {
        struct str text = tokenizer_text(t, (int64_t)id);
        if (!(t->marks[id] & MARK_ADDED))
            continue;
        json_t *one = json_pack("{s:i,s:s%,s:b,s:b,s:b,s:b,s:b}", "id", (int)id, "content", text.ptr, text.len,
                                "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized",
                                (t->marks[id] & MARK_NORMALIZED) != 0, "special", (t->marks[id] & MARK_SPECIAL) != 0);
        if (json_array_append_new(added, one) < 0) {
            json_decref(added);
            return NULL;
        }
    }
    return added;
}

static json_t *compose_model(const struct tokenizer *t)
{
    struct str unknown = tokenizer_text(t, t->unknown);
    json_t *name = unknown.ptr ? json_stringn(unknown.ptr, unknown.len) : json_null();
    return json_pack("{s:s,s:n,s:o,s:n,s:n,s:b,s:b,s:b,s:o,s:o}", "type", "BPE", "dropout", "unk_token", name,
                     "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", (int)t->fuse_unknown,
                     "byte_fallback", (int)t->byte_fallback, "ignore_merges", (int)t->ignore_merges, "vocab",
                     compose_vocabulary(t, false), "merges", compose_merges(t));
}

static json_t *compose(const struct tokenizer *t)
{
    json_t *root =
        json_pack("{s:s,s:n,s:n,s:o}", "version", "1.0", "truncation", "padding", "added_tokens", compose_added(t));
    for (int i = 0; i < SECTIONS; i++) {
        json_t *section = t->sections[i] ? json_incref(t->sections[i]) : json_null();
        if (json_object_set_new(root, tokenizer_section_names[i], section) < 0)
            goto failed;
    }
    if (json_object_set_new(root, "model", compose_model(t)) == 0)
        return root;
failed:
    json_decref(root);
    return NULL;
}

/* Appends the text of a document and lets go of it; NULL is out of memory. */
static int dump(json_t *document, struct buf *out, struct err *err)
{
    char *text = document ? json_dumps(document, JSON_INDENT(2)) : NULL;
    json_decref(document);
    if (text)
        buf_text(out, text);
    buf_char(out, '\n');
    free(text);
    return text && !out->failed ? 0 : err_memory(err);
}

int tokenizer_compose(const struct tokenizer *t, struct buf *out, struct err *err)
{
    return dump(compose(t), out, err);
}

/* What transformers asks for besides: the class, and which tokens have a role. */
static json_t *compose_config(const struct tokenizer *t)
{
    struct str end = tokenizer_text(t, tokenizer_end(t));
    struct str begin = t->before_count > 0 ? tokenizer_text(t, t->before[0]) : end;
    json_t *config =
        json_pack("{s:s,s:b}", "tokenizer_class", "PreTrainedTokenizerFast", "clean_up_tokenization_spaces", 0);
    int failed = !config;
    if (end.ptr)
        failed |= json_object_set_new(config, "eos_token", json_stringn(end.ptr, end.len));
    if (begin.ptr)
        failed |= json_object_set_new(config, "bos_token", json_stringn(begin.ptr, begin.len));
    if (!failed)
        return config;
    json_decref(config);
    return NULL;
}

static void compose_merges_text(const struct tokenizer *t, struct buf *out)
{
    buf_text(out, "#version: 0.2\n");
    for (size_t rank = 0; rank < bpe_count(t->bpe); rank++) {
        int32_t left, right;
        bpe_pair(t->bpe, rank, &left, &right);
        struct str a = tokenizer_text(t, left), b = tokenizer_text(t, right);
        buf_printf(out, "%.*s %.*s\n", (int)a.len, a.ptr, (int)b.len, b.ptr);
    }
}

static int write_text(FILE *file, void *context, struct err *err)
{
    const struct buf *text = context;
    return fwrite(text->data, 1, text->length, file) == text->length ? 0 : err_errno(err, "cannot write");
}

static int write_whole(const char *folder, const char *name, struct buf *text, struct err *err)
{
    char path[PATH_MAX];
    return text->failed                        ? err_memory(err)
           : join(path, folder, name, err) < 0 ? -1
                                               : replace_file(path, write_text, text, err);
}

/* vocab.json and merges.txt say it all where the steps are those of GPT-2. */
static bool is_gpt2(const struct tokenizer *t)
{
    json_t *sections[SECTIONS];
    bool equal = tokenizer_gpt2_sections(sections) && t->rewrite_count == 0 &&
                 json_equal(sections[SECTION_PRE], t->sections[SECTION_PRE]);
    for (int i = 0; i < SECTIONS; i++)
        json_decref(sections[i]);
    return equal;
}

int tokenizer_save(const struct tokenizer *t, const char *folder, struct err *err)
{
    struct buf text = {0};
    int result = tokenizer_compose(t, &text, err) < 0 ? -1 : write_whole(folder, "tokenizer.json", &text, err);
    buf_clear(&text);
    if (result == 0)
        result =
            dump(compose_config(t), &text, err) < 0 ? -1 : write_whole(folder, "tokenizer_config.json", &text, err);
    buf_clear(&text);
    if (result == 0 && is_gpt2(t)) {
        result = dump(compose_vocabulary(t, true), &text, err) < 0 ? -1 : write_whole(folder, "vocab.json", &text, err);
        buf_clear(&text);
        compose_merges_text(t, &text);
        if (result == 0)
            result = write_whole(folder, "merges.txt", &text, err);
    }
    buf_free(&text);
    return result;
}
