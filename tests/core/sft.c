/* Supervised training: which tokens count, packing that changes nothing, every example once an epoch, a schedule that
 * rises and falls, and a state that resumes to the same bits. */
#include "unit/test.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/align/sft.h"
#include "core/blas.h"
#include "core/model_support.h"
#include "core/tokenizer_support.h"

static const char merges[] = "a b / ab ab / Ġ c / Ċ Ċ";

static struct lm_model *small_model(const struct tokenizer *t)
{
    return tiny_gpt2((int)tokenizer_count(t), 32, 2, 32, -1, 3);
}

static void add(struct sft_data *d, const struct dialogue *dialogue, const char *prompt, const char *text)
{
    struct err err = {0};
    assert_int_equal(sft_data_add(d, dialogue, str_of(prompt), str_of(text), &err), 0);
}

/* Forty examples of several kinds. */
static void fill(struct sft_data *d, const struct dialogue *dialogue)
{
    static const char *const some[] = {"abab c", "c ab", "a", "ab\n\nc c c", "xyz ab"};
    for (int i = 0; i < 40; i++)
        add(d, dialogue, i % 5 == 4 ? NULL : some[(i + 2) % 5], some[i % 5]);
}

static struct sft_options options_of(int batch_tokens, double epochs)
{
    struct err err = {0};
    return (struct sft_options){.gemm = {.backend = gemm_backend(NULL, &err)},
                                .epochs = epochs,
                                .batch_tokens = batch_tokens,
                                .rate = 1e-3,
                                .warm_up = 0.25,
                                .seed = 4};
}

static void learns_the_response_only(void **state)
{
    (void)state;
    struct tokenizer *t = byte_level(merges);
    struct dialogue dialogue;
    struct err err = {0};
    struct sft_data d = {.longest = 32};
    struct sft_batch b;
    assert_int_equal(dialogue_make(t, "<|endoftext|>{prompt}\n\n", -1, &dialogue, &err), 0);
    add(&d, &dialogue, "ab<|endoftext|>", "abab c");
    const int32_t end = tokenizer_end(t), *ids = d.tokens.ids;
    assert_int_equal(d.count, 1);
    assert_int_equal(ids[0], end); /* begins the text */
    assert_int_equal(ids[1], end); /* of the template */
    for (int i = 2; i < d.examples[0].length - 1; i++)
        assert_int_not_equal(ids[i], end); /* what people write makes no special token */
    assert_int_equal(ids[d.examples[0].length - 1], end);
    assert_int_equal(d.examples[0].length - d.examples[0].prompt, 3); /* "abab", " c", end */
    assert_int_equal(sft_batch_make(64, &b, &err), 0);
    assert_true(sft_batch_add(&b, &d, &d.examples[0]));
    assert_int_equal(b.predictions, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(b.targets[i], ids[b.rows[i] + 1]);
    assert_int_equal(b.targets[0], tokenizer_find(t, "abab"));
    sft_batch_free(&b);
    sft_data_free(&d);
    dialogue_free(&dialogue);
    assert_int_equal(dialogue_make(t, "no place", -1, &dialogue, &err), -1);
    tokenizer_free(t);
}

static void predicts_each_token_of_a_long_text_once(void **state)
{
    (void)state;
    struct tokenizer *t = byte_level(merges);
    struct dialogue dialogue;
    struct err err = {0};
    struct sft_data d = {.longest = 7};
    assert_int_equal(dialogue_make(t, DIALOGUE_TEMPLATE, -1, &dialogue, &err), 0);
    add(&d, &dialogue, NULL, "a text that is longer than seven tokens by far");
    size_t predicted = 0;
    for (size_t i = 0; i < d.count; i++) {
        assert_true(d.examples[i].length <= 7);
        assert_int_equal(d.examples[i].offset, i * 6);
        predicted += (size_t)(d.examples[i].length - d.examples[i].prompt);
    }
    assert_int_equal(predicted, d.tokens.count - 1);
    assert_int_equal(d.cut, 1);
    add(&d, &dialogue, "a prompt that leaves no room", "at all");
    assert_int_equal(d.passed_over, 1);
    sft_data_free(&d);
    dialogue_free(&dialogue);
    tokenizer_free(t);
}

struct fixture {
    struct tokenizer *tokenizer;
    struct dialogue dialogue;
    struct sft_data data;
    struct lm_model *model;
};

static void make(struct fixture *f, double held_out)
{
    struct err err = {0};
    *f = (struct fixture){.tokenizer = byte_level(merges), .data = {.longest = 32, .held_out = held_out}};
    assert_int_equal(dialogue_make(f->tokenizer, DIALOGUE_TEMPLATE, -1, &f->dialogue, &err), 0);
    fill(&f->data, &f->dialogue);
    f->model = small_model(f->tokenizer);
}

static void clear(struct fixture *f)
{
    lm_model_free(f->model);
    sft_data_free(&f->data);
    dialogue_free(&f->dialogue);
    tokenizer_free(f->tokenizer);
}

static void packing_changes_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {0};
    double loss[2];
    long predictions[2];
    make(&f, 0.5);
    for (int i = 0; i < 2; i++) {
        struct sft_options o = options_of(i ? 500 : 32, 1);
        struct sft *s = sft_new(f.model, &f.data, &o, &err);
        assert_non_null(s);
        assert_int_equal(sft_held_out(s, &loss[i], &predictions[i], &err), 0);
        sft_free(s);
    }
    assert_true(predictions[0] > 40);
    assert_int_equal(predictions[0], predictions[1]);
    assert_true(fabs(loss[0] - loss[1]) < 1e-5);
    assert_true(fabs(loss[0] - log((double)tokenizer_count(f.tokenizer))) < 0.5); /* it knows nothing yet */
    clear(&f);
}

static void sees_each_example_once_an_epoch(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {0};
    struct sft_options o = options_of(64, 2);
    struct sft_step step = {0};
    long all = 0, seen[2] = {0, 0};
    double highest = 0, first = 0;
    make(&f, 0);
    for (size_t i = 0; i < f.data.count; i++)
        all += f.data.examples[i].length - f.data.examples[i].prompt;
    struct sft *s = sft_new(f.model, &f.data, &o, &err);
    assert_non_null(s);
    for (int64_t i = 0; i < sft_steps(s); i++) {
        assert_int_equal(sft_advance(s, &step, &err), 0);
        assert_in_range(step.epoch, 0, 1);
        assert_true(step.tokens <= 64);
        seen[step.epoch] += step.predictions;
        highest = fmax(highest, step.rate);
        first = i == 0 ? step.rate : first;
    }
    assert_int_equal(seen[0], all);
    assert_int_equal(seen[1], all);
    assert_true(highest <= 1e-3 && highest > 0.9e-3 && first < 0.5e-3 && step.rate < 0.2e-3);
    sft_free(s);
    clear(&f);
}

static void resumes_to_the_same_bits(void **state)
{
    (void)state;
    enum { BREAK = 4 };
    char out[] = "/tmp/egalign-sft-XXXXXX";
    struct err err = {0};
    struct sft_options o = options_of(64, 1.5);
    struct sft_step step;
    struct fixture whole, broken;
    assert_non_null(mkdtemp(out));
    make(&whole, 0.1);
    make(&broken, 0.1);
    struct sft *a = sft_new(whole.model, &whole.data, &o, &err), *b = sft_new(broken.model, &broken.data, &o, &err);
    assert_true(sft_steps(a) > BREAK + 2);
    assert_int_equal(sft_resume(b, out, &err), 0);
    for (int64_t i = 0; i < sft_steps(a); i++)
        assert_int_equal(sft_advance(a, &step, &err), 0);
    for (int i = 0; i < BREAK; i++)
        assert_int_equal(sft_advance(b, &step, &err), 0);
    assert_int_equal(sft_save(b, out, &err), 0);
    assert_int_equal(sft_advance(b, &step, &err), 0); /* lost */
    sft_free(b);
    lm_model_randomize(broken.model, 99);
    b = sft_new(broken.model, &broken.data, &o, &err);
    assert_int_equal(sft_resume(b, out, &err), 1);
    assert_int_equal(sft_done(b), BREAK);
    while (sft_done(b) < sft_steps(b))
        assert_int_equal(sft_advance(b, &step, &err), 0);
    assert_memory_equal(whole.model->weights, broken.model->weights,
                        whole.model->layout.count * sizeof *whole.model->weights);
    sft_free(b);
    o.rate = 2e-3; /* another course */
    b = sft_new(broken.model, &broken.data, &o, &err);
    assert_int_equal(sft_resume(b, out, &err), -1);
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_int_equal(sft_forget(out, &err), 0);
    assert_int_equal(rmdir(out), 0); /* nothing else was left */
    sft_free(a);
    sft_free(b);
    clear(&whole);
    clear(&broken);
}

static void refuses_what_can_not_train(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {0};
    make(&f, 0);
    struct sft_options o = options_of(31, 1); /* less than the longest example */
    assert_null(sft_new(f.model, &f.data, &o, &err));
    assert_int_equal(err.code, ERR_INVALID_VALUE);
    o = options_of(64, 0);
    assert_null(sft_new(f.model, &f.data, &o, &err));
    assert_int_equal(err.code, ERR_INVALID_VALUE);
    for (size_t i = 0; i < f.data.count; i++)
        f.data.examples[i].held_out = true;
    o = options_of(64, 1);
    assert_null(sft_new(f.model, &f.data, &o, &err));
    assert_int_equal(err.code, ERR_INSUFFICIENT_DATA);
    clear(&f);
}

static int start(void **state)
{
    struct err err;
    (void)state;
    return blas_start(&err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learns_the_response_only), cmocka_unit_test(predicts_each_token_of_a_long_text_once),
        cmocka_unit_test(packing_changes_nothing),  cmocka_unit_test(sees_each_example_once_an_epoch),
        cmocka_unit_test(resumes_to_the_same_bits), cmocka_unit_test(refuses_what_can_not_train),
    };
    return cmocka_run_group_tests_name("sft", tests, start, NULL);
}
