/* Transformer reward models inside EM: opposite tastes are told apart and each is predicted where one model for all is
 * at a loss; interrupted runs go on to the same bits. */
#include "unit/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "core/align/reward_em_data.h"
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

/* Of each item one response has "x" in it. Two thirds of the people prefer it, the rest the other one; who is who does
 * not follow the numbers, as the round-robin start does. */
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

/* One iteration: every M-step, and the E-step. Gives its steps. */
static int iterate(struct reward_em *e)
{
    struct reward_em_step step;
    int steps = 0, ended;
    do {
        ended = reward_em_advance(e, &step, &err);
        if (ended < 0)
            fail_msg("%s", err.message);
        assert_true(ended || (step.model <= GROUPS && step.train.step <= step.steps));
        steps++;
    } while (!ended);
    return steps;
}

static void tastes_are_told_apart(void **state)
{
    (void)state;
    struct fixture f;
    make(&f);
    for (int hard = 0; hard < 2; hard++) {
        struct reward_em *e = open_em(&f, hard ? ASSIGNMENT_HARD : ASSIGNMENT_SOFT, NULL);
        struct reward_accuracy group[GROUPS], single[GROUPS];
        while (reward_em_iterations(e) < 8 && reward_em_moved(e) > 0.001)
            iterate(e);
        const double *q = reward_em_posteriors(e);
        int x = q[2 * GROUPS] > 0.5 ? 0 : 1; /* annotator 2 likes x */
        for (int h = 0; h < PEOPLE; h++)
            assert_true(fabs(q[h * GROUPS + x] - likes_x(h)) < 0.05);
        reward_em_held_out(e, group, single);
        assert_true(group[0].right.value > 0.95 && group[1].right.value > 0.95);
        assert_true(single[x].right.value > 0.9 && single[1 - x].right.value < 0.1);
        assert_true(group[1 - x].right.n > 3);
        struct calibration own[GROUPS], pooled[GROUPS];
        assert_int_equal(reward_em_calibration(e, own, pooled, &err), 0);
        for (int u = 0; u < GROUPS; u++) { /* everybody is wholly in a group: both measures see the same comparisons */
            assert_true(own[u].n == pooled[u].n && fabs(own[u].n - group[u].right.n) < 0.5 * PEOPLE);
            assert_true(fabs(own[u].nll - group[u].loss) < 0.05 && own[u].error >= 0 && own[u].error <= 1);
        }
        assert_true(own[1 - x].nll < pooled[1 - x].nll);
        reward_em_free(e);
    }
    clear(&f);
}

static void resumes_to_the_same_bits(void **state)
{
    (void)state;
    struct fixture f;
    char out[] = "/tmp/egalign-em-XXXXXX";
    double start[PEOPLE * GROUPS];
    make(&f);
    assert_non_null(mkdtemp(out));
    for (int i = 0; i < PEOPLE * GROUPS; i++)
        start[i] = i % 2 == 0 ? 0.3 + 0.03 * (i / 2) : 1 - start[i - 1];
    struct reward_em *a = open_em(&f, ASSIGNMENT_SOFT, start), *b = open_em(&f, ASSIGNMENT_SOFT, start);
    int steps = 0;
    for (int i = 0; i < 3; i++)
        steps += iterate(a);
    assert_true(steps > 3 * (GROUPS + 1) && reward_em_steps(a) == steps);
    assert_int_equal(reward_em_resume(b, out, &err), 0);
    for (int i = 0; i < steps; i++) { /* stopped after each of them, and the step after that is lost */
        struct reward_em_step step;
        assert_true(reward_em_advance(b, &step, &err) >= 0);
        assert_int_equal(reward_em_save(b, out, &err), 0);
        assert_true(reward_em_advance(b, &step, &err) >= 0);
        reward_em_free(b);
        b = open_em(&f, ASSIGNMENT_SOFT, start);
        if (reward_em_resume(b, out, &err) != 1)
            fail_msg("step %d: %s", i, err.message);
        assert_int_equal(reward_em_steps(b), i + 1);
    }
    assert_int_equal(reward_em_iterations(b), 3);
    assert_true(reward_em_moved(b) > 0 && reward_em_moved(b) < 1 && reward_em_likelihood(b) < 0);
    assert_memory_equal(reward_em_posteriors(a), reward_em_posteriors(b), PEOPLE * GROUPS * sizeof(double));
    assert_true(reward_em_moved(a) == reward_em_moved(b) && reward_em_likelihood(a) == reward_em_likelihood(b));
    for (int u = 0; u <= GROUPS; u++)
        assert_memory_equal(reward_em_model(a, u)->weights, reward_em_model(b, u)->weights,
                            reward_em_model(a, u)->layout.count * sizeof(float));
    struct reward_accuracy group[2][GROUPS], single[2][GROUPS];
    reward_em_held_out(a, group[0], single[0]);
    reward_em_held_out(b, group[1], single[1]);
    assert_memory_equal(group[0], group[1], sizeof group[0]);
    assert_memory_equal(single[0], single[1], sizeof single[0]);
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

/* A group that nobody is in any more keeps its model, after a resume too: what has settled stays as it was. */
static void an_empty_group_resumes_to_the_same_bits(void **state)
{
    (void)state;
    struct fixture f;
    char out[] = "/tmp/egalign-em-XXXXXX";
    double start[PEOPLE * GROUPS];
    make(&f);
    assert_non_null(mkdtemp(out));
    for (int n = 0; n < COMPARISONS; n++) /* all like x: the second group, of one, goes empty or takes all */
        f.comparison[n].preference = 1;
    for (int h = 0; h < PEOPLE; h++) {
        start[2 * h] = h > 0;
        start[2 * h + 1] = h == 0;
    }
    struct reward_em *a = open_em(&f, ASSIGNMENT_HARD, start);
    for (int i = 0; i < 2; i++)
        iterate(a);
    int in_first = 0;
    for (int h = 0; h < PEOPLE; h++)
        in_first += reward_em_posteriors(a)[2 * h] > 0.5;
    assert_true(in_first == 0 || in_first == PEOPLE); /* one is empty */
    assert_int_equal(reward_em_save(a, out, &err), 0);
    struct reward_em *b = open_em(&f, ASSIGNMENT_HARD, start);
    assert_int_equal(reward_em_resume(b, out, &err), 1);
    iterate(a);
    iterate(b);
    assert_true(reward_em_likelihood(a) == reward_em_likelihood(b));
    assert_memory_equal(reward_em_posteriors(a), reward_em_posteriors(b), PEOPLE * GROUPS * sizeof(double));
    reward_em_free(a);
    reward_em_free(b);
    assert_int_equal(snapshot_forget(out, &err), 0);
    assert_int_equal(rmdir(out), 0);
    clear(&f);
}

static void groups_get_the_numbers_of_a_fit(void **state)
{
    (void)state;
    struct fixture f;
    double fit[2][PEOPLE * GROUPS];
    struct reward_accuracy before[GROUPS], after[GROUPS], single[GROUPS];
    make(&f);
    for (int h = 0; h < PEOPLE; h++)
        for (int first = 0; first < 2; first++) { /* the fit's first group likes x, or the other one does */
            fit[first][2 * h] = likes_x(h) == (first == 0) ? 0.9 : 0.1;
            fit[first][2 * h + 1] = 1 - fit[first][2 * h];
        }
    struct reward_em *e = open_em(&f, ASSIGNMENT_SOFT, NULL);
    for (int i = 0; i < 4; i++)
        iterate(e);
    const struct lm_model *models[GROUPS] = {reward_em_model(e, 0), reward_em_model(e, 1)};
    int x = reward_em_posteriors(e)[2 * GROUPS] > 0.5 ? 0 : 1;
    reward_em_held_out(e, before, single);
    for (int first = 0; first < 2; first++) {
        reward_em_number_as(e, fit[first]);
        assert_ptr_equal(reward_em_model(e, first), models[x]); /* the model goes with its people */
        assert_ptr_equal(reward_em_model(e, 1 - first), models[1 - x]);
        for (int h = 0; h < PEOPLE; h++)
            assert_true((reward_em_posteriors(e)[2 * h + first] > 0.5) == likes_x(h));
        assert_true(reward_em_distance(e, fit[first]) < 0.2 && reward_em_distance(e, fit[1 - first]) > 0.8);
        reward_em_held_out(e, after, single);
        assert_memory_equal(&after[first], &before[x], sizeof *after);
    }
    reward_em_free(e);
    clear(&f);
}

static void what_is_learnt_is_kept_whole(void **state)
{
    (void)state;
    struct fixture f;
    char path[] = "/tmp/egalign-judged-XXXXXX";
    uint8_t before[SHA256_SIZE], after[SHA256_SIZE];
    long noticed = 0;
    make(&f);
    struct reward_em_data d = {.annotators = PEOPLE, .groups = GROUPS, .comparisons = COMPARISONS}, loaded;
    assert_int_equal(reward_em_data_allocate(&d, &err), 0);
    memcpy(d.comparison, f.comparison, sizeof f.comparison);
    for (int i = 0; i < PEOPLE * GROUPS; i++)
        d.posterior[i] = 1.0 / (i + 3);
    d.sequences = f.data;
    f.data = (struct reward_data){0};
    reward_em_data_digest(&d, before);
    FILE *file = fdopen(mkstemp(path), "wb");
    assert_int_equal(reward_em_data_write(&d, file, &err), 0);
    long size = ftell(file);
    fclose(file);
    assert_int_equal(reward_em_data_load(path, &loaded, &err), 0);
    reward_em_data_digest(&loaded, after);
    assert_memory_equal(before, after, sizeof before);
    for (int i = 0; i < COMPARISONS; i++)
        assert_true(loaded.comparison[i].annotator == d.comparison[i].annotator &&
                    loaded.comparison[i].preference == d.comparison[i].preference &&
                    loaded.comparison[i].held_out == d.comparison[i].held_out);
    assert_memory_equal(loaded.posterior, d.posterior, PEOPLE * GROUPS * sizeof(double));
    reward_em_data_free(&loaded);
    for (long at = 0; at < size; at += 97) { /* a byte that is another, and an end that comes early */
        file = fopen(path, "r+b");
        fseek(file, at, SEEK_SET);
        int byte = fgetc(file);
        fseek(file, at, SEEK_SET);
        fputc(byte ^ 1, file);
        fclose(file);
        if (reward_em_data_load(path, &loaded, &err) == 0) { /* padding, or a figure that nothing is computed from */
            reward_em_data_digest(&loaded, after);
            assert_memory_equal(before, after, sizeof before);
            reward_em_data_free(&loaded);
        } else {
            assert_int_equal(err.code, ERR_BAD_FILE);
            noticed++;
        }
        file = fopen(path, "r+b");
        fseek(file, at, SEEK_SET);
        fputc(byte, file);
        fclose(file);
    }
    assert_true(noticed > size / 97 / 2);
    assert_int_equal(truncate(path, size - 1), 0);
    assert_int_equal(reward_em_data_load(path, &loaded, &err), -1);
    assert_int_equal(unlink(path), 0);
    reward_em_data_free(&d);
    clear(&f);
}

static void put_after(const char *path, const char *more)
{
    FILE *file = fopen(path, "ab");
    assert_non_null(file);
    fputs(more, file);
    fclose(file);
}

/* The digest of a folder of models is another when any of them is. */
static void every_file_counts(const char *out)
{
    static const char *const files[] = {"group-0/egalign.json", "group-1/config.json", "single/tokenizer.json"};
    uint8_t digest[SHA256_SIZE], before[SHA256_SIZE];
    char path[128], other[128];
    int64_t bytes, more;
    assert_int_equal(reward_scorer_digest(out, before, &bytes, &err), 0);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", out, files[i]);
        put_after(path, "\n");
        assert_int_equal(reward_scorer_digest(out, digest, &more, &err), 0);
        assert_true(memcmp(digest, before, sizeof digest) != 0 && more == bytes + (int64_t)i + 1);
        memcpy(before, digest, sizeof before);
    }
    snprintf(path, sizeof path, "%s/group-0", out);
    snprintf(other, sizeof other, "%s/swap", out);
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(reward_scorer_digest(out, digest, &more, &err), -1); /* nobody would read the other groups */
    assert_int_equal(err.code, ERR_BAD_FILE);
    assert_int_equal(rename(other, path), 0);
}

static void models_are_written_and_score_texts(void **state)
{
    (void)state;
    struct fixture f;
    char like[] = "/tmp/egalign-like-XXXXXX", out[] = "/tmp/egalign-models-XXXXXX", command[96];
    struct lm_model *models[GROUPS + 1];
    struct reward_scorer *s = NULL;
    double ret[2][GROUPS + 1];
    const struct str prompts[2] = {STR_LITERAL("c"), STR_LITERAL("c")};
    const struct str texts[2] = {STR_LITERAL("aax"), STR_LITERAL("b")};
    make(&f);
    assert_non_null(mkdtemp(like));
    assert_non_null(mkdtemp(out));
    assert_int_equal(tokenizer_save(f.tokenizer, like, &err), 0);
    struct reward_em *e = open_em(&f, ASSIGNMENT_SOFT, NULL);
    for (int i = 0; i < 3; i++)
        iterate(e);
    for (int u = 0; u <= GROUPS; u++)
        models[u] = reward_em_model(e, u);
    assert_int_equal(reward_scorer_open(out, 1, &s, &err), -1); /* nothing there */
    assert_int_equal(reward_scorer_save(out, GROUPS, models, &f.dialogue, like, &err), 0);
    if (reward_scorer_open(out, 1, &s, &err) < 0)
        fail_msg("%s", err.message);
    struct response_scorer r = reward_scorer_as_response(s);
    assert_int_equal(r.groups, GROUPS);
    struct lm_shape shapes[REWARD_SCORER_MODELS_MAX];
    int groups;
    assert_int_equal(reward_scorer_shapes(out, shapes, &groups, &err), 0);
    assert_true(groups == GROUPS && shapes[0].scalars == 1 && shapes[GROUPS].width == f.base->shape.width);
    assert_true(reward_scorer_bytes(shapes, groups) > (GROUPS + 1) * f.base->layout.count * sizeof(float));
    every_file_counts(out);
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
        cmocka_unit_test(an_empty_group_resumes_to_the_same_bits),
        cmocka_unit_test(groups_get_the_numbers_of_a_fit),
        cmocka_unit_test(what_is_learnt_is_kept_whole),
        cmocka_unit_test(models_are_written_and_score_texts),
    };
    return cmocka_run_group_tests_name("reward_em", tests, start, NULL);
}
