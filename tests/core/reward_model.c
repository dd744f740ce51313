/* Reward heads on a language model: the loss and its slopes by finite differences, through the whole model too;
 * opposite tastes are learnt side by side; interrupted training goes on to the same bits. */
#include "unit/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "core/align/reward_model.h"
#include "core/align/reward_parts.h"
#include "core/align/snapshot.h"
#include "core/blas.h"
#include "core/lm_support.h"
#include "core/model_support.h"
#include "core/tokenizer_support.h"

static const char merges[] = "a b / ab ab / Ġ c / Ċ Ċ";
enum { ITEMS = 40, HEADS = 2, LONGEST = 24 };
static struct err err;

struct fixture {
    struct tokenizer *tokenizer;
    struct dialogue dialogue;
    struct lm_model *base, *model;
    struct reward_data data;
};

/* Head 0 prefers the response with "x" in it, head 1 the other; a fifth of the items is held out. */
static void make(struct fixture *f)
{
    struct rng r;
    *f = (struct fixture){.tokenizer = byte_level(merges), .data = {.longest = LONGEST, .heads = HEADS}};
    assert_int_equal(dialogue_make(f->tokenizer, DIALOGUE_TEMPLATE, -1, &f->dialogue, &err), 0);
    f->base = tiny_gpt2((int)tokenizer_count(f->tokenizer), 32, 2, 32, -1, 3);
    f->model = reward_model_new(f->base, HEADS, 5, &err);
    assert_non_null(f->model);
    rng_init(&r, 9, 0);
    for (int i = 0; i < ITEMS; i++) {
        char with[16] = "", without[16] = "";
        for (int j = (int)rng_below(&r, 4); j >= 0; j--) {
            strcat(with, j == 0 ? "x" : "a");
            strcat(without, rng_below(&r, 2) ? "b" : " c");
        }
        int a = reward_data_add(&f->data, &f->dialogue, str_of("c"), str_of(with), &err);
        int b = reward_data_add(&f->data, &f->dialogue, str_of("c"), str_of(without), &err);
        assert_int_equal(b, a + 1);
        int pair = i % 2 ? reward_data_pair(&f->data, a, b, i % 5 == 0, &err)
                         : reward_data_pair(&f->data, b, a, i % 5 == 0, &err);
        assert_int_equal(pair, i);
        float *wins = reward_data_wins(&f->data, pair);
        wins[(i % 2 ? 0 : HEADS) + 0] = 2;   /* for the one with x */
        wins[(i % 2 ? HEADS : 0) + 1] = 0.5; /* against it */
    }
}

static void clear(struct fixture *f)
{
    reward_data_free(&f->data);
    lm_model_free(f->model);
    lm_model_free(f->base);
    dialogue_free(&f->dialogue);
    tokenizer_free(f->tokenizer);
}

static struct reward_options options_of(double epochs)
{
    struct reward_options o = reward_options_default((struct gemm){gemm_backend(NULL, &err), NULL});
    o.batch_tokens = 128;
    o.epochs = epochs;
    o.rate = 3e-3;
    return o;
}

static void a_new_model_is_the_old_one_with_heads(void **state)
{
    (void)state;
    struct fixture f;
    make(&f);
    assert_int_equal(f.model->shape.scalars, HEADS);
    assert_memory_equal(f.model->weights, f.base->weights, lm_model_below_scalars(f.base) * sizeof(float));
    double sum = 0;
    for (int i = 0; i < HEADS * 32; i++)
        sum += pow(f.model->weights[f.model->layout.scalar.weight + (size_t)i], 2);
    assert_true(fabs(sum / (HEADS * 32) * 33 - 1) < 0.5); /* variance 1 / (D + 1) */
    assert_true(f.model->weights[f.model->layout.scalar.bias] == 0);
    clear(&f);
}

static double pair_objective(void *context, const double *x)
{
    const float *wins = context;
    float a[2] = {(float)x[0], (float)x[1]}, b[2] = {(float)x[2], (float)x[3]}, da[2], db[2];
    return reward_pair_loss(2, wins, 0.01, a, b, da, db);
}

static void the_slopes_of_a_pair_are_those_of_its_loss(void **state)
{
    (void)state;
    static const float wins[4] = {1.5f, 0, 0.25f, 2};
    static const double points[][4] = {{0, 0, 0, 0}, {1, -2, 0.5, 3}, {4, 4, -4, -4}, {-3, 0.25, 3, -0.25}};
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        float a[2] = {(float)points[i][0], (float)points[i][1]}, b[2] = {(float)points[i][2], (float)points[i][3]};
        float slopes[4];
        double x[4];
        reward_pair_loss(2, wins, 0.01, a, b, slopes, slopes + 2);
        for (int j = 0; j < 4; j++) {
            double h = 1.0 / 128; /* exact in float */
            memcpy(x, points[i], sizeof x);
            x[j] += h;
            double above = pair_objective((void *)wins, x);
            x[j] -= 2 * h;
            assert_true(fabs((above - pair_objective((void *)wins, x)) / (2 * h) - slopes[j]) < 1e-4);
        }
    }
}

static void great_margins_do_not_overflow(void **state)
{
    (void)state;
    float wins[2] = {1, 1}, a = 2000, b = -2000, da, db;
    double loss = reward_pair_loss(1, wins, 0, &a, &b, &da, &db);
    assert_true(fabs(loss - 4000) < 1e-3 && fabsf(da - 1) < 1e-6f && fabsf(db + 1) < 1e-6f);
}

/* The mean loss over all pairs that are trained on, from scores. */
static double loss_over_all(struct fixture *f, struct reward_trainer *t)
{
    static float scores[2 * ITEMS * HEADS];
    float da[HEADS], db[HEADS];
    double loss = 0, weight = 0;
    assert_int_equal(reward_trainer_score(t, 0, f->data.count, scores, &err), 0);
    for (int i = 0; i < f->data.pair_count; i++) {
        const struct reward_pair *p = &f->data.pairs[i];
        if (p->held_out)
            continue;
        loss += reward_pair_loss(HEADS, reward_data_wins(&f->data, i), 0.01, scores + p->sequence[0] * HEADS,
                                 scores + p->sequence[1] * HEADS, da, db);
        weight += 2.5;
    }
    return loss / weight;
}

static void the_gradient_is_that_of_the_loss(void **state)
{
    (void)state;
    struct fixture f;
    struct reward_step step;
    make(&f);
    struct reward_options o = options_of(1);
    o.batch_tokens = 4096; /* one batch of all */
    o.rate = 1e-9;
    o.warm_up = 0;
    struct reward_trainer *t = reward_trainer_new(f.model, &f.data, &o, &err);
    assert_non_null(t);
    assert_int_equal(reward_trainer_steps(t), 1);
    double before = loss_over_all(&f, t);
    assert_int_equal(reward_trainer_advance(t, &step, &err), 0);
    assert_true(fabs(step.loss - before) < 1e-5);
    struct lm_trained trained = lm_trained(t->run);
    size_t at = f.model->layout.scalar.weight;
    double norm = 0;
    for (size_t i = 0; i < f.model->layout.count; i += i < at ? 97 : 1) {
        float here = f.model->weights[i], h = 0.01f;
        f.model->weights[i] = here + h;
        double above = loss_over_all(&f, t);
        f.model->weights[i] = here - h;
        double slope = (above - loss_over_all(&f, t)) / (2 * (double)h);
        f.model->weights[i] = here;
        double moved = i < trained.start ? 0 : trained.gradients[i - trained.start];
        if (fabs(slope - moved) > 2e-3 + 0.02 * fabs(slope))
            fail_msg("weight %zu: %g by differences, %g by the way back", i, slope, moved);
        norm += moved * moved;
    }
    assert_true(norm > 1e-4);
    reward_trainer_free(t);
    clear(&f);
}

static void opposite_tastes_are_learnt_side_by_side(void **state)
{
    (void)state;
    struct fixture f;
    struct reward_step step = {0};
    struct reward_accuracy before[HEADS], after[HEADS];
    make(&f);
    struct reward_options o = options_of(20);
    struct reward_trainer *t = reward_trainer_new(f.model, &f.data, &o, &err);
    assert_non_null(t);
    assert_int_equal(reward_trainer_held_out(t, before, &err), 0);
    double first = loss_over_all(&f, t);
    while (reward_trainer_done(t) < reward_trainer_steps(t))
        assert_int_equal(reward_trainer_advance(t, &step, &err), 0);
    assert_int_equal(reward_trainer_held_out(t, after, &err), 0);
    assert_true(loss_over_all(&f, t) < first / 3);
    for (int u = 0; u < HEADS; u++) {
        assert_true(before[u].right.value < 0.9 && after[u].right.value > 0.99);
        assert_true(fabs(after[u].right.n - (u ? 0.5 : 2) * ITEMS / 5) < 1e-9);
        assert_true(after[u].loss < before[u].loss / 2);
    }
    assert_true(step.rate < 0.1 * o.rate);
    reward_trainer_free(t);
    clear(&f);
}

static void resumes_to_the_same_bits(void **state)
{
    (void)state;
    enum { BREAK = 5 };
    char out[] = "/tmp/egalign-reward-XXXXXX";
    struct fixture whole, broken;
    struct reward_step step;
    make(&whole);
    make(&broken);
    assert_non_null(mkdtemp(out));
    struct reward_options o = options_of(2.5);
    o.frozen = 1;
    struct reward_trainer *a = reward_trainer_new(whole.model, &whole.data, &o, &err);
    while (reward_trainer_done(a) < reward_trainer_steps(a))
        assert_int_equal(reward_trainer_advance(a, &step, &err), 0);
    struct threads *two = threads_new(2, &err);
    o.gemm.threads = two;
    struct reward_trainer *b = reward_trainer_new(broken.model, &broken.data, &o, &err);
    assert_int_equal(reward_trainer_resume(b, out, &err), 0);
    for (int i = 0; i < BREAK; i++)
        assert_int_equal(reward_trainer_advance(b, &step, &err), 0);
    assert_int_equal(reward_trainer_save(b, out, &err), 0);
    assert_int_equal(reward_trainer_advance(b, &step, &err), 0); /* lost */
    reward_trainer_free(b);
    lm_model_randomize(broken.model, 99);
    b = reward_trainer_new(broken.model, &broken.data, &o, &err);
    assert_int_equal(reward_trainer_resume(b, out, &err), 1);
    assert_int_equal(reward_trainer_done(b), BREAK);
    while (reward_trainer_done(b) < reward_trainer_steps(b))
        assert_int_equal(reward_trainer_advance(b, &step, &err), 0);
    assert_memory_equal(whole.model->weights, broken.model->weights,
                        whole.model->layout.count * sizeof *whole.model->weights);
    reward_trainer_free(b);
    reward_data_wins(&broken.data, 3)[0] += 1; /* other judgements */
    b = reward_trainer_new(broken.model, &broken.data, &o, &err);
    assert_int_equal(reward_trainer_resume(b, out, &err), -1);
    assert_int_equal(err.code, ERR_CONFLICT);
    reward_trainer_free(b);
    reward_trainer_free(a);
    threads_free(two);
    assert_int_equal(snapshot_forget(out, &err), 0);
    assert_int_equal(rmdir(out), 0);
    clear(&whole);
    clear(&broken);
}

static void data_come_back_from_a_file(void **state)
{
    (void)state;
    struct fixture f;
    struct reward_data again;
    char path[] = "/tmp/egalign-pairs-XXXXXX";
    uint8_t digest[2][SHA256_SIZE];
    make(&f);
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "r+b");
    assert_int_equal(reward_data_write(&f.data, file, &err), 0);
    fflush(file);
    assert_int_equal(reward_data_load(path, &again, &err), 0);
    reward_data_digest(&f.data, digest[0]);
    reward_data_digest(&again, digest[1]);
    assert_memory_equal(digest[0], digest[1], SHA256_SIZE);
    assert_int_equal(again.pair_count, f.data.pair_count);
    assert_int_equal(again.longest, f.data.longest);
    reward_data_free(&again);
    fseek(file, 200, SEEK_SET);
    fputc(77, file);
    fflush(file);
    assert_int_equal(reward_data_load(path, &again, &err), -1);
    assert_int_equal(err.code, ERR_BAD_FILE);
    assert_int_equal(ftruncate(fd, 300), 0);
    assert_int_equal(reward_data_load(path, &again, &err), -1);
    assert_int_equal(err.code, ERR_BAD_FILE);
    fclose(file);
    unlink(path);
    clear(&f);
}

/* Judgements of a pair add up, whichever side comes first; ties are half a win each, and nothing where held out. */
static void judgements_of_a_pair_add_up(void **state)
{
    (void)state;
    struct fixture f;
    static const double one[HEADS] = {1, 0}, other[HEADS] = {0.25, 0.75};
    make(&f);
    int before = f.data.pair_count;
    const struct reward_judgement j[] = {
        {0, 1, 1, one, false}, {2, 3, 0.5, one, true}, {1, 0, 1, other, false}, {0, 1, 0.5, other, false},
        {3, 2, 0, other, true},
    };
    assert_int_equal(reward_data_judge(&f.data, 5, j, &err), 0);
    assert_int_equal(f.data.pair_count, before + 2);
    const float *wins = reward_data_wins(&f.data, before);
    static const float expected[2][4] = {{1.125f, 0.375f, 0.375f, 1.125f}, {0.25f, 0.75f, 0, 0}};
    for (int i = 0; i < 4; i++) {
        assert_true(fabsf(wins[i] - expected[0][i]) < 1e-6f);
        assert_true(fabsf(reward_data_wins(&f.data, before + 1)[i] - expected[1][i]) < 1e-6f);
    }
    assert_true(!f.data.pairs[before].held_out && f.data.pairs[before + 1].held_out);
    clear(&f);
}

static void refuses_what_can_not_train(void **state)
{
    (void)state;
    struct fixture f;
    make(&f);
    struct reward_options o = options_of(1);
    o.batch_tokens = 2 * LONGEST - 1;
    assert_null(reward_trainer_new(f.model, &f.data, &o, &err));
    assert_int_equal(err.code, ERR_INVALID_VALUE);
    o = options_of(1);
    assert_null(reward_trainer_new(f.base, &f.data, &o, &err)); /* no heads */
    assert_int_equal(err.code, ERR_INVALID_VALUE);
    for (int i = 0; i < f.data.pair_count; i++)
        f.data.pairs[i].held_out = true;
    assert_null(reward_trainer_new(f.model, &f.data, &o, &err));
    assert_int_equal(err.code, ERR_INSUFFICIENT_DATA);
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
        cmocka_unit_test(a_new_model_is_the_old_one_with_heads),
        cmocka_unit_test(the_slopes_of_a_pair_are_those_of_its_loss),
        cmocka_unit_test(great_margins_do_not_overflow),
        cmocka_unit_test(the_gradient_is_that_of_the_loss),
        cmocka_unit_test(opposite_tastes_are_learnt_side_by_side),
        cmocka_unit_test(resumes_to_the_same_bits),
        cmocka_unit_test(data_come_back_from_a_file),
        cmocka_unit_test(judgements_of_a_pair_add_up),
        cmocka_unit_test(refuses_what_can_not_train),
    };
    return cmocka_run_group_tests_name("reward_model", tests, start, NULL);
}
