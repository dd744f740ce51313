/* Training a byte-level BPE: what is learnt is what a naive trainer learns, whatever the order of the texts; round
 * trips; a larger vocabulary never needs more tokens. */
#include "unit/test.h"

#include <stdlib.h>

#include "core/lm/bpe_train.h"
#include "core/tokenizer_support.h"

static const char *const proverbs[] = {
    "The early bird catches the worm, but the second mouse gets the cheese.",
    "A stitch in time saves nine; the third stitch saves the thread.",
    "aaaaaaaa aaaa aaaaaaaaaaaaaaa  ababab bababa",
    "Über allen Gipfeln ist Ruh — in allen Wipfeln spürest du kaum einen Hauch.",
    "bytes \xff\xfe that are \xe6\xbc no text",
    "",
};
enum { PROVERBS = sizeof proverbs / sizeof *proverbs };

static struct tokenizer *trained(const int *order, int count, int vocabulary)
{
    struct err err = {0};
    struct bpe_trainer *trainer = bpe_trainer_new(&err);
    for (int i = 0; i < count; i++)
        for (int times = 0; times < 3 + order[i]; times++)
            assert_int_equal(bpe_trainer_add(trainer, str_of(proverbs[order[i]]), &err), 0);
    struct tokenizer *t = bpe_trainer_finish(trainer, vocabulary, &err);
    if (!t)
        fail_msg("%s", err.message);
    bpe_trainer_free(trainer);
    return t;
}

static char *composed(const struct tokenizer *t)
{
    struct buf out = {0};
    struct err err = {0};
    assert_int_equal(tokenizer_compose(t, &out, &err), 0);
    return buf_take(&out, NULL);
}

/* One word of tokens, and how often it occurs. */
struct word {
    int tokens[64];
    int count, weight;
};

/* The naive trainer on words of letters: counts all pairs anew before each merge. Appends "left right whole" ids. */
static int train_naively(struct word *words, int n, int merges, int made[][2])
{
    for (int m = 0; m < merges; m++) {
        long best = 1;
        int left = -1, right = -1;
        for (int a = 0; a < 256 + m; a++)
            for (int b = 0; b < 256 + m; b++) {
                long count = 0;
                for (int w = 0; w < n; w++)
                    for (int i = 0; i + 1 < words[w].count; i++)
                        count += words[w].tokens[i] == a && words[w].tokens[i + 1] == b ? words[w].weight : 0;
                if (count > best) {
                    best = count;
                    left = a;
                    right = b;
                }
            }
        if (left < 0)
            return m;
        made[m][0] = left;
        made[m][1] = right;
        for (int w = 0; w < n; w++) {
            int kept = 0;
            for (int i = 0; i < words[w].count; i++) {
                bool here = i + 1 < words[w].count && words[w].tokens[i] == left && words[w].tokens[i + 1] == right;
                words[w].tokens[kept++] = here ? 256 + m : words[w].tokens[i];
                i += here;
            }
            words[w].count = kept;
        }
    }
    return merges;
}

/* Words of a and b, so that overlapping pairs and ties abound; no two merges make the same text here. */
static void learns_what_the_naive_trainer_learns(void **state)
{
    (void)state;
    enum { WORDS = 6, MERGES = 5 };
    struct rng r;
    rng_init(&r, 5, 0);
    for (int trial = 0; trial < 25; trial++) {
        struct err err = {0};
        struct bpe_trainer *trainer = bpe_trainer_new(&err);
        struct word words[WORDS];
        int made[MERGES][2];
        for (int w = 0; w < WORDS; w++) {
            char text[64];
            words[w].count = 1 + w * 5 + (int)rng_below(&r, 5); /* lengths differ, so words do */
            words[w].weight = 1 + (int)rng_below(&r, 4);
            for (int i = 0; i < words[w].count; i++) {
                text[i] = "abc"[rng_below(&r, 3)];
                words[w].tokens[i] = text[i] - '!'; /* the id of a visible byte */
            }
            for (int i = 0; i < words[w].weight; i++)
                assert_int_equal(bpe_trainer_add(trainer, (struct str){text, (size_t)words[w].count}, &err), 0);
        }
        int count = train_naively(words, WORDS, MERGES, made);
        struct tokenizer *t = bpe_trainer_finish(trainer, BPE_TRAIN_LEAST + count, &err);
        assert_int_equal(tokenizer_count(t), BPE_TRAIN_LEAST + count);
        for (int m = 0; m < count; m++) {
            char want[128];
            struct str a = tokenizer_text(t, made[m][0]), b = tokenizer_text(t, made[m][1]);
            snprintf(want, sizeof want, "%.*s%.*s", (int)a.len, a.ptr, (int)b.len, b.ptr);
            assert_int_equal(tokenizer_find(t, want), 256 + m);
        }
        tokenizer_free(t);
        bpe_trainer_free(trainer);
    }
}

static void does_not_depend_on_the_order_of_texts(void **state)
{
    (void)state;
    const int one[] = {0, 1, 2, 3, 4, 5}, other[] = {5, 3, 0, 4, 2, 1};
    struct tokenizer *a = trained(one, PROVERBS, 330), *b = trained(other, PROVERBS, 330);
    char *x = composed(a), *y = composed(b);
    assert_int_equal(tokenizer_count(a), 330);
    assert_int_equal(tokenizer_end(a), 329);
    assert_string_equal(x, y);
    mem_free(x);
    mem_free(y);
    tokenizer_free(a);
    tokenizer_free(b);
}

static void compresses_more_with_more_tokens(void **state)
{
    (void)state;
    const int all[] = {0, 1, 2, 3, 4, 5};
    size_t before = SIZE_MAX;
    for (int vocabulary = BPE_TRAIN_LEAST; vocabulary <= 400; vocabulary += 13) {
        struct tokenizer *t = trained(all, PROVERBS, vocabulary);
        size_t total = 0;
        for (int i = 0; i < PROVERBS; i++) {
            struct token_list ids = encoded(t, str_of(proverbs[i]), 0);
            assert_decodes(t, &ids, 0, str_of(proverbs[i]));
            total += ids.count;
            token_list_free(&ids);
        }
        assert_true(total <= before);
        before = total;
        tokenizer_free(t);
    }
    size_t bytes = 0;
    for (int i = 0; i < PROVERBS; i++)
        bytes += strlen(proverbs[i]);
    assert_true(before < bytes / 2);
}

static void returns_what_it_never_saw(void **state)
{
    (void)state;
    const int all[] = {0, 1, 2, 3, 4, 5};
    struct tokenizer *t = trained(all, PROVERBS, 350);
    char text[4 * 200];
    struct rng r;
    rng_init(&r, 7, 0);
    for (int trial = 0; trial < 500; trial++)
        assert_round_trip(t, random_text(&r, text, rng_below(&r, 200), trial % 2), 0);
    tokenizer_free(t);
}

/* Long runs of one letter: the counts stay right, no token is too long, nothing is quadratic. */
static void trains_on_one_long_piece(void **state)
{
    (void)state;
    enum { LONG = 1 << 20 };
    struct err err = {0};
    char *text = mem_alloc(LONG);
    memset(text, 'a', LONG);
    struct bpe_trainer *trainer = bpe_trainer_new(&err);
    assert_int_equal(bpe_trainer_add(trainer, (struct str){text, LONG}, &err), 0);
    struct tokenizer *t = bpe_trainer_finish(trainer, 1000, &err);
    assert_non_null(t);
    for (size_t id = 0; id + 1 < tokenizer_count(t); id++)
        assert_true(tokenizer_text(t, (int64_t)id).len <= BPE_TRAIN_LONGEST);
    struct token_list ids = encoded(t, (struct str){text, LONG}, 0);
    assert_int_equal(ids.count, LONG / BPE_TRAIN_LONGEST);
    token_list_free(&ids);
    tokenizer_free(t);
    bpe_trainer_free(trainer);
    mem_free(text);
}

static void refuses_impossible_sizes(void **state)
{
    (void)state;
    struct err err = {0};
    struct bpe_trainer *trainer = bpe_trainer_new(&err);
    assert_null(bpe_trainer_finish(trainer, BPE_TRAIN_LEAST - 1, &err));
    assert_int_equal(err.code, ERR_INVALID_VALUE);
    struct tokenizer *t = bpe_trainer_finish(trainer, 5000, &err); /* nothing to learn from */
    assert_int_equal(tokenizer_count(t), BPE_TRAIN_LEAST);
    tokenizer_free(t);
    bpe_trainer_free(trainer);
}

static void survives_failed_allocations(void **state)
{
    (void)state;
    bool done = false;
    for (long n = 1; !done; n++) {
        struct err err = {0};
        mem_fail_nth(n);
        struct bpe_trainer *trainer = bpe_trainer_new(&err);
        struct tokenizer *t = NULL;
        if (trainer && bpe_trainer_add(trainer, str_of(proverbs[2]), &err) == 0)
            t = bpe_trainer_finish(trainer, 270, &err);
        mem_fail_nth(0);
        done = t != NULL;
        assert_true(done || err.code == ERR_NO_MEMORY);
        tokenizer_free(t);
        bpe_trainer_free(trainer);
        assert_true(n < 10000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learns_what_the_naive_trainer_learns),
        cmocka_unit_test(does_not_depend_on_the_order_of_texts),
        cmocka_unit_test(compresses_more_with_more_tokens),
        cmocka_unit_test(returns_what_it_never_saw),
        cmocka_unit_test(trains_on_one_long_piece),
        cmocka_unit_test(refuses_impossible_sizes),
        cmocka_unit_test(survives_failed_allocations),
    };
    return cmocka_run_group_tests_name("tokenizer_train", tests, NULL, NULL);
}
