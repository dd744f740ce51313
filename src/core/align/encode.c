#include "core/align/encode.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { BATCH_TOKENS = 4096, LEAST_CONTEXT = 4 };

/* Where a sequence of the present batch lies, and whose features it makes. */
struct place {
    int row;     /* of the answer */
    int answers; /* first token of the response, within the batch */
};

struct encode {
    const struct lm_model *model;
    const struct dialogue *dialogue;
    enum encode_packing packing;
    int longest, room; /* tokens: of a sequence, of a batch */
    struct lm_run *run;
    struct token_list text; /* the sequence at hand */
    int32_t *tokens;        /* [room] */
    int *starts;            /* [room + 1] */
    struct place *places;   /* [room] */
    int sequences;
    struct encode_counts counts;
};

static int longest_of(const struct lm_shape *shape)
{
    return shape->context < ENCODE_LONGEST ? shape->context : ENCODE_LONGEST;
}

void encode_identity(const uint8_t checkpoint[SHA256_SIZE], const struct lm_shape *shape, uint8_t ret[SHA256_SIZE])
{
    char how[96];
    struct sha256 hash;
    int n = snprintf(how, sizeof how, "egalign lm encoder %d: last token, mean of response, %d tokens", ENCODE_VERSION,
                     longest_of(shape));
    sha256_init(&hash);
    sha256_update(&hash, how, (size_t)n);
    sha256_update(&hash, checkpoint, SHA256_SIZE);
    sha256_final(&hash, ret);
}

int encode_open(const struct lm_model *model, const struct dialogue *dialogue, const struct encode_options *options,
                struct encode **ret, struct err *err)
{
    if (model->shape.context < LEAST_CONTEXT)
        return err_set(err, ERR_INVALID_VALUE, "a model of context %d cannot read a prompt and a response",
                       model->shape.context);
    struct encode *e = mem_zeroed(1, sizeof *e);
    if (!e)
        return err_memory(err);
    e->model = model;
    e->dialogue = dialogue;
    e->packing = options->packing;
    e->longest = longest_of(&model->shape);
    e->room = options->packing == ENCODE_EXACT ? e->longest : options->batch_tokens;
    e->room = e->room ? e->room : BATCH_TOKENS;
    e->room = e->room < e->longest ? e->longest : e->room;
    struct lm_options run = {.gemm = options->gemm, .max_tokens = e->room, .max_sequence = e->longest, .head_rows = 1,
                             .memory_limit = options->memory_limit};
    e->tokens = mem_array((size_t)e->room, sizeof *e->tokens);
    e->starts = mem_zeroed((size_t)e->room + 1, sizeof *e->starts);
    e->places = mem_array((size_t)e->room, sizeof *e->places);
    if (!e->tokens || !e->starts || !e->places)
        err_memory(err);
    else
        e->run = lm_run_new(model, &run, err);
    if (!e->run) {
        encode_close(e);
        return -1;
    }
    *ret = e;
    return 0;
}

void encode_close(struct encode *e)
{
    if (!e)
        return;
    lm_run_free(e->run);
    token_list_free(&e->text);
    mem_free(e->tokens);
    mem_free(e->starts);
    mem_free(e->places);
    mem_free(e);
}

struct encode_counts encode_counts(const struct encode *e)
{
    return e->counts;
}

/* The features of sequence `s`: of its last token, and the mean over the response's. */
static int pool(const struct encode *e, int s, float *ret, struct err *err)
{
    size_t D = (size_t)e->model->shape.width;
    const float *hidden = lm_hidden(e->run);
    int first = e->places[s].answers, end = e->starts[s + 1];
    for (size_t j = 0; j < D; j++) {
        double sum = 0;
        for (int t = first; t < end; t++)
            sum += hidden[(size_t)t * D + j];
        ret[j] = hidden[(size_t)(end - 1) * D + j];
        ret[D + j] = (float)(sum / (end - first));
        if (!isfinite(sum))
            return err_set(err, ERR_NUMERICAL, "the model's hidden state of a response is not finite");
    }
    return 0;
}

/* Runs what is packed, and empties the batch. */
static int flush(struct encode *e, float *ret, struct err *err)
{
    size_t dimension = (size_t)encode_dimension(&e->model->shape);
    struct lm_batch batch = {.sequences = e->sequences, .starts = e->starts, .tokens = e->tokens};
    if (e->sequences == 0)
        return 0;
    if (lm_forward(e->run, &batch, NULL, err) < 0)
        return -1;
    for (int s = 0; s < e->sequences; s++)
        if (pool(e, s, ret + (size_t)e->places[s].row * dimension, err) < 0)
            return -1;
    e->counts.sequences += e->sequences;
    e->counts.tokens += e->starts[e->sequences];
    e->sequences = 0;
    return 0;
}

int encode_texts(struct encode *e, int n, const struct str *prompts, const struct str *responses, float *ret,
                 struct err *err)
{
    int prompt = 0;
    e->sequences = 0;
    for (int i = 0; i < n; i++) {
        int cut = dialogue_sequence(e->dialogue, prompts[i], responses[i], e->longest, &e->text, &prompt, err);
        if (cut < 0)
            return -1;
        e->counts.cut += cut;
        int length = (int)e->text.count, start = e->starts[e->sequences];
        if (e->sequences > 0 && (e->packing == ENCODE_EXACT || start + length > e->room)) {
            if (flush(e, ret, err) < 0)
                return -1;
            start = 0;
        }
        memcpy(e->tokens + start, e->text.ids, (size_t)length * sizeof *e->tokens);
        e->places[e->sequences++] = (struct place){i, start + prompt};
        e->starts[e->sequences] = start + length;
    }
    return flush(e, ret, err);
}

static int encode_callback(void *context, int n, const struct str *prompts, const struct str *responses, float *ret,
                           struct err *err)
{
    return encode_texts(context, n, prompts, responses, ret, err);
}

struct scorer_encoder encode_for_scorer(struct encode *e, const uint8_t digest[SHA256_SIZE])
{
    struct scorer_encoder lent = {
        .dimension = encode_dimension(&e->model->shape), .encode = encode_callback, .context = e};
    memcpy(lent.digest, digest, sizeof lent.digest);
    return lent;
}
