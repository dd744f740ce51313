#include "core/lm/bpe_train.h"

#include <string.h>

#include "base/mem.h"
#include "core/lm/bpe_bytes.h"
#include "core/lm/bpe_pairs.h"
#include "core/lm/tokenizer_parts.h"

static const char end_text[] = "<|endoftext|>";

/* A distinct piece of the texts. */
struct piece {
    size_t offset; /* into texts */
    uint32_t length;
    uint64_t count;
};

struct bpe_trainer {
    struct tokenizer_pattern *pattern;
    struct tokenizer_matcher *matcher;
    struct buf texts;
    struct piece *pieces;
    size_t count, room;
    uint32_t *slots; /* open addressing by text: index + 1, 0 when free; at most half are used */
    size_t mask;
};

enum { FIRST_SLOTS = 1 << 14 };

struct bpe_trainer *bpe_trainer_new(struct err *err)
{
    struct bpe_trainer *t = mem_zeroed(1, sizeof *t);
    if (!t) {
        err_memory(err);
        return NULL;
    }
    t->mask = FIRST_SLOTS - 1;
    t->slots = mem_zeroed(FIRST_SLOTS, sizeof *t->slots);
    t->pattern = t->slots ? tokenizer_pattern_new(str_of(tokenizer_pattern_gpt2), err) : NULL;
    t->matcher = t->pattern ? tokenizer_matcher_new(err) : NULL;
    if (t->matcher)
        return t;
    if (!t->slots)
        err_memory(err);
    bpe_trainer_free(t);
    return NULL;
}

void bpe_trainer_free(struct bpe_trainer *t)
{
    if (!t)
        return;
    tokenizer_pattern_free(t->pattern);
    tokenizer_matcher_free(t->matcher);
    buf_free(&t->texts);
    mem_free(t->pieces);
    mem_free(t->slots);
    mem_free(t);
}

static struct str text_of(const struct bpe_trainer *t, const struct piece *p)
{
    return (struct str){t->texts.data + p->offset, p->length};
}

static uint32_t *slot_of(const struct bpe_trainer *t, struct str text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < text.len; i++)
        h = (h ^ (unsigned char)text.ptr[i]) * 0x100000001b3u;
    size_t i = (h ^ h >> 29) & t->mask;
    while (t->slots[i] && !str_equal(text_of(t, &t->pieces[t->slots[i] - 1]), text))
        i = (i + 1) & t->mask;
    return &t->slots[i];
}

/* Room for one more piece in the list and the table. */
static int reserve(struct bpe_trainer *t, struct err *err)
{
    if (t->count == t->room) {
        size_t room = t->room ? 2 * t->room : FIRST_SLOTS / 2;
        struct piece *pieces = mem_resize(t->pieces, room, sizeof *pieces);
        if (!pieces)
            return err_memory(err);
        t->pieces = pieces;
        t->room = room;
    }
    if (2 * (t->count + 1) <= t->mask + 1)
        return 0;
    uint32_t *slots = mem_zeroed(2 * (t->mask + 1), sizeof *slots);
    if (!slots)
        return err_memory(err);
    mem_free(t->slots);
    t->slots = slots;
    t->mask = 2 * t->mask + 1;
    for (size_t i = 0; i < t->count; i++)
        *slot_of(t, text_of(t, &t->pieces[i])) = (uint32_t)i + 1;
    return 0;
}

static int count_piece(struct bpe_trainer *t, struct str text, struct err *err)
{
    uint32_t *slot = slot_of(t, text);
    if (*slot) {
        t->pieces[*slot - 1].count++;
        return 0;
    }
    if (text.len > INT32_MAX - t->texts.length)
        return err_set(err, ERR_TOO_LARGE, "the texts have more than 2^31 bytes of distinct pieces");
    if (reserve(t, err) < 0)
        return -1;
    slot = slot_of(t, text);
    t->pieces[t->count] = (struct piece){t->texts.length, (uint32_t)text.len, 1};
    buf_add(&t->texts, text.ptr, text.len);
    if (t->texts.failed)
        return err_memory(err);
    *slot = (uint32_t)++t->count;
    return 0;
}

int bpe_trainer_add(struct bpe_trainer *t, struct str text, struct err *err)
{
    size_t length;
    bool valid;
    for (size_t at = 0; at < text.len; at += length) {
        struct str run = {text.ptr + at, text.len - at};
        length = run.len = tokenizer_run(run, &valid);
        for (size_t from = 0, n = run.len; from < run.len; from += n) {
            if (valid && tokenizer_pattern_next(t->pattern, t->matcher, run, from, &n, err) < 0)
                return -1;
            if (count_piece(t, (struct str){run.ptr + from, n}, err) < 0)
                return -1;
        }
    }
    return 0;
}

/* The pieces as chains of tokens while they are merged. */
struct training {
    const struct bpe_trainer *trainer;
    int32_t *tokens;           /* of all pieces, one behind the other; -1: merged into the one before */
    uint32_t *next, *previous; /* NOWHERE at the ends of a piece */
    uint32_t *piece;           /* whose piece it is */
    size_t count;
    struct bpe_pairs pairs;
    uint32_t *positions; /* of the pair that is merged */
    size_t positions_room;
    struct bpe_vocabulary *vocabulary;
    json_t *ids, *merges; /* for the file */
    struct err *err;
};

#define NOWHERE UINT32_MAX

/* Puts the token of the next id into the vocabulary and the file. */
static int put_token(struct training *g, struct str text)
{
    int64_t id = (int64_t)bpe_vocabulary_count(g->vocabulary);
    if (bpe_vocabulary_put(g->vocabulary, id, text, g->err) < 0)
        return -1;
    if (json_object_setn_new_nocheck(g->ids, text.ptr, text.len, json_integer(id)) < 0)
        return err_memory(g->err);
    return 0;
}

/* The 256 bytes in the order of their characters, as in GPT-2. */
static int put_bytes(struct training *g, int32_t ids[256])
{
    for (unsigned c = 0; c < BPE_BYTE_CHARACTERS; c++) {
        int byte = bpe_bytes_byte(c);
        struct buf text = {0};
        unsigned char value = (unsigned char)byte;
        if (byte < 0)
            continue;
        ids[byte] = (int32_t)bpe_vocabulary_count(g->vocabulary);
        bpe_bytes_spell(&text, (struct str){(const char *)&value, 1});
        int result = text.failed ? err_memory(g->err) : put_token(g, (struct str){text.data, text.length});
        buf_free(&text);
        if (result < 0)
            return -1;
    }
    return 0;
}

static int lay_out(struct training *g)
{
    const struct bpe_trainer *t = g->trainer;
    int32_t ids[256];
    size_t n = t->texts.length + 1;
    g->tokens = mem_array(n, sizeof *g->tokens);
    g->next = mem_array(n, sizeof *g->next);
    g->previous = mem_array(n, sizeof *g->previous);
    g->piece = mem_array(n, sizeof *g->piece);
    if (!g->tokens || !g->next || !g->previous || !g->piece)
        return err_memory(g->err);
    if (put_bytes(g, ids) < 0)
        return -1;
    for (size_t i = 0; i < t->count; i++) {
        struct str text = text_of(t, &t->pieces[i]);
        for (size_t k = 0; k < text.len; k++) {
            uint32_t at = (uint32_t)g->count++;
            g->tokens[at] = ids[(unsigned char)text.ptr[k]];
            g->previous[at] = k > 0 ? at - 1 : NOWHERE;
            g->next[at] = k + 1 < text.len ? at + 1 : NOWHERE;
            g->piece[at] = (uint32_t)i;
        }
    }
    for (uint32_t at = 0; at < g->count; at++)
        if (g->next[at] != NOWHERE)
            bpe_pairs_add(&g->pairs, g->tokens[at], g->tokens[at + 1], t->pieces[g->piece[at]].count, at);
    bpe_pairs_raise(&g->pairs);
    return 0;
}

/* Replaces the pair at `at`, if it is still there, and corrects the counts around it. */
static void replace_at(struct training *g, uint32_t at, int32_t left, int32_t right, int32_t whole)
{
    if (g->tokens[at] != left || g->next[at] == NOWHERE || g->tokens[g->next[at]] != right)
        return;
    uint32_t before = g->previous[at], gone = g->next[at], after = g->next[gone];
    uint64_t weight = g->trainer->pieces[g->piece[at]].count;
    if (before != NOWHERE) {
        bpe_pairs_remove(&g->pairs, g->tokens[before], left, weight);
        bpe_pairs_add(&g->pairs, g->tokens[before], whole, weight, before);
    }
    if (after != NOWHERE) {
        bpe_pairs_remove(&g->pairs, right, g->tokens[after], weight);
        bpe_pairs_add(&g->pairs, whole, g->tokens[after], weight, at);
        g->previous[after] = at;
    }
    bpe_pairs_remove(&g->pairs, left, right, weight);
    g->tokens[at] = whole;
    g->tokens[gone] = -1;
    g->next[at] = after;
}

/* The id of the pair's text, which becomes a token unless another merge made the same; also notes the merge. */
static int name_merge(struct training *g, int32_t left, int32_t right, int32_t *ret)
{
    struct str a = bpe_vocabulary_text(g->vocabulary, left), b = bpe_vocabulary_text(g->vocabulary, right);
    struct buf text = {0};
    buf_add(&text, a.ptr, a.len);
    buf_char(&text, ' ');
    buf_add(&text, b.ptr, b.len);
    int result = text.failed || json_array_append_new(g->merges, json_stringn(text.data, text.length)) < 0
                     ? err_memory(g->err)
                     : 0;
    if (result == 0) {
        memmove(text.data + a.len, text.data + a.len + 1, b.len);
        struct str whole = {text.data, text.length - 1};
        *ret = bpe_vocabulary_find(g->vocabulary, whole);
        if (*ret < 0) {
            *ret = (int32_t)bpe_vocabulary_count(g->vocabulary);
            result = put_token(g, whole);
        }
    }
    buf_free(&text);
    return result;
}

static int merge(struct training *g, const struct bpe_pair *best)
{
    int32_t left = best->left, right = best->right, whole = -1;
    size_t n = bpe_pairs_occurrences(&g->pairs, best);
    if (n > g->positions_room) {
        mem_free(g->positions);
        g->positions_room = 2 * n;
        g->positions = mem_array(g->positions_room, sizeof *g->positions);
        if (!g->positions)
            return err_memory(g->err);
    }
    bpe_pairs_positions(&g->pairs, best, g->positions);
    if (name_merge(g, left, right, &whole) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        replace_at(g, g->positions[i], left, right, whole);
    bpe_pairs_raise(&g->pairs);
    return g->pairs.failed ? err_memory(g->err) : 0;
}

/* Bytes of a token: characters of its text. */
static size_t bytes_of(const struct training *g, int32_t id)
{
    struct str text = bpe_vocabulary_text(g->vocabulary, id);
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return n;
}

static int train(struct training *g, int vocabulary)
{
    if (lay_out(g) < 0)
        return -1;
    while (bpe_vocabulary_count(g->vocabulary) < (size_t)vocabulary - 1) {
        const struct bpe_pair *best = bpe_pairs_take(&g->pairs);
        if (!best)
            break;
        if (bytes_of(g, best->left) + bytes_of(g, best->right) > BPE_TRAIN_LONGEST)
            continue;
        if (merge(g, best) < 0)
            return -1;
    }
    return g->pairs.failed ? err_memory(g->err) : put_token(g, str_of(end_text));
}

static struct tokenizer *build(const struct training *g)
{
    json_t *sections[SECTIONS] = {NULL};
    struct tokenizer *t = NULL;
    json_t *model = json_pack("{s:s,s:O,s:O}", "type", "BPE", "vocab", g->ids, "merges", g->merges);
    json_t *added =
        json_pack("[{s:O,s:s,s:b}]", "id", json_object_get(g->ids, end_text), "content", end_text, "special", 1);
    if (model && added && tokenizer_gpt2_sections(sections))
        t = tokenizer_build(model, added, sections, g->err);
    else
        err_memory(g->err);
    for (int i = 0; i < SECTIONS; i++)
        json_decref(sections[i]);
    json_decref(model);
    json_decref(added);
    return t;
}

struct tokenizer *bpe_trainer_finish(const struct bpe_trainer *t, int vocabulary, struct err *err)
{
    struct training g = {.trainer = t, .err = err, .ids = json_object(), .merges = json_array()};
    struct tokenizer *made = NULL;
    if (vocabulary < BPE_TRAIN_LEAST || vocabulary > BPE_MAX_TOKENS)
        err_set(err, ERR_INVALID_VALUE, "a vocabulary of %d tokens is not between %d and %d", vocabulary,
                BPE_TRAIN_LEAST, BPE_MAX_TOKENS);
    else if (!g.ids || !g.merges)
        err_memory(err);
    else if ((g.vocabulary = bpe_vocabulary_new((size_t)vocabulary, err)) && train(&g, vocabulary) == 0)
        made = build(&g);
    bpe_vocabulary_free(g.vocabulary);
    bpe_pairs_free(&g.pairs);
    mem_free(g.tokens);
    mem_free(g.next);
    mem_free(g.previous);
    mem_free(g.piece);
    mem_free(g.positions);
    json_decref(g.ids);
    json_decref(g.merges);
    return made;
}
