/* group_rewards: anchored rewards against closed forms, and what anchoring must not let through. */
#include "unit/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "core/align/group_rewards.h"
#include "core/reward/features.h"
#include "core/reward/model.h"
#include "core/scorer.h"

enum { K = 2, COLUMNS = K + 1 };

/* Rewards that are known: a response is a number x, a prompt a number p, and column u gives
 * scale_u (x + p) + shift_u. */
struct taste {
    double scale[COLUMNS], shift[COLUMNS];
};

static int taste_score(void *context, int n, const struct str *prompt, const struct str *response, double *ret,
                       struct err *err)
{
    const struct taste *t = context;
    (void)err;
    for (int i = 0; i < n; i++) {
        double x, p;
        assert_true(str_to_double(response[i], &x) && str_to_double(prompt[i], &p)); /* no NUL need follow */
        for (int u = 0; u < COLUMNS; u++)
            ret[i * COLUMNS + u] = t->scale[u] * (x + p) + t->shift[u];
    }
    return 0;
}

static const struct taste plain = {{1, -2, 0.5}, {0, 0, 0}};
static struct err e;

static struct response_scorer scorer_with(const struct taste *t)
{
    return (struct response_scorer){K, taste_score, (void *)t};
}

/* Two prompts; references {1, 3, 8} and {2, 4}: means 4 and 3, squares about them 9 + 1 + 16 + 1 + 1 = 28, 3 degrees
 * of freedom. */
static const struct str prompts[2] = {{"10", 2}, {"-7", 2}};
static const struct str references[5] = {{"1", 1}, {"3", 1}, {"8", 1}, {"2", 1}, {"4", 1}};
static const int starts[3] = {0, 3, 5};
static const struct reference_set set = {2, prompts, starts, references};

static struct group_rewards *anchored(const struct taste *t, enum anchor anchor)
{
    struct response_scorer s = scorer_with(t);
    struct group_rewards *g = NULL;
    assert_int_equal(group_rewards_new(&s, anchor, &set, &g, &e), 0);
    return g;
}

static void centred_rewards_have_their_closed_form(void **state)
{
    (void)state;
    struct group_rewards *g = anchored(&plain, ANCHOR_CENTRED);
    double s = sqrt(28.0 / 3), row[COLUMNS];
    assert_int_equal(group_rewards_groups(g), K);
    assert_int_equal(group_rewards_prompts(g), 2);
    for (int u = 0; u < COLUMNS; u++) {
        struct anchor_figures f = group_rewards_figures(g, u);
        assert_true(fabs(f.deviation - fabs(plain.scale[u]) * s) < 1e-12);
        assert_true(fabs(f.mean - plain.scale[u] * ((14 + -4) / 2.0)) < 1e-12);
        assert_false(f.between);
    }
    assert_int_equal(group_rewards_score(g, 1, STR_LITERAL("9"), row, &e), 0);
    assert_true(fabs(row[0] - 6 / s) < 1e-12);
    assert_true(fabs(row[1] + 6 / s) < 1e-12);
    assert_true(fabs(row[2] - 6 / s) < 1e-12);
    group_rewards_free(g);
}

static double sigma(double x)
{
    return 1 / (1 + exp(-x));
}

static void win_rewards_have_their_closed_form(void **state)
{
    (void)state;
    struct group_rewards *g = anchored(&plain, ANCHOR_WIN);
    double row[COLUMNS];
    assert_int_equal(group_rewards_score(g, 0, STR_LITERAL("3"), row, &e), 0);
    assert_true(fabs(row[0] - (sigma(2) + 0.5 + sigma(-5)) / 3) < 1e-12);
    assert_true(fabs(row[1] - (sigma(-4) + 0.5 + sigma(10)) / 3) < 1e-12);
    assert_int_equal(group_rewards_score(g, 1, STR_LITERAL("1e9"), row, &e), 0); /* bounded, whatever the margin */
    assert_true(row[0] == 1 && row[1] == 0 && row[2] == 1);
    group_rewards_free(g);
}

static void check_same(const struct taste *other, enum anchor anchor, double tolerance)
{
    struct group_rewards *a = anchored(&plain, anchor), *b = anchored(other, anchor);
    for (int i = 0; i < 40; i++) {
        char text[16];
        double x[COLUMNS], y[COLUMNS];
        int length = snprintf(text, sizeof text, "%g", (i - 20) * 0.7);
        struct str response = {text, (size_t)length};
        assert_int_equal(group_rewards_score(a, i % 2, response, x, &e), 0);
        assert_int_equal(group_rewards_score(b, i % 2, response, y, &e), 0);
        for (int u = 0; u < COLUMNS; u++)
            assert_true(fabs(x[u] - y[u]) <= tolerance);
    }
    group_rewards_free(a);
    group_rewards_free(b);
}

static void scale_and_shift_change_nothing(void **state)
{
    (void)state;
    const struct taste larger = {{1, -10, 0.5}, {0, 0, 0}}, up = {{1, -2, 0.5}, {3, 0, 0}},
                       down = {{1, -2, 0.5}, {0, -3, 0}};
    check_same(&larger, ANCHOR_CENTRED, 1e-12);
    check_same(&up, ANCHOR_CENTRED, 1e-12);
    check_same(&down, ANCHOR_CENTRED, 1e-12);
    check_same(&up, ANCHOR_WIN, 1e-12);
    check_same(&down, ANCHOR_WIN, 1e-12);
}

static void one_reference_a_prompt_is_enough(void **state)
{
    (void)state;
    const int one[3] = {0, 1, 2};
    const struct reference_set single = {2, prompts, one, references};
    struct response_scorer s = scorer_with(&plain);
    struct group_rewards *g;
    double row[COLUMNS];
    assert_int_equal(group_rewards_new(&s, ANCHOR_CENTRED, &single, &g, &e), 0);
    struct anchor_figures f = group_rewards_figures(g, 0);
    assert_true(f.between); /* 11 and -4 */
    assert_true(fabs(f.deviation - sqrt(7.5 * 7.5 * 2)) < 1e-12);
    assert_int_equal(group_rewards_score(g, 1, STR_LITERAL("5"), row, &e), 0);
    assert_true(fabs(row[0] - 2 / f.deviation) < 1e-12);
    group_rewards_free(g);
}

static int refused(const struct taste *t, const struct reference_set *r)
{
    struct response_scorer s = scorer_with(t);
    struct group_rewards *g;
    assert_int_equal(group_rewards_new(&s, ANCHOR_CENTRED, r, &g, &e), -1);
    return (int)e.code;
}

static void refuses_what_gives_no_scale(void **state)
{
    (void)state;
    const struct taste flat = {{1, 0, 1}, {0, 1e6, 0}}, mad = {{1, 1, NAN}, {0, 0, 0}};
    const int none[3] = {0, 0, 2}, single[2] = {0, 1};
    const struct reference_set gap = {2, prompts, none, references}, lonely = {1, prompts, single, references},
                               empty = {0, prompts, none, references};
    assert_int_equal(refused(&flat, &set), ERR_NUMERICAL);
    assert_non_null(strstr(e.message, "group 1"));
    assert_int_equal(refused(&mad, &set), ERR_NUMERICAL);
    assert_non_null(strstr(e.message, "single reward"));
    assert_int_equal(refused(&plain, &gap), ERR_INVALID_VALUE);
    assert_int_equal(refused(&plain, &lonely), ERR_INVALID_VALUE);
    assert_int_equal(refused(&plain, &empty), ERR_INVALID_VALUE);
}

static void restores_to_the_same_bits(void **state)
{
    (void)state;
    struct response_scorer s = scorer_with(&plain);
    const struct str others[2] = {{"10", 2}, {"7", 1}};
    for (int anchor = ANCHOR_CENTRED; anchor <= ANCHOR_WIN; anchor++) {
        struct group_rewards *a = anchored(&plain, (enum anchor)anchor), *b;
        struct buf out = {0};
        double x[COLUMNS], y[COLUMNS];
        group_rewards_save(a, &out);
        assert_false(out.failed);
        assert_int_equal(group_rewards_restore(&s, 2, prompts, out.data, out.length, &b, &e), 0);
        assert_int_equal(group_rewards_anchor(b), anchor);
        assert_int_equal(group_rewards_score(a, 1, STR_LITERAL("0.3"), x, &e), 0);
        assert_int_equal(group_rewards_score(b, 1, STR_LITERAL("0.3"), y, &e), 0);
        assert_memory_equal(x, y, sizeof x);
        group_rewards_free(b);
        assert_int_equal(group_rewards_restore(&s, 2, others, out.data, out.length, &b, &e), -1);
        assert_int_equal(e.code, ERR_CONFLICT);
        assert_int_equal(group_rewards_restore(&s, 2, prompts, out.data, out.length - 1, &b, &e), -1);
        assert_int_equal(e.code, ERR_BAD_FILE);
        out.data[out.length / 2] ^= 1;
        assert_int_equal(group_rewards_restore(&s, 2, prompts, out.data, out.length, &b, &e), -1);
        assert_int_equal(e.code, ERR_BAD_FILE);
        buf_free(&out);
        group_rewards_free(a);
    }
}

/* ---- a stored fit ---- */

/* A model over hashed features with random heads, as bytes. */
static struct scorer *random_fit(void)
{
    enum { BUCKETS = 32, D = FEATURES_TEXT + BUCKETS };
    static float scale[D], heads[K * D], pooled[D];
    struct rng r;
    struct buf out = {0};
    struct scorer *s;
    rng_init(&r, 5, 0);
    for (int j = 0; j < D; j++) {
        scale[j] = 1;
        heads[j] = (float)rng_normal(&r);
        heads[D + j] = (float)rng_normal(&r);
        pooled[j] = (float)rng_normal(&r);
    }
    struct model m = {.encoder = ENCODER_HASHED, .buckets = BUCKETS, .dimension = D, .groups = K, .scale = scale,
                      .heads = heads, .pooled = pooled};
    model_write(&m, &out);
    assert_int_equal(scorer_open(out.data, out.length, &s, &e), 0);
    buf_free(&out);
    return s;
}

static const char *const words[] = {"the ", "film ", "was ", "good ", "and ", "short ", "but ", "dull "};

static struct str sentence(struct rng *r, char text[256])
{
    int n = 3 + (int)rng_below(r, 20);
    text[0] = '\0';
    for (int i = 0; i < n; i++)
        strcat(text, words[rng_below(r, 8)]);
    return str_of(text);
}

static void a_stored_fit_is_centred_and_scaled(void **state)
{
    (void)state;
    enum { PROMPTS = 20, EACH = 4 };
    static char text[PROMPTS * EACH][256];
    struct str prompt[PROMPTS], response[PROMPTS * EACH];
    int start[PROMPTS + 1], index[PROMPTS * EACH];
    double rows[PROMPTS * EACH][COLUMNS];
    struct scorer *s = random_fit();
    struct response_scorer source = response_scorer_of(s);
    struct group_rewards *g;
    struct rng r;
    rng_init(&r, 9, 1);
    for (int i = 0; i < PROMPTS * EACH; i++) {
        response[i] = sentence(&r, text[i]);
        prompt[i / EACH] = response[i / EACH * EACH]; /* any text */
        start[i / EACH] = i / EACH * EACH;
        index[i] = i / EACH;
    }
    start[PROMPTS] = PROMPTS * EACH;
    const struct reference_set texts = {PROMPTS, prompt, start, response};
    assert_int_equal(group_rewards_new(&source, ANCHOR_CENTRED, &texts, &g, &e), 0);
    assert_int_equal(group_rewards_score_all(g, PROMPTS * EACH, index, response, rows[0], &e), 0);
    for (int u = 0; u < COLUMNS; u++) { /* of the references themselves: mean 0 a prompt, variance 1 */
        double squares = 0;
        for (int i = 0; i < PROMPTS; i++) {
            double sum = 0;
            for (int j = 0; j < EACH; j++) {
                sum += rows[i * EACH + j][u];
                squares += rows[i * EACH + j][u] * rows[i * EACH + j][u];
            }
            assert_true(fabs(sum) < 1e-9);
        }
        assert_true(fabs(squares / (PROMPTS * (EACH - 1)) - 1) < 1e-9);
    }
    double one[COLUMNS], raw[COLUMNS];
    assert_int_equal(group_rewards_score(g, 3, response[50], one, &e), 0);
    assert_int_equal(scorer_score(s, prompt[3], response[50], raw, &e), 0);
    group_rewards_apply(g, 3, raw);
    assert_memory_equal(one, raw, sizeof one);
    group_rewards_free(g);
    scorer_free(s);
}

static int attempt(void)
{
    struct response_scorer s = scorer_with(&plain);
    struct group_rewards *g;
    double row[COLUMNS];
    if (group_rewards_new(&s, ANCHOR_CENTRED, &set, &g, &e) < 0)
        return -1;
    int result = group_rewards_score(g, 0, STR_LITERAL("1"), row, &e);
    group_rewards_free(g);
    return result;
}

static void survives_each_failed_allocation(void **state)
{
    (void)state;
    int n = 1;
    for (mem_fail_nth(n); attempt() < 0; mem_fail_nth(++n))
        assert_int_equal(e.code, ERR_NO_MEMORY);
    mem_fail_nth(0);
    assert_true(n > 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(centred_rewards_have_their_closed_form), cmocka_unit_test(win_rewards_have_their_closed_form),
        cmocka_unit_test(scale_and_shift_change_nothing),         cmocka_unit_test(one_reference_a_prompt_is_enough),
        cmocka_unit_test(refuses_what_gives_no_scale),            cmocka_unit_test(restores_to_the_same_bits),
        cmocka_unit_test(a_stored_fit_is_centred_and_scaled),     cmocka_unit_test(survives_each_failed_allocation),
    };
    return cmocka_run_group_tests_name("group_rewards", tests, NULL, NULL);
}
