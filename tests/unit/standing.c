/* standing: which evaluations are shown, the price of fairness and the rates at equal KL. */
#include "unit/test.h"

#include <stdio.h>
#include <string.h>

#include "jobs/standing.h"

static struct err err;
static char text[8][900];

/* Evaluation number i: two groups of weights 3 and 1 with these rates by the judge (below 0: it has no word on the
 * second), the training reward saying 0.9 to all; `kl` below 0 is not known. */
static struct evaluation_figures evaluation(int i, const char *policy, const char *objective, double first,
                                            double second, double kl)
{
    static const char group[] =
        "{\"id\":\"00000000-0000-7000-8000-00000000000%d\",\"weight\":%d,\"win_rate\":%s,\"training\":{\"n\":10,"
        "\"rate\":0.9,\"low\":0.6,\"high\":1,\"bootstrap_low\":null},"
        "\"human\":{\"n\":0,\"rate\":null,\"low\":0,\"high\":1}}";
    char judged[2][120], groups[2][330], divergence[80] = "null";
    snprintf(judged[0], sizeof judged[0], "{\"n\":10,\"rate\":%g,\"low\":0,\"high\":1,\"bootstrap_low\":0.1,"
             "\"bootstrap_high\":0.9}", first);
    snprintf(judged[1], sizeof judged[1], second < 0 ? "null" : "{\"n\":10,\"rate\":%g,\"low\":0,\"high\":1}", second);
    if (kl >= 0)
        snprintf(divergence, sizeof divergence, "{\"mean\":%g,\"error\":0.5,\"n\":10}", kl);
    for (int u = 0; u < 2; u++)
        snprintf(groups[u], sizeof groups[u], group, u, u ? 1 : 3, judged[u]);
    snprintf(text[i], sizeof text[i], "{\"judge\":{\"status\":\"ok\"},\"groups\":[%s,%s],\"kl\":{\"policy\":%s}}",
             groups[0], groups[1], divergence);
    return (struct evaluation_figures){.policy = str_of(policy), .against = STR_LITERAL("base"),
                                       .objective = str_of(objective), .published_at = i, .result = str_of(text[i])};
}

static void write_standing(int n, const struct evaluation_figures *all, struct buf *out)
{
    buf_clear(out);
    assert_int_equal(standing_write(NULL, n, all, out, &err), 0);
}

static int count(const char *haystack, const char *needle)
{
    int n = 0;
    for (const char *at = strstr(haystack, needle); at; at = strstr(at + 1, needle))
        n++;
    return n;
}

static void fairness_has_a_price_and_a_yardstick(void **state)
{
    (void)state;
    struct buf out = {0};
    const struct evaluation_figures all[] = {
        evaluation(0, "single", "single", 0.6, 0.6, 1), /* an older one of the same policy: history only */
        evaluation(1, "single", "single", 0.9, 0.1, 16),
        evaluation(2, "fair", "maxmin", 0.7, 0.6, 4),
    };
    write_standing(3, all, &out);
    assert_int_equal(count(out.data, "\"groups\""), 2);
    assert_int_equal(count(out.data, "\"gap\""), 2 + 3);
    const char *fair = strstr(out.data, "\"policy\":\"fair\"");
    assert_non_null(fair);
    /* means 0.7 and 0.675; half way to 16 in sqrt: 0.5 + (0.9 - 0.5) / 2 and 0.5 + (0.1 - 0.5) / 2 */
    assert_non_null(strstr(fair, "\"compared_with\":\"single\""));
    assert_int_equal(strncmp(strstr(fair, "\"price_of_fairness\":") + 20, "0.02", 4), 0);
    assert_non_null(strstr(fair, "\"single_at_equal_kl\":0.7"));
    assert_non_null(strstr(fair, "\"single_at_equal_kl\":0.3"));
    assert_non_null(strstr(fair, "\"worst_off\":\"00000000-0000-7000-8000-000000000001\""));
    buf_free(&out);
}

static void what_cannot_be_compared_is_not(void **state)
{
    (void)state;
    struct buf out = {0};
    const struct evaluation_figures all[] = {
        evaluation(0, "single", "single", 0.9, -1, 16), /* the judge has no word on a group: the training reward's */
        evaluation(1, "fair", "maxmin", 0.7, 0.6, 4),
        evaluation(2, "far", NULL, 0.7, 0.6, -1),
    };
    write_standing(3, all, &out);
    assert_non_null(strstr(out.data, "\"by\":\"training\""));
    const char *fair = strstr(out.data, "\"policy\":\"fair\"");
    assert_non_null(strstr(fair, "\"by\":\"judge\""));
    assert_int_equal(count(fair, "\"price_of_fairness\":null"), 2);
    assert_int_equal(count(fair, "\"single_at_equal_kl\":null"), 4);
    assert_non_null(strstr(fair, "\"objective\":null"));
    buf_free(&out);
}

static void a_damaged_document_is_named(void **state)
{
    (void)state;
    struct buf out = {0};
    struct evaluation_figures bad = evaluation(0, "p", NULL, 0.5, 0.5, 1);
    bad.result = STR_LITERAL("{\"groups\":1}");
    assert_int_equal(standing_write(NULL, 1, &bad, &out, &err), -1);
    assert_int_equal(err.code, ERR_INTERNAL);
    buf_clear(&out);
    assert_int_equal(standing_write(NULL, 0, NULL, &out, &err), 0);
    assert_string_equal(out.data, "\"evaluations\":[],\"history\":[]");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(fairness_has_a_price_and_a_yardstick),
                                       cmocka_unit_test(what_cannot_be_compared_is_not),
                                       cmocka_unit_test(a_damaged_document_is_named)};
    return cmocka_run_group_tests_name("standing", tests, NULL, NULL);
}
