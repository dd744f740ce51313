/* The lm encoder: features are those of a plain pass over each sequence, whatever is beside it; long sequences are cut
 * as said; mapped checkpoints give the same; and a stored fit scores texts with its own encoder only. */
#include "unit/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "core/align/encode.h"
#include "core/blas.h"
#include "core/lm/checkpoint.h"
#include "core/lm_support.h"
#include "core/model_support.h"
#include "core/reward/fit.h"
#include "core/tokenizer_support.h"

static const char merges[] = "a b / ab ab / Ġ c / Ċ Ċ";
enum { CONTEXT = 32, WIDTH = 32, DIMENSION = 2 * WIDTH, TEXTS = 24, ROOM = 64 };

struct fixture {
    struct tokenizer *tokenizer;
    struct dialogue dialogue;
    struct lm_model *model;
    char texts[2 * TEXTS][ROOM];
    struct str prompts[TEXTS], responses[TEXTS];
};

/* Texts of 0 .. 22 letters, so that no sequence is cut. */
static struct str some_text(struct rng *r, char room[ROOM], int most)
{
    static const char *const parts[] = {"ab", "abab", " c", "x", "\n\n"};
    room[0] = '\0';
    for (int i = (int)rng_below(r, (uint32_t)most); i > 0; i--)
        strcat(room, parts[rng_below(r, 5)]);
    return str_of(room);
}

static void make(struct fixture *f)
{
    struct err err = {0};
    struct rng r;
    *f = (struct fixture){.tokenizer = byte_level(merges)};
    assert_int_equal(dialogue_make(f->tokenizer, DIALOGUE_TEMPLATE, -1, &f->dialogue, &err), 0);
    f->model = tiny_gpt2((int)tokenizer_count(f->tokenizer), CONTEXT, 2, WIDTH, -1, 3);
    for (size_t i = 0; i < f->model->layout.count; i++) /* so that the states differ clearly */
        f->model->weights[i] *= 5;
    rng_init(&r, 7, 0);
    for (int i = 0; i < TEXTS; i++) {
        f->prompts[i] = some_text(&r, f->texts[2 * i], 6);
        f->responses[i] = some_text(&r, f->texts[2 * i + 1], 6);
    }
}

static void clear(struct fixture *f)
{
    lm_model_free(f->model);
    dialogue_free(&f->dialogue);
    tokenizer_free(f->tokenizer);
}

static struct encode *open_encoder(const struct fixture *f, const struct lm_model *m, enum encode_packing packing,
                                   struct threads *threads)
{
    struct err err = {0};
    struct encode *e = NULL;
    struct encode_options o = {.gemm = {gemm_backend(NULL, NULL), threads}, .packing = packing, .batch_tokens = 100};
    if (encode_open(m, &f->dialogue, &o, &e, &err) < 0)
        fail_msg("%s", err.message);
    return e;
}

/* The plain way: one sequence, one pass, the definition. */
static void plain_features(const struct fixture *f, int i, float *ret)
{
    struct err err = {0};
    struct token_list tokens = {0};
    assert_int_equal(dialogue_prompt(&f->dialogue, f->prompts[i], &tokens, &err), 0);
    int first = (int)tokens.count;
    assert_int_equal(dialogue_response(&f->dialogue, f->responses[i], &tokens, &err), 0);
    int starts[2] = {0, (int)tokens.count};
    struct lm_options o = {.gemm = {gemm_backend(NULL, NULL), NULL}, .max_tokens = CONTEXT};
    struct lm_run *run = lm_run_new(f->model, &o, &err);
    assert_int_equal(lm_forward(run, &(struct lm_batch){.sequences = 1, .starts = starts, .tokens = tokens.ids}, NULL,
                                &err), 0);
    for (int j = 0; j < WIDTH; j++) {
        double sum = 0;
        for (int t = first; t < starts[1]; t++)
            sum += lm_hidden(run)[t * WIDTH + j];
        ret[j] = lm_hidden(run)[(starts[1] - 1) * WIDTH + j];
        ret[WIDTH + j] = (float)(sum / (starts[1] - first));
    }
    lm_run_free(run);
    token_list_free(&tokens);
}

static void features_are_those_of_each_sequence_alone(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {0};
    static float plain[TEXTS * DIMENSION], exact[TEXTS * DIMENSION], packed[TEXTS * DIMENSION];
    make(&f);
    for (int i = 0; i < TEXTS; i++)
        plain_features(&f, i, plain + i * DIMENSION);
    struct encode *one = open_encoder(&f, f.model, ENCODE_EXACT, NULL);
    assert_int_equal(encode_texts(one, TEXTS, f.prompts, f.responses, exact, &err), 0);
    assert_memory_equal(exact, plain, sizeof plain);
    assert_int_equal(encode_counts(one).sequences, TEXTS);
    assert_int_equal(encode_counts(one).cut, 0);
    assert_int_equal(encode_texts(one, 1, f.prompts + 5, f.responses + 5, exact, &err), 0); /* alone, after others */
    assert_memory_equal(exact, plain + 5 * DIMENSION, DIMENSION * sizeof *plain);
    struct encode *many = open_encoder(&f, f.model, ENCODE_PACKED, NULL);
    assert_int_equal(encode_texts(many, TEXTS, f.prompts, f.responses, packed, &err), 0);
    assert_close_f(TEXTS * DIMENSION, packed, plain, 1e-5);
    encode_close(one);
    encode_close(many);
    clear(&f);
}

static void threads_change_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {0};
    static float features[2][TEXTS * DIMENSION];
    make(&f);
    for (int packing = ENCODE_EXACT; packing <= ENCODE_PACKED; packing++) {
        for (int i = 0; i < 2; i++) {
            struct threads *threads = threads_new(i + 1, &err);
            struct encode *e = open_encoder(&f, f.model, (enum encode_packing)packing, threads);
            assert_int_equal(encode_texts(e, TEXTS, f.prompts, f.responses, features[i], &err), 0);
            encode_close(e);
            threads_free(threads);
        }
        assert_memory_equal(features[0], features[1], sizeof features[0]);
    }
    clear(&f);
}

static void a_mapped_checkpoint_gives_the_same(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {0};
    char folder[] = "/tmp/egalign-encode-XXXXXX", command[64];
    static float features[2][TEXTS * DIMENSION];
    make(&f);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(checkpoint_save(f.model, folder, NULL, DTYPE_BF16, &err), 0);
    struct lm_model *models[2] = {checkpoint_load(folder, &err), checkpoint_map(folder, &err)};
    for (int i = 0; i < 2; i++) {
        assert_non_null(models[i]);
        struct encode *e = open_encoder(&f, models[i], ENCODE_PACKED, NULL);
        assert_int_equal(encode_texts(e, TEXTS, f.prompts, f.responses, features[i], &err), 0);
        encode_close(e);
        lm_model_free(models[i]);
    }
    assert_memory_equal(features[0], features[1], sizeof features[0]);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    clear(&f);
}

/* What is cut away does not matter; what is kept does. Tokens are letters here: none of "xyz" is merged. */
static void long_sequences_keep_what_matters(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {0};
    char prompts[3][200], responses[3][200];
    float features[3][DIMENSION];
    make(&f);
    struct encode *e = open_encoder(&f, f.model, ENCODE_EXACT, NULL);
    for (int i = 0; i < 3; i++) { /* a long prompt, with a short response: only its end is read */
        memset(prompts[i], 'x', 100);
        prompts[i][100] = '\0';
    }
    prompts[1][3] = 'y';
    prompts[2][95] = 'y';
    struct str p[3] = {str_of(prompts[0]), str_of(prompts[1]), str_of(prompts[2])}, r[3];
    for (int i = 0; i < 3; i++)
        r[i] = STR_LITERAL("zz");
    assert_int_equal(encode_texts(e, 3, p, r, features[0], &err), 0);
    assert_memory_equal(features[0], features[1], sizeof features[0]);
    assert_memory_not_equal(features[0], features[2], sizeof features[0]);
    for (int i = 0; i < 3; i++) { /* a long response behind it: the prompt keeps half of the room */
        memset(responses[i], 'z', 100);
        responses[i][100] = '\0';
        r[i] = str_of(responses[i]);
        p[i] = str_of(prompts[0]);
    }
    responses[1][40] = 'y';
    responses[2][2] = 'y';
    assert_int_equal(encode_texts(e, 3, p, r, features[0], &err), 0);
    assert_memory_equal(features[0], features[1], sizeof features[0]);
    assert_memory_not_equal(features[0], features[2], sizeof features[0]);
    assert_int_equal(encode_counts(e).cut, 6);
    assert_int_equal(encode_counts(e).tokens, 6 * CONTEXT);
    encode_close(e);
    clear(&f);
}

/* A data set of features of the texts, two responses an item, judged by two tastes. */
static struct dataset *judged(const float *features, const uint8_t digest[SHA256_SIZE])
{
    struct err err = {0};
    struct dataset *ds = dataset_new_dense(DIMENSION, &err);
    dataset_name_encoder(ds, digest);
    for (int i = 0; i < TEXTS; i++) {
        if (i % 2 == 0)
            dataset_add_item(ds, STR_LITERAL(""), &err);
        assert_int_equal(dataset_add_features(ds, i / 2, features + i * DIMENSION, &err), i);
    }
    for (int h = 0; h < 10; h++) {
        assert_int_equal(dataset_add_annotator(ds, &err), h);
        for (int i = 0; i < TEXTS; i += 2) {
            bool first = features[i * DIMENSION] > features[(i + 1) * DIMENSION];
            struct comparison c = {h, i, i + 1, first == (h % 2 == 0) ? CHOICE_A : CHOICE_B, 0};
            assert_true(dataset_add_comparison(ds, &c, &err) >= 0);
        }
    }
    return ds;
}

static void a_stored_fit_scores_texts_with_its_own_encoder_only(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {0};
    static float features[TEXTS * DIMENSION];
    uint8_t checkpoint[SHA256_SIZE] = {1}, digest[SHA256_SIZE], other[SHA256_SIZE];
    double scores[3 * TEXTS], expected[3];
    struct fit_options o;
    struct fit *fit = NULL;
    struct buf bytes = {0};
    struct scorer *s = NULL;
    make(&f);
    encode_identity(checkpoint, &f.model->shape, digest);
    checkpoint[0] = 2;
    encode_identity(checkpoint, &f.model->shape, other);
    assert_memory_not_equal(digest, other, sizeof digest);
    struct encode *e = open_encoder(&f, f.model, ENCODE_EXACT, NULL);
    assert_int_equal(encode_texts(e, TEXTS, f.prompts, f.responses, features, &err), 0);
    struct dataset *ds = judged(features, digest);
    fit_options_default(&o);
    o.k = 2;
    o.ridge = 1;
    assert_int_equal(fit_run(ds, &o, &fit, &err), 0);
    fit_save(fit, &bytes);
    assert_int_equal(scorer_open(bytes.data, bytes.length, &s, &err), 0);
    const uint8_t *needed;
    assert_true(scorer_needs_encoder(s, &needed));
    assert_memory_equal(needed, digest, sizeof digest);
    assert_int_equal(scorer_score(s, f.prompts[0], f.responses[0], scores, &err), -1);
    assert_int_equal(err.code, ERR_INVALID_VALUE);
    struct scorer_encoder lent = encode_for_scorer(e, other);
    assert_int_equal(scorer_lend_encoder(s, &lent, &err), -1);
    assert_int_equal(err.code, ERR_CONFLICT);
    lent = encode_for_scorer(e, digest);
    assert_int_equal(scorer_lend_encoder(s, &lent, &err), 0);
    assert_int_equal(scorer_score_all(s, TEXTS, f.prompts, f.responses, scores, &err), 0);
    for (int i = 0; i < TEXTS; i++) {
        scorer_score_features(s, features + i * DIMENSION, expected);
        assert_memory_equal(scores + 3 * i, expected, sizeof expected);
    }
    assert_int_equal(scorer_score(s, f.prompts[0], f.responses[0], expected, &err), 0);
    assert_memory_equal(scores, expected, sizeof expected);
    scorer_free(s);
    bytes.data[60] ^= 1; /* within the digest */
    assert_int_equal(scorer_open(bytes.data, bytes.length, &s, &err), -1);
    assert_int_equal(err.code, ERR_BAD_FILE);
    buf_free(&bytes);
    fit_free(fit);
    dataset_free(ds);
    encode_close(e);
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
        cmocka_unit_test(features_are_those_of_each_sequence_alone),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(a_mapped_checkpoint_gives_the_same),
        cmocka_unit_test(long_sequences_keep_what_matters),
        cmocka_unit_test(a_stored_fit_scores_texts_with_its_own_encoder_only),
    };
    return cmocka_run_group_tests_name("encode", tests, start, NULL);
}
