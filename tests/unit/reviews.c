/* The grammar of reviews: what it generates it derives, repetition and nonsense carry no sentiment, and the two tastes
 * differ as they should. */
#include "unit/test.h"

#include <math.h>

#include "core/lab/reviews.h"

static struct reviews_measure measured(const char *prompt, const char *response)
{
    struct reviews_measure m;
    reviews_measure(str_of(prompt), str_of(response), &m);
    return m;
}

static void sentiment_is_the_sum_over_derived_sentences(void **state)
{
    (void)state;
    struct reviews_measure m = measured("Review of the tent. The look", " is very good. I hate it. It took an hour.");
    assert_int_equal(m.words, 10);
    assert_int_equal(m.sentences, 3);
    assert_int_equal(m.derived, 3);
    assert_true(fabs(m.sentiment - (1.25 - 2)) < 1e-12);
    m = measured("On the film. I", " adore it in every way. All in all, the plot is the best of all that I have seen.");
    assert_int_equal(m.derived, 2);
    assert_true(fabs(m.sentiment - 6) < 1e-12);
    m = measured("On the film. It", " is very much better than I had dared to hope.");
    assert_true(m.derived == 0 && m.sentiment == 0);
}

static void nonsense_repetition_and_unfinished_sentences_say_nothing(void **state)
{
    (void)state;
    const char *prompt = "Notes on the desk. It";
    assert_true(measured(prompt, " is great great great.").sentiment == 0);
    assert_true(measured(prompt, " is great. Superb.").sentiment == 2);
    assert_true(measured(prompt, " is great. It is great. It is great.").sentiment == 2);
    assert_true(measured(prompt, " is great. I love").sentiment == 2);
    assert_int_equal(measured(prompt, " is great. I love").words, 4);
    assert_true(measured(prompt, " is greatest.").sentiment == 0);
    assert_true(measured(prompt, "").sentiment == 0);
    assert_true(measured("no header", ". . .").sentiment == 0);
}

static void all_that_is_generated_is_derived(void **state)
{
    (void)state;
    struct buf prompt = {0}, response = {0}, again = {0};
    struct rng rng, same;
    double sum = 0, squares = 0;
    int n = 4 * REVIEWS_PROMPTS;
    rng_init(&rng, 7, 0);
    rng_init(&same, 7, 0);
    for (int i = 0; i < n; i++) {
        struct reviews_measure m;
        buf_clear(&prompt);
        buf_clear(&response);
        buf_clear(&again);
        reviews_prompt(&prompt, i % REVIEWS_PROMPTS);
        reviews_response(&response, i % REVIEWS_PROMPTS, &rng);
        reviews_response(&again, i % REVIEWS_PROMPTS, &same);
        assert_string_equal(response.data, again.data);
        reviews_measure((struct str){prompt.data, prompt.length}, (struct str){response.data, response.length}, &m);
        assert_in_range(m.sentences, 1, 5);
        assert_true(m.derived >= 1 && m.words >= 2);
        sum += m.sentiment / n;
        squares += m.sentiment * m.sentiment / n;
    }
    assert_true(sum > 0.5 && sum < 1.5);
    assert_true(squares > 4);
    buf_free(&prompt);
    buf_free(&response);
    buf_free(&again);
}

static void a_quarter_of_the_prompts_is_held_out(void **state)
{
    (void)state;
    int held_out = 0;
    for (int i = 0; i < REVIEWS_PROMPTS; i++)
        held_out += reviews_held_out(i);
    assert_int_equal(held_out, REVIEWS_PROMPTS / 4);
}

static void the_tastes_are_opposed_where_praise_costs_words(void **state)
{
    (void)state;
    const char *prompt = "Notes on the desk. It";
    struct reviews_measure little = measured(prompt, " is plain.");
    struct reviews_measure much =
        measured(prompt, " is a joy to me from the first day on. I am so glad that I found it.");
    struct rng rng;
    int praised = 0, brief = 0;
    assert_true(reviews_utility(REVIEWS_SENTIMENT, &much) > reviews_utility(REVIEWS_SENTIMENT, &little));
    assert_true(reviews_utility(REVIEWS_CONCISENESS, &much) < reviews_utility(REVIEWS_CONCISENESS, &little));
    rng_init(&rng, 1, 0);
    for (int i = 0; i < 1000; i++) {
        praised += reviews_prefers(REVIEWS_SENTIMENT, &much, &little, &rng);
        brief += reviews_prefers(REVIEWS_CONCISENESS, &little, &much, &rng);
    }
    assert_in_range(praised, 970, 1000); /* sigma(4.8) = .992 */
    assert_in_range(brief, 830, 915); /* sigma(1.92) = .872 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentiment_is_the_sum_over_derived_sentences),
        cmocka_unit_test(nonsense_repetition_and_unfinished_sentences_say_nothing),
        cmocka_unit_test(all_that_is_generated_is_derived),
        cmocka_unit_test(a_quarter_of_the_prompts_is_held_out),
        cmocka_unit_test(the_tastes_are_opposed_where_praise_costs_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
