/* Transformer reward models inside EM: opposite tastes are told apart and each is predicted where one model for all is at
 * a loss; interrupted runs go on to the same bits. */
#include "unit/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "core/align/reward_em.h"
#include "core/align/reward_scorer.h"
#include "core/align/snapshot.h"
#include "core/blas.h"
#include "core/model_support.h"
#include "core/tokenizer_support.h"

enum { ITEMS = 30, PEOPLE = 12, EACH = 12, COMPARISONS = PEOPLE * EACH, GROUPS = 2 };
static struct err err;

struct fixture {
    struct tokenizer *tokenizer;
    struct dialogue dialogue;
    struct lm_model *base;
    struct reward_data data;
    struct reward_em_comparison comparison[COMPARISONS];
};

/* Of each item one response has "x" in it. Two thirds of the people prefer it, the rest the other one; who is who does not
 * follow the numbers, as the round-robin start does. */
static bool likes_x(int annotator)
{
    return annotator / 2 % 3 != 0;
}

static void make(struct fixture *f)
{
    struct rng r;
    *f = (struct fixture){.tokenizer = byte_level("a b / ab ab / Ġ c"), .data = {.longest = 16, .heads = 1}};
    assert_int_equal(dialogue_make(f->tokenizer, DIALOGUE_TEMPLATE, -1, &f->dialogue, &err), 0);
    f->base = tiny_gpt2((int)tokenizer_count(f->tokenizer), 16, 1, 32, -1, 3);
    rng_init(&r, 9, 0);
    for (int i = 0; i < ITEMS; i++) {
        char with[16] = "", without[16] = "";
        for (int j = (int)rng_below(&r, 3); j >= 0; j--) {
            strcat(with, j == 0 ? "x" : "a");
            strcat(without, rng_below(&r, 2) ? "b" : " c");
        }
        assert_int_equal(reward_data_add(&f->data, &f->dialogue, str_of("c"), str_of(with), &err), 2 * i);
        assert_int_equal(reward_data_add(&f->data, &f->dialogue, str_of("c"), str_of(without), &err), 2 * i + 1);
    }
    for (int n = 0; n < COMPARISONS; n++) {
        int h = n / EACH, item = (int)rng_below(&r, ITEMS);
        f->comparison[n] = (struct reward_em_comparison){h, 2 * item, 2 * item + 1, likes_x(h), item % 5 == 0};
    }
}

static void clear(struct fixture *f)
{
    reward_data_free(&f->data);
    lm_model_free(f->base);
    dialogue_free(&f->dialogue);
    tokenizer_free(f->tokenizer);
}

static struct reward_em *open_em(const struct fixture *f, enum assignment assignment, const double *start)
{
    struct reward_em_options o = {.train = reward_options_default((struct gemm){gemm_backend(NULL, &err), NULL}),
                                  .groups = GROUPS, .assignment = assignment};
    struct reward_em_input in = {f->base, &f->data, PEOPLE, COMPARISONS, f->comparison, start};
    struct reward_em *e = NULL;
    o.train.batch_tokens = 256;
    o.train.rate = 3e-3;
    o.train.epochs = 3;
    if (reward_em_new(&in, &o, &e, &err) < 0)
        fail_msg("%s", err.message);
    return e;
}

static void tastes_are_told_apart(void **state)
{
    (void)state;
    struct fixture f;
    make(&f);
    for (int hard = 0; hard < 2; hard++) {
        struct reward_em *e = open_em(&f, hard ? ASSIGNMENT_HARD : ASSIGNMENT_SOFT, NULL);
        struct reward_accuracy group[GROUPS], single[GROUPS];
        double moved = 1;
        while (reward_em_iterations(e) < 8 && moved > 0.001)
            assert_int_equal(reward_em_advance(e, &moved, &err), 0);
        const double *q = reward_em_posteriors(e);
        int x = q[2 * GROUPS] > 0.5 ? 0 : 1; /* annotator 2 likes x */
        for (int h = 0; h < PEOPLE; h++)
            assert_true(fabs(q[h * GROUPS + x] - likes_x(h)) < 0.05);
        reward_em_held_out(e, group, single);
        assert_true(group[0].right.value > 0.95 && group[1].right.value > 0.95);
        assert_true(single[x].right.value > 0.9 && single[1 - x].right.value < 0.1);
        assert_true(group[1 - x].right.n > 3);
        reward_em_free(e);
    }
    clear(&f);
}

static void resumes_to_the_same_bits(void **state)
{
    (void)state;
    struct fixture f;
    char out[] = "/tmp/egalign-em-XXXXXX";
    double moved, start[PEOPLE * GROUPS];
    make(&f);
    assert_non_null(mkdtemp(out));
    for (int i = 0; i < PEOPLE * GROUPS; i++)
        start[i] = i % 2 == 0 ? 0.3 + 0.03 * (i / 2) : 1 - start[i - 1];
    struct reward_em *a = open_em(&f, ASSIGNMENT_SOFT, start), *b = open_em(&f, ASSIGNMENT_SOFT, start);
    assert_int_equal(reward_em_resume(b, out, &err), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(reward_em_advance(a, &moved, &err), 0);
    assert_int_equal(reward_em_advance(b, &moved, &err), 0);
    assert_int_equal(reward_em_save(b, out, &err), 0);
    assert_int_equal(reward_em_advance(b, &moved, &err), 0); /* lost */
    reward_em_free(b);
    b = open_em(&f, ASSIGNMENT_SOFT, start);
    assert_int_equal(reward_em_resume(b, out, &err), 1);
    assert_int_equal(reward_em_iterations(b), 1);
    for (int i = 0; i < 2; i++)
        assert_int_equal(reward_em_advance(b, &moved, &err), 0);
    assert_memory_equal(reward_em_posteriors(a), reward_em_posteriors(b), PEOPLE * GROUPS * sizeof(double));
    for (int u = 0; u <= GROUPS; u++)
        assert_memory_equal(reward_em_model(a, u)->weights, reward_em_model(b, u)->weights,
                            reward_em_model(a, u)->layout.count * sizeof(float));
    reward_em_free(b);
    b = open_em(&f, ASSIGNMENT_HARD, start); /* another course */
    assert_int_equal(reward_em_resume(b, out, &err), -1);
    assert_int_equal(err.code, ERR_CONFLICT);
    reward_em_free(b);
    reward_em_free(a);
    assert_int_equal(snapshot_forget(out, &err), 0);
    assert_int_equal(rmdir(out), 0);
    clear(&f);
}

static void models_are_written_and_score_texts(void **state)
{
    (void)state;
    struct fixture f;
    char like[] = "/tmp/egalign-like-XXXXXX", out[] = "/tmp/egalign-models-XXXXXX", command[96];
    struct lm_model *models[GROUPS + 1];
    struct reward_scorer *s = NULL;
    double moved, ret[2][GROUPS + 1];
    const struct str prompts[2] = {STR_LITERAL("c"), STR_LITERAL("c")}, texts[2] = {STR_LITERAL("aax"), STR_LITERAL("b")};
    make(&f);
    assert_non_null(mkdtemp(like));
    assert_non_null(mkdtemp(out));
    assert_int_equal(tokenizer_save(f.tokenizer, like, &err), 0);
    struct reward_em *e = open_em(&f, ASSIGNMENT_SOFT, NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(reward_em_advance(e, &moved, &err), 0);
    for (int u = 0; u <= GROUPS; u++)
        models[u] = reward_em_model(e, u);
    assert_int_equal(reward_scorer_open(out, 1, &s, &err), -1); /* nothing there */
    assert_int_equal(reward_scorer_save(out, GROUPS, models, &f.dialogue, like, &err), 0);
    if (reward_scorer_open(out, 1, &s, &err) < 0)
        fail_msg("%s", err.message);
    struct response_scorer r = reward_scorer_as_response(s);
    assert_int_equal(r.groups, GROUPS);
    assert_int_equal(r.score(r.context, 2, prompts, texts, ret[0], &err), 0);
    int x = reward_em_posteriors(e)[2 * GROUPS] > 0.5 ? 0 : 1;
    assert_true(ret[0][x] > ret[1][x] + 1 && ret[0][1 - x] < ret[1][1 - x] - 1 && ret[0][GROUPS] > ret[1][GROUPS]);
    double alone[GROUPS + 1];
    assert_int_equal(r.score(r.context, 1, prompts + 1, texts + 1, alone, &err), 0);
    assert_memory_equal(alone, ret[1], sizeof alone); /* whatever is scored beside it */
    reward_scorer_free(s);
    reward_em_free(e);
    snprintf(command, sizeof command, "rm -r %s %s", like, out);
    assert_int_equal(system(command), 0);
    clear(&f);
}

static int start(void **state)
{
    (void)state;
    return blas_start(&err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tastes_are_told_apart),
        cmocka_unit_test(resumes_to_the_same_bits),
        cmocka_unit_test(models_are_written_and_score_texts),
    };
    return cmocka_run_group_tests_name("reward_em", tests, start, NULL);
}
