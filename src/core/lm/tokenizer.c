/* The tokenizer's life, its look-ups, and decoding. */
#include "core/lm/tokenizer.h"

#include <string.h>

#include "base/mem.h"
#include "core/lm/tokenizer_parts.h"

const char *const tokenizer_section_names[SECTIONS] = {"normalizer", "pre_tokenizer", "post_processor", "decoder"};

void token_list_put(struct token_list *tokens, int32_t id)
{
    if (tokens->count == tokens->room && !tokens->failed) {
        size_t room = tokens->room ? 2 * tokens->room : 64;
        int32_t *ids = mem_resize(tokens->ids, room, sizeof *ids);
        tokens->failed = !ids;
        if (ids) {
            tokens->ids = ids;
            tokens->room = room;
        }
    }
    if (!tokens->failed)
        tokens->ids[tokens->count++] = id;
}

void token_list_free(struct token_list *tokens)
{
    mem_free(tokens->ids);
    *tokens = (struct token_list){0};
}

static void free_added(struct tokenizer_added_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        mem_free(set->items[i].pattern);
    mem_free(set->items);
}

void tokenizer_free(struct tokenizer *t)
{
    if (!t)
        return;
    for (int i = 0; i < TOKENIZER_STEPS; i++) {
        mem_free(t->rewrites[i].from);
        mem_free(t->rewrites[i].to);
        tokenizer_pattern_free(t->cuts[i].pattern);
        mem_free(t->cuts[i].replacement);
    }
    for (int i = 0; i < SECTIONS; i++)
        json_decref(t->sections[i]);
    free_added(&t->raw);
    free_added(&t->normalized);
    mem_free(t->marks);
    mem_free(t->decode_from);
    mem_free(t->decode_to);
    buf_free(&t->decoded);
    mem_free(t->decoded_at);
    bpe_free(t->bpe);
    bpe_vocabulary_free(t->vocabulary);
    mem_free(t);
}

size_t tokenizer_count(const struct tokenizer *t)
{
    return bpe_vocabulary_count(t->vocabulary);
}

int32_t tokenizer_find(const struct tokenizer *t, const char *text)
{
    return bpe_vocabulary_find(t->vocabulary, str_of(text));
}

struct str tokenizer_text(const struct tokenizer *t, int64_t id)
{
    return bpe_vocabulary_text(t->vocabulary, id);
}

bool tokenizer_is_special(const struct tokenizer *t, int64_t id)
{
    return id >= 0 && (uint64_t)id < tokenizer_count(t) && (t->marks[id] & MARK_SPECIAL);
}

int32_t tokenizer_end(const struct tokenizer *t)
{
    static const char *const names[] = {"<|endoftext|>", "</s>", "<|end_of_text|>"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (tokenizer_is_special(t, tokenizer_find(t, names[i])))
            return tokenizer_find(t, names[i]);
    return -1;
}

int tokenizer_decode(const struct tokenizer *t, const int32_t *ids, size_t count, unsigned flags, struct buf *out,
                     struct err *err)
{
    int strip = flags & TOKENIZER_CONTINUED ? 0 : t->strip;
    for (size_t i = 0; i < count; i++) {
        if (ids[i] < 0 || (size_t)ids[i] >= tokenizer_count(t))
            return err_set(err, ERR_INVALID_VALUE, "token %d is not in the vocabulary of %zu", ids[i],
                           tokenizer_count(t));
        if ((t->marks[ids[i]] & MARK_SPECIAL) && !(flags & TOKENIZER_SPECIALS))
            continue;
        const char *bytes = t->decoded.data + t->decoded_at[ids[i]];
        size_t length = t->decoded_at[ids[i] + 1] - t->decoded_at[ids[i]];
        for (; strip > 0 && length > 0 && *bytes == ' '; strip--, length--)
            bytes++;
        if (length > 0)
            strip = 0;
        buf_add(out, bytes, length);
    }
    return out->failed ? err_memory(err) : 0;
}
