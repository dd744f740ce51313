/* trigram: the baseline that a language model has to beat: interpolated Kneser-Ney over the same tokens.
 *
 * usage: build/release/bench/trigram FILE DIR [HELD_OUT [LONGEST [SEED]]]
 * FILE is what `egalign train sft --data FILE --out DIR` read, DIR has its tokenizer and template, and the rest are its
 * --held-out (.02), --longest (512) and --seed (1): the same examples are held out, and the same tokens predicted.
 * Prints the perplexity of the model's own task (response tokens, the prompt is read) for counts over responses only,
 * and over prompts and responses.
 *
 * Kneser and Ney 1995, interpolated (Chen and Goodman 1999, eq. 25), one discount n1 / (n1 + 2 n2) an order:
 *   P(c|ab) = (n(abc) - D3)+ / n(ab) + D3 N(ab*) / n(ab) P(c|b), and below by numbers of distinct contexts:
 *   P(c|b) = (N(*bc) - D2)+ / N(*b*) + D2 N(b*) / N(*b*) P(c),   P(c) = (N(*c) - D1)+ / N(**) + D1 N(*) / N(**) / V. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "formats/examples.h"
#include "core/align/sft_data.h"

enum { BITS = 21, ORDERS = 3 }; /* of a token in a key */

static const uint64_t one_token = ((uint64_t)1 << BITS) - 1;

/* The distinct n-grams of an order, ascending, each with its count (of the highest order), or with the number of
 * distinct tokens that stand before it. The last token is in the lowest bits. */
struct ngrams {
    uint64_t *keys;
    double *counts;
    size_t distinct;
    double discount;
};

struct trigram {
    struct ngrams order[ORDERS]; /* unigrams, bigrams, trigrams */
    double vocabulary;
};

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Takes over `keys`, sorts and counts them. */
static int count_take(uint64_t *keys, size_t n, struct ngrams *ret, struct err *err)
{
    double once = 0, twice = 0;
    *ret = (struct ngrams){.keys = keys, .counts = mem_array(n + 1, sizeof *ret->counts)};
    if (!ret->counts)
        return err_memory(err);
    qsort(keys, n, sizeof *keys, compare_keys);
    for (size_t i = 0; i < n; i++) {
        if (ret->distinct == 0 || keys[ret->distinct - 1] != keys[i]) {
            keys[ret->distinct] = keys[i];
            ret->counts[ret->distinct++] = 0;
        }
        ret->counts[ret->distinct - 1]++;
    }
    for (size_t i = 0; i < ret->distinct; i++) {
        once += ret->counts[i] == 1;
        twice += ret->counts[i] == 2;
    }
    ret->discount = once > 0 ? once / (once + 2 * twice) : 0.5;
    return 0;
}

/* The n-grams one shorter, counted by how many distinct tokens stand before them. */
static int shorten(const struct ngrams *longer, int length, struct ngrams *ret, struct err *err)
{
    uint64_t *keys = mem_array(longer->distinct + 1, sizeof *keys);
    uint64_t mask = ((uint64_t)1 << (BITS * length)) - 1;
    if (!keys)
        return err_memory(err);
    for (size_t i = 0; i < longer->distinct; i++)
        keys[i] = longer->keys[i] & mask;
    return count_take(keys, longer->distinct, ret, err);
}

/* The key of the n-gram of `length` tokens that ends at `last`. */
static uint64_t key_of(const int32_t *last, int length)
{
    uint64_t key = 0;
    for (int i = length - 1; i >= 0; i--)
        key = key << BITS | (uint64_t)last[-i];
    return key;
}

static int count_trigrams(const struct sft_data *d, bool prompts, struct ngrams *ret, struct err *err)
{
    uint64_t *keys = mem_array(d->tokens.count + 1, sizeof *keys);
    size_t n = 0;
    if (!keys)
        return err_memory(err);
    for (size_t e = 0; e < d->count; e++) {
        const struct sft_example *x = &d->examples[e];
        int first = prompts || x->prompt < 2 ? 2 : x->prompt;
        for (int i = first; i < x->length && !x->held_out; i++)
            keys[n++] = key_of(d->tokens.ids + x->offset + i, ORDERS);
    }
    return count_take(keys, n, ret, err);
}

static size_t position(const struct ngrams *g, uint64_t key)
{
    size_t low = 0, high = g->distinct;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (g->keys[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* P(last token | the `length` - 1 before it). */
static double probability(const struct trigram *t, const int32_t *last, int length)
{
    if (length == 0)
        return 1 / t->vocabulary;
    const struct ngrams *g = &t->order[length - 1];
    uint64_t key = key_of(last, length), context = key & ~one_token;
    double seen = 0, all = 0, kinds = 0, shorter = probability(t, last, length - 1);
    for (size_t i = position(g, context); i < g->distinct && (g->keys[i] & ~one_token) == context; i++) {
        seen = g->keys[i] == key ? g->counts[i] : seen;
        all += g->counts[i];
        kinds++;
    }
    if (all == 0)
        return shorter;
    return (fmax(seen - g->discount, 0) + g->discount * kinds * shorter) / all;
}

static double perplexity(const struct trigram *t, const struct sft_data *d, long *ret_predictions)
{
    double sum = 0;
    *ret_predictions = 0;
    for (size_t e = 0; e < d->count; e++) {
        const struct sft_example *x = &d->examples[e];
        for (int i = x->prompt; i < x->length && x->held_out; i++) {
            sum -= log(probability(t, d->tokens.ids + x->offset + i, i < 2 ? i + 1 : ORDERS));
            ++*ret_predictions;
        }
    }
    return *ret_predictions ? exp(sum / (double)*ret_predictions) : NAN;
}

static int measure(const struct sft_data *d, size_t vocabulary, bool prompts, struct err *err)
{
    struct trigram t = {.vocabulary = (double)vocabulary};
    int result = count_trigrams(d, prompts, &t.order[2], err);
    for (int length = 2; length >= 1 && result == 0; length--)
        result = shorten(&t.order[length], length, &t.order[length - 1], err);
    if (result == 0) {
        long n;
        double x = perplexity(&t, d, &n);
        printf("interpolated Kneser-Ney, trained on %-22s perplexity %.2f over %ld tokens (%zu trigrams)\n",
               prompts ? "prompts and responses:" : "responses:", x, n, t.order[2].distinct);
    }
    for (int i = 0; i < ORDERS; i++) {
        mem_free(t.order[i].keys);
        mem_free(t.order[i].counts);
    }
    return result;
}

struct reading {
    struct sft_data data;
    struct dialogue dialogue;
};

static int take_example(void *context, const struct example *e, struct err *err)
{
    struct reading *r = context;
    return sft_data_add(&r->data, &r->dialogue, e->prompt, e->text, err);
}

int main(int argc, char **argv)
{
    struct err err = {0};
    struct reading r = {0};
    if (argc < 3) {
        fprintf(stderr, "usage: %s FILE DIR [HELD_OUT [LONGEST [SEED]]]\n", argv[0]);
        return 2;
    }
    r.data.held_out = argc > 3 ? atof(argv[3]) : 0.02;
    r.data.longest = argc > 4 ? atoi(argv[4]) : 512;
    r.data.seed = argc > 5 ? (uint64_t)atoll(argv[5]) : 1;
    struct tokenizer *tokenizer = tokenizer_load(argv[2], &err);
    int result = tokenizer ? dialogue_load(tokenizer, argv[2], -1, &r.dialogue, &err) : -1;
    result = result == 0 ? examples_read(argv[1], take_example, &r, &err) : -1;
    for (int prompts = 0; prompts < 2 && result == 0; prompts++)
        result = measure(&r.data, tokenizer_count(tokenizer), prompts == 1, &err);
    if (result < 0)
        fprintf(stderr, "%s\n", err.message);
    dialogue_free(&r.dialogue);
    sft_data_free(&r.data);
    tokenizer_free(tokenizer);
    return result < 0;
}
