#include "core/align/sft_data.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

static int append(struct sft_data *d, struct sft_example e, struct err *err)
{
    if (d->count == d->room) {
        size_t room = d->room ? 2 * d->room : 1024;
        struct sft_example *examples = mem_resize(d->examples, room, sizeof *examples);
        if (!examples)
            return err_memory(err);
        d->examples = examples;
        d->room = room;
    }
    d->examples[d->count++] = e;
    return 0;
}

/* A text of `length` tokens from `offset` on, in pieces of which each begins with the last token of the one before. */
static int append_text(struct sft_data *d, size_t offset, size_t length, bool held_out, struct err *err)
{
    d->cut += length > (size_t)d->longest;
    while (length >= 2) {
        size_t n = length < (size_t)d->longest ? length : (size_t)d->longest;
        if (append(d, (struct sft_example){offset, (int)n, 1, held_out}, err) < 0)
            return -1;
        offset += n - 1;
        length -= n - 1;
    }
    return 0;
}

/* By the prompt, so that all answers to one are on the same side: an answer is easily told from its siblings. */
static bool is_held_out(const struct sft_data *d, struct str key)
{
    uint8_t digest[SHA256_SIZE];
    uint64_t stream;
    struct rng rng;
    sha256(key.ptr, key.len, digest);
    memcpy(&stream, digest, sizeof stream);
    rng_init(&rng, d->seed, stream);
    return rng_uniform(&rng) < d->held_out;
}

int sft_data_add(struct sft_data *d, const struct dialogue *dialogue, struct str prompt, struct str text,
                 struct err *err)
{
    size_t offset = d->tokens.count, read;
    bool held_out = is_held_out(d, prompt.ptr ? prompt : text);
    d->lines++;
    if (!prompt.ptr) {
        if (dialogue_text(dialogue, text, &d->tokens, err) < 0)
            return -1;
        return append_text(d, offset, d->tokens.count - offset, held_out, err);
    }
    if (dialogue_prompt(dialogue, prompt, &d->tokens, err) < 0)
        return -1;
    read = d->tokens.count - offset;
    if (read < 1 || read >= (size_t)d->longest) {
        d->tokens.count = offset;
        d->passed_over++;
        return 0;
    }
    if (dialogue_response(dialogue, text, &d->tokens, err) < 0)
        return -1;
    size_t length = d->tokens.count - offset;
    if (length == read) { /* an empty response without an end token */
        d->tokens.count = offset;
        d->passed_over++;
        return 0;
    }
    d->cut += length > (size_t)d->longest;
    length = length < (size_t)d->longest ? length : (size_t)d->longest;
    d->tokens.count = offset + length;
    return append(d, (struct sft_example){offset, (int)length, (int)read, held_out}, err);
}

void sft_data_free(struct sft_data *d)
{
    token_list_free(&d->tokens);
    mem_free(d->examples);
    *d = (struct sft_data){0};
}

void sft_data_digest(const struct sft_data *d, uint8_t ret[SHA256_SIZE])
{
    struct sha256 s;
    sha256_init(&s);
    for (size_t i = 0; i < d->count; i++) {
        const struct sft_example *e = &d->examples[i];
        int32_t head[3] = {e->length, e->prompt, e->held_out};
        sha256_update(&s, head, sizeof head);
        sha256_update(&s, d->tokens.ids + e->offset, (size_t)e->length * sizeof *d->tokens.ids);
    }
    sha256_final(&s, ret);
}

int sft_batch_make(int room, struct sft_batch *ret, struct err *err)
{
    size_t n = (size_t)room;
    *ret = (struct sft_batch){.room = room,
                              .starts = mem_array(n + 1, sizeof *ret->starts),
                              .tokens = mem_array(n, sizeof *ret->tokens),
                              .rows = mem_array(n, sizeof *ret->rows),
                              .targets = mem_array(n, sizeof *ret->targets)};
    if (!ret->starts || !ret->tokens || !ret->rows || !ret->targets) {
        sft_batch_free(ret);
        return err_memory(err);
    }
    sft_batch_clear(ret);
    return 0;
}

void sft_batch_free(struct sft_batch *b)
{
    mem_free(b->starts);
    mem_free(b->tokens);
    mem_free(b->rows);
    mem_free(b->targets);
    *b = (struct sft_batch){0};
}

void sft_batch_clear(struct sft_batch *b)
{
    b->sequences = b->predictions = 0;
    b->starts[0] = 0;
}

bool sft_batch_add(struct sft_batch *b, const struct sft_data *d, const struct sft_example *e)
{
    int start = b->starts[b->sequences], length = e->length - 1;
    const int32_t *ids = d->tokens.ids + e->offset;
    if (!sft_batch_fits(b->room, start, e->length))
        return false;
    memcpy(b->tokens + start, ids, (size_t)length * sizeof *ids);
    for (int i = e->prompt; i < e->length; i++) {
        b->rows[b->predictions] = start + i - 1;
        b->targets[b->predictions++] = ids[i];
    }
    b->starts[++b->sequences] = start + length;
    return true;
}

struct lm_batch sft_batch_view(const struct sft_batch *b)
{
    return (struct lm_batch){.sequences = b->sequences,
                             .starts = b->starts,
                             .tokens = b->tokens,
                             .wanted = b->predictions > 0 ? b->rows : NULL,
                             .wanted_count = b->predictions};
}
