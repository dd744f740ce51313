#include "core/align/sft.h"

#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "core/align/sft_parts.h"

static const struct adamw_options how = {.beta1 = 0.9f, .beta2 = 0.95f, .epsilon = 1e-8f, .clip = 1};

#define LEAST_RATE 0.1 /* of the highest, at the end */

void sft_shuffle(struct sft *s)
{
    struct rng rng;
    size_t n = 0;
    for (size_t i = 0; i < s->data->count; i++)
        if (!s->data->examples[i].held_out)
            s->order[n++] = (uint32_t)i;
    rng_init(&rng, s->options.seed, UINT64_C(1) << 32 | (uint32_t)s->place.epoch);
    rng_shuffle(&rng, s->order, n);
}

static const struct sft_example *example_at(const struct sft *s, size_t position)
{
    return &s->data->examples[s->order[position]];
}

/* Steps that the examples of the present epoch make, packed as sft_advance packs them. */
static int64_t steps_of_epoch(struct sft *s)
{
    int64_t steps = 1;
    int used = 0;
    sft_shuffle(s);
    for (size_t i = 0; i < s->trained; i++) {
        int length = example_at(s, i)->length;
        if (!sft_batch_fits(s->options.batch_tokens, used, length)) {
            steps++;
            used = 0;
        }
        used += length - 1;
    }
    return steps;
}

static int64_t count_steps(struct sft *s)
{
    double steps = 0;
    if (s->options.steps > 0)
        return s->options.steps;
    for (s->place.epoch = 0; s->place.epoch < ceil(s->options.epochs); s->place.epoch++)
        steps += (double)steps_of_epoch(s) * fmin(1, s->options.epochs - s->place.epoch);
    s->place.epoch = 0;
    return steps < 1 ? 1 : (int64_t)round(steps);
}

static int check(const struct sft_data *data, const struct sft_options *o, struct err *err)
{
    if (o->batch_tokens < data->longest || o->batch_tokens > 1 << 24)
        return err_set(err, ERR_INVALID_VALUE, "a batch of %d tokens is not between the longest example (%d) and 2^24",
                       o->batch_tokens, data->longest);
    if (!(o->rate > 0 && o->rate < 1) || !(o->warm_up >= 0 && o->warm_up <= 1) || !(o->weight_decay >= 0))
        return err_set(err, ERR_INVALID_VALUE, "the learning rate, the warm-up or the weight decay is out of range");
    if (o->steps <= 0 && !(o->epochs > 0 && o->epochs <= 10000))
        return err_set(err, ERR_INVALID_VALUE, "neither steps nor epochs (at most 10000) are given");
    return 0;
}

static struct lm_options run_options(const struct sft_data *data, const struct sft_options *o)
{
    return (struct lm_options){.gemm = o->gemm,
                               .max_tokens = o->batch_tokens,
                               .max_sequence = data->longest,
                               .train = true,
                               .frozen = o->frozen,
                               .recompute = o->recompute,
                               .mapped = o->mapped,
                               .adapters = o->adapters};
}

size_t sft_bytes(const struct lm_shape *shape, const struct sft_data *data, const struct sft_options *options)
{
    struct lm_layout layout;
    struct lm_options run = run_options(data, options);
    if (lm_layout_make(shape, &layout, NULL) < 0)
        return SIZE_MAX;
    size_t count = layout.count, trained = options->adapters ? options->adapters->total : count;
    size_t weights = (options->mapped ? 0 : count) + (options->adapters ? trained : 0);
    lm_layout_free(&layout);
    return weights * sizeof(float) + lm_run_bytes(shape, &run) + adamw_bytes(trained);
}

struct sft *sft_new(struct lm_model *model, const struct sft_data *data, const struct sft_options *options,
                    struct err *err)
{
    struct lm_options run = run_options(data, options);
    struct adamw_options adam = how;
    if (check(data, options, err) < 0)
        return NULL;
    struct sft *s = mem_zeroed(1, sizeof *s);
    if (!s) {
        err_memory(err);
        return NULL;
    }
    *s = (struct sft){.model = model, .data = data, .options = *options};
    for (size_t i = 0; i < data->count; i++)
        s->trained += !data->examples[i].held_out;
    adam.weight_decay = (float)options->weight_decay;
    s->order = mem_array(s->trained + 1, sizeof *s->order);
    s->logp = mem_array((size_t)options->batch_tokens, sizeof *s->logp);
    if (!s->order || !s->logp)
        err_memory(err);
    else if (s->trained == 0)
        err_set(err, ERR_INSUFFICIENT_DATA, "there is no example to train on");
    else if (sft_batch_make(options->batch_tokens, &s->batch, err) == 0 && (s->run = lm_run_new(model, &run, err)))
        s->adam = adamw_new(model, s->run, &adam, err);
    if (!s->adam) {
        sft_free(s);
        return NULL;
    }
    s->steps = count_steps(s);
    sft_shuffle(s);
    return s;
}

void sft_free(struct sft *s)
{
    if (!s)
        return;
    adamw_free(s->adam);
    lm_run_free(s->run);
    sft_batch_free(&s->batch);
    mem_free(s->logp);
    mem_free(s->order);
    mem_free(s);
}

int64_t sft_steps(const struct sft *s)
{
    return s->steps;
}

int64_t sft_done(const struct sft *s)
{
    return s->place.done;
}

/* The examples of the next step, and where the one after it begins. A batch ends with its epoch. */
static void fill_batch(struct sft *s)
{
    if (s->place.next == s->trained) {
        s->place.epoch++;
        s->place.next = 0;
        sft_shuffle(s);
    }
    sft_batch_clear(&s->batch);
    while (s->place.next < s->trained && sft_batch_add(&s->batch, s->data, example_at(s, s->place.next)))
        s->place.next++;
}

static double rate_at(const struct sft *s, int64_t step)
{
    double warm = ceil(s->options.warm_up * (double)s->steps);
    if ((double)step < warm)
        return s->options.rate * (double)(step + 1) / warm;
    double left = fmax(1, (double)s->steps - warm), x = fmin(1, ((double)step - warm) / left);
    return s->options.rate * (LEAST_RATE + (1 - LEAST_RATE) * 0.5 * (1 + cos(M_PI * x)));
}

static void weigh(void *context, int first, int count, const float *logp, const float *entropy, float *dlogp,
                  float *dentropy)
{
    const struct sft *s = context;
    (void)first, (void)logp, (void)entropy, (void)dentropy;
    for (int i = 0; i < count; i++)
        dlogp[i] = -1.0f / (float)s->batch.predictions;
}

/* Forward, the sum of the log-probabilities, and with `train` the way back. */
static int pass(struct sft *s, bool train, double *ret_sum, struct err *err)
{
    struct lm_batch view = sft_batch_view(&s->batch);
    if (lm_forward(s->run, &view, NULL, err) < 0)
        return -1;
    lm_head(s->run, &(struct lm_head_request){.count = s->batch.predictions,
                                              .rows = s->batch.rows,
                                              .targets = s->batch.targets,
                                              .temperature = 1,
                                              .logp = s->logp,
                                              .weigh = train ? weigh : NULL,
                                              .context = s});
    if (train)
        lm_backward(s->run);
    *ret_sum = 0;
    for (int i = 0; i < s->batch.predictions; i++)
        *ret_sum += s->logp[i];
    return 0;
}

int sft_advance(struct sft *s, struct sft_step *ret, struct err *err)
{
    double sum, rate = rate_at(s, s->place.done);
    *ret = (struct sft_step){.step = s->place.done + 1, .rate = rate};
    fill_batch(s);
    lm_zero_gradients(s->run);
    if (pass(s, true, &sum, err) < 0 || adamw_step(s->adam, (float)rate, &ret->norm, err) < 0)
        return -1;
    s->place.done++;
    ret->epoch = s->place.epoch;
    ret->predictions = s->batch.predictions;
    ret->tokens = s->batch.starts[s->batch.sequences];
    ret->loss = -sum / s->batch.predictions;
    return 0;
}

int sft_held_out(struct sft *s, double *ret_loss, long *ret_predictions, struct err *err)
{
    double total = 0, sum;
    long predictions = 0;
    sft_batch_clear(&s->batch);
    for (size_t i = 0; i <= s->data->count; i++) {
        const struct sft_example *e = i < s->data->count ? &s->data->examples[i] : NULL;
        if (e && (!e->held_out || sft_batch_add(&s->batch, s->data, e)))
            continue;
        if (s->batch.sequences > 0) {
            if (pass(s, false, &sum, err) < 0)
                return -1;
            total += sum;
            predictions += s->batch.predictions;
        }
        sft_batch_clear(&s->batch);
        if (e)
            sft_batch_add(&s->batch, s->data, e);
    }
    *ret_loss = predictions ? -total / (double)predictions : 0;
    *ret_predictions = predictions;
    return 0;
}
