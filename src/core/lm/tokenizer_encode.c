/* Encoding: added tokens are found first, what lies between is normalized, cut into pieces and merged. */
#include <string.h>

#include "core/lm/bpe_bytes.h"
#include "core/lm/tokenizer_parts.h"

/* One call of tokenizer_encode. */
struct encoding {
    const struct tokenizer *t;
    unsigned flags;
    bool valid; /* the text is UTF-8 throughout */
    struct token_list *out;
    struct err *err;
    struct tokenizer_matcher *matcher;
    struct bpe_scratch scratch;
    struct token_list piece;
    struct buf normal[2], spaced, spelled;
};

/* A text between two added tokens. */
struct fragment {
    struct str text;
    bool first; /* it begins the whole text */
};

static const struct tokenizer_added *match_at(const struct tokenizer_added_set *set, struct str text, size_t at,
                                              bool specials)
{
    unsigned char first = (unsigned char)text.ptr[at];
    for (uint32_t i = set->starts[first]; i < set->starts[first + 1]; i++) {
        const struct tokenizer_added *a = &set->items[i];
        if (a->length <= text.len - at && (specials || !a->special) &&
            memcmp(a->pattern, text.ptr + at, a->length) == 0)
            return a;
    }
    return NULL;
}

/* Calls `between` for what lies between the added tokens of `set`, and puts those in their places. */
static int part(struct encoding *e, const struct tokenizer_added_set *set, struct fragment whole,
                int (*between)(struct encoding *, struct fragment))
{
    size_t from = 0;
    for (size_t at = 0; set->count > 0 && at < whole.text.len;) {
        const struct tokenizer_added *a = match_at(set, whole.text, at, e->flags & TOKENIZER_SPECIALS);
        if (!a) {
            at++;
            continue;
        }
        struct str text = {whole.text.ptr + from, at - from};
        if (text.len > 0 && between(e, (struct fragment){text, whole.first && from == 0}) < 0)
            return -1;
        token_list_put(e->out, a->id);
        at += a->length;
        from = at;
    }
    struct str rest = {whole.text.ptr + from, whole.text.len - from};
    return rest.len > 0 ? between(e, (struct fragment){rest, whole.first && from == 0}) : 0;
}

static int put_unknown(struct encoding *e, struct str character)
{
    const struct tokenizer *t = e->t;
    if (t->unknown < 0)
        return err_set(e->err, ERR_INVALID_VALUE, "the vocabulary can not express \"%.*s\" (first byte 0x%02x)",
                       (int)character.len, str_is_utf8(character) ? character.ptr : "?", (unsigned char)*character.ptr);
    bool repeated = e->piece.count > 0 && e->piece.ids[e->piece.count - 1] == t->unknown;
    if (!(t->fuse_unknown && repeated))
        token_list_put(&e->piece, t->unknown);
    return 0;
}

static int put_bytes(struct encoding *e, struct str bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        if (e->t->byte_ids[(unsigned char)bytes.ptr[i]] < 0)
            return put_unknown(e, bytes);
    for (size_t i = 0; i < bytes.len; i++)
        token_list_put(&e->piece, e->t->byte_ids[(unsigned char)bytes.ptr[i]]);
    return 0;
}

/* The tokens of single characters or bytes, before merging. */
static int put_singles(struct encoding *e, struct str piece)
{
    size_t length;
    for (size_t i = 0; i < piece.len; i += length) {
        length = e->t->byte_level ? 0 : str_utf8_sequence(piece.ptr + i, piece.len - i);
        struct str single = {piece.ptr + i, length};
        int32_t id = length > 0 ? bpe_vocabulary_find(e->t->vocabulary, single) : -1;
        if (length == 0)
            single.len = length = 1;
        if (id >= 0)
            token_list_put(&e->piece, id);
        else if (put_bytes(e, single) < 0)
            return -1;
    }
    return 0;
}

/* The token that is the whole piece, for vocabularies that prefer it to what the merges give; -1 when there is none. */
static int32_t find_whole(struct encoding *e, struct str piece)
{
    if (!e->t->byte_level)
        return bpe_vocabulary_find(e->t->vocabulary, piece);
    buf_clear(&e->spelled);
    bpe_bytes_spell(&e->spelled, piece);
    if (e->spelled.failed)
        return -1;
    return bpe_vocabulary_find(e->t->vocabulary, (struct str){e->spelled.data, e->spelled.length});
}

static int encode_piece(struct encoding *e, struct str piece)
{
    int32_t whole = e->t->ignore_merges ? find_whole(e, piece) : -1;
    if (whole >= 0) {
        token_list_put(e->out, whole);
        return 0;
    }
    e->piece.count = 0;
    if (put_singles(e, piece) < 0)
        return -1;
    if (e->piece.failed || e->spelled.failed)
        return err_memory(e->err);
    size_t count = e->piece.count;
    if (bpe_apply(e->t->bpe, &e->scratch, e->piece.ids, &count, e->err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        token_list_put(e->out, e->piece.ids[i]);
    return 0;
}

static int cut(struct encoding *e, int step, struct str piece, bool first);

static int cut_by_pattern(struct encoding *e, int step, struct str text)
{
    size_t length;
    for (size_t at = 0; at < text.len; at += length) {
        if (tokenizer_pattern_next(e->t->cuts[step].pattern, e->matcher, text, at, &length, e->err) < 0)
            return -1;
        if (cut(e, step + 1, (struct str){text.ptr + at, length}, false) < 0)
            return -1;
    }
    return 0;
}

size_t tokenizer_run(struct str text, bool *ret_valid)
{
    size_t length = str_utf8_sequence(text.ptr, text.len), n;
    *ret_valid = length > 0;
    for (size_t i = length; i < text.len; i += n ? n : 1) {
        n = str_utf8_sequence(text.ptr + i, text.len - i);
        if ((n > 0) != *ret_valid && i > 0)
            return i;
    }
    return text.len;
}

/* Patterns see well-formed text only; other bytes are pieces of their own. */
static int cut_runs(struct encoding *e, int step, struct str text)
{
    size_t length;
    for (size_t at = 0; at < text.len; at += length) {
        struct str rest = {text.ptr + at, text.len - at};
        bool valid = true;
        length = e->valid ? text.len : tokenizer_run(rest, &valid);
        rest.len = length;
        if ((valid ? cut_by_pattern(e, step, rest) : cut(e, step + 1, rest, false)) < 0)
            return -1;
    }
    return 0;
}

static bool begins_with(struct str text, const char *with)
{
    size_t length = strlen(with);
    return text.len >= length && memcmp(text.ptr, with, length) == 0;
}

static int cut_metaspace(struct encoding *e, int step, struct str text, bool first)
{
    const struct tokenizer_cut *c = &e->t->cuts[step];
    bool continued = first && (e->flags & TOKENIZER_CONTINUED);
    bool prepend = (c->prepend == PREPEND_ALWAYS || (c->prepend == PREPEND_FIRST && first)) && !continued;
    buf_clear(&e->spaced);
    if (prepend && !begins_with(text, c->replacement) && *text.ptr != ' ')
        buf_text(&e->spaced, c->replacement);
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == ' ')
            buf_text(&e->spaced, c->replacement);
        else
            buf_char(&e->spaced, text.ptr[i]);
    if (e->spaced.failed)
        return err_memory(e->err);
    struct str left = {e->spaced.data, e->spaced.length};
    size_t mark = strlen(c->replacement), length;
    for (; left.len > 0; left = (struct str){left.ptr + length, left.len - length}) {
        size_t from = begins_with(left, c->replacement) ? mark : 0;
        const char *next = c->split ? memmem(left.ptr + from, left.len - from, c->replacement, mark) : NULL;
        length = next ? (size_t)(next - left.ptr) : left.len;
        if (cut(e, step + 1, (struct str){left.ptr, length}, false) < 0)
            return -1;
    }
    return 0;
}

static int cut(struct encoding *e, int step, struct str piece, bool first)
{
    if (step == e->t->cut_count)
        return encode_piece(e, piece);
    if (e->t->cuts[step].pattern)
        return cut_runs(e, step, piece);
    return cut_metaspace(e, step, piece, first);
}

static int encode_normal(struct encoding *e, struct fragment f)
{
    if (!e->t->prefix_space || *f.text.ptr == ' ' || (f.first && (e->flags & TOKENIZER_CONTINUED)))
        return cut(e, 0, f.text, f.first);
    buf_clear(&e->spaced);
    buf_char(&e->spaced, ' ');
    buf_add(&e->spaced, f.text.ptr, f.text.len);
    if (e->spaced.failed)
        return err_memory(e->err);
    return cut(e, 0, (struct str){e->spaced.data, e->spaced.length}, f.first);
}

static int encode_raw(struct encoding *e, struct fragment f)
{
    bool continued = f.first && (e->flags & TOKENIZER_CONTINUED);
    if (tokenizer_normalize(e->t, f.text, !continued, e->normal, &f.text, e->err) < 0)
        return -1;
    return part(e, &e->t->normalized, f, encode_normal);
}

int tokenizer_encode(const struct tokenizer *t, struct str text, unsigned flags, struct token_list *out,
                     struct err *err)
{
    struct encoding e = {.t = t, .flags = flags, .out = out, .err = err, .valid = str_is_utf8(text)};
    if (text.len > TOKENIZER_MAX_TEXT)
        return err_set(err, ERR_TOO_LARGE, "a text of %zu bytes is longer than %d", text.len, TOKENIZER_MAX_TEXT);
    e.matcher = tokenizer_matcher_new(err);
    int result = e.matcher ? 0 : -1;
    for (int i = 0; i < t->before_count && flags & TOKENIZER_FRAME; i++)
        token_list_put(out, t->before[i]);
    if (result == 0)
        result = part(&e, &t->raw, (struct fragment){text, true}, encode_raw);
    for (int i = 0; i < t->after_count && flags & TOKENIZER_FRAME; i++)
        token_list_put(out, t->after[i]);
    if (result == 0 && out->failed)
        result = err_memory(err);
    tokenizer_matcher_free(e.matcher);
    bpe_scratch_free(&e.scratch);
    token_list_free(&e.piece);
    buf_free(&e.normal[0]);
    buf_free(&e.normal[1]);
    buf_free(&e.spaced);
    buf_free(&e.spelled);
    return result;
}
