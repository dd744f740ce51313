/* The pipeline on texts at the smallest sizes: a writer that learns, samples that do not depend on threads, a KL that
 * is zero to oneself, people who are placed right, and a policy that moves where its reward is. */
#include "unit/test.h"

#include <math.h>

#include "core/blas.h"
#include "core/lab/reviews_policy.h"

enum { PROMPTS = 60, EACH = 4 };

struct place {
    struct gemm gemm;
    struct reviews_writer writer;
    struct reviews_samples samples;
    int prompts[PROMPTS];
};

static int open_place(void **state)
{
    static struct place p;
    struct err err = {0};
    assert_int_equal(blas_start(&err), 0);
    p.gemm = (struct gemm){gemm_backend("fp32", &err), threads_new(2, &err)};
    struct reviews_writer_options options = {.gemm = p.gemm,
                                             .seed = 5,
                                             .layers = 1,
                                             .width = 64,
                                             .vocabulary = 400,
                                             .reviews = 4000,
                                             .epochs = 4,
                                             .rate = 6e-3,
                                             .response_tokens = 48};
    assert_int_equal(reviews_writer_open(&options, &p.writer, &err), 0);
    for (int i = 0, n = 0; n < PROMPTS; i++)
        if (!reviews_held_out(i))
            p.prompts[n++] = i;
    assert_int_equal(reviews_sample(&p.writer, NULL, PROMPTS, p.prompts, EACH, 9, &p.samples, &err), 0);
    *state = &p;
    return 0;
}

static int close_place(void **state)
{
    struct place *p = *state;
    reviews_samples_free(&p->samples);
    reviews_writer_close(&p->writer);
    threads_free(p->gemm.threads);
    return 0;
}

static void the_writer_writes(void **state)
{
    struct place *p = *state;
    struct reviews_summary sum = reviews_summarise(&p->samples);
    assert_true(p->writer.perplexity < 12);
    assert_true(sum.words > 3 && sum.words < 40);
    assert_true(sum.derived > 0.1 && sum.kl == 0);
}

static void samples_do_not_depend_on_threads(void **state)
{
    struct place *p = *state;
    struct reviews_samples again;
    struct reviews_writer one = p->writer;
    struct err err = {0};
    one.gemm.threads = NULL;
    assert_int_equal(reviews_sample(&one, NULL, PROMPTS, p->prompts, EACH, 9, &again, &err), 0);
    assert_int_equal(again.text.length, p->samples.text.length);
    assert_memory_equal(again.text.data, p->samples.text.data, again.text.length);
    reviews_samples_free(&again);
}

static void the_divergence_from_oneself_is_zero_and_from_another_is_not(void **state)
{
    struct place *p = *state;
    struct reviews_samples s;
    struct err err = {0};
    assert_int_equal(reviews_sample(&p->writer, p->writer.model, PROMPTS, p->prompts, EACH, 9, &s, &err), 0);
    for (int i = 0; i < s.count; i++)
        assert_true(fabs(s.kl[i]) < 1e-2);
    reviews_samples_free(&s);
    struct lm_model *other = lm_model_new(&p->writer.model->shape, &err);
    assert_non_null(other);
    lm_model_randomize(other, 77);
    assert_int_equal(reviews_sample(&p->writer, other, PROMPTS, p->prompts, 1, 9, &s, &err), 0);
    assert_true(reviews_summarise(&s).kl > 10);
    reviews_samples_free(&s);
    lm_model_free(other);
}

static void people_are_placed_and_a_policy_follows_their_reward(void **state)
{
    struct place *p = *state;
    struct reviews_people people = {.size = {40, 20}, .comparisons = 40, .seed = 3};
    struct reviews_training training = {
        .mode = OBJECTIVE_MAXMIN, .seed = 3, .updates = 4, .snapshot_every = 2};
    struct fit_options options;
    struct reviews_judge judge;
    struct reviews_course course;
    struct err err = {0};
    fit_options_default(&options);
    options.k = 2;
    options.ridge = 3;
    options.folds = 2;
    assert_int_equal(reviews_judge_open(&p->writer, &p->samples, &people, &options, &judge, &err), 0);
    assert_true(judge.placed > 0.75);
    assert_int_equal(reviews_train(&p->writer, &judge, &p->samples, &training, &course, &err), 0);
    assert_int_equal(course.snapshots, 2);
    assert_true(isfinite(course.snapshot[0].kl) && isnan(course.snapshot[1].kl));
    assert_true(course.last.kl > 0.01 && course.last.scores > 0.1);
    reviews_course_free(&course);
    reviews_judge_close(&judge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_writer_writes),
        cmocka_unit_test(samples_do_not_depend_on_threads),
        cmocka_unit_test(the_divergence_from_oneself_is_zero_and_from_another_is_not),
        cmocka_unit_test(people_are_placed_and_a_policy_follows_their_reward),
    };
    return cmocka_run_group_tests(tests, open_place, close_place);
}
