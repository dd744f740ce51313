#include "core/align/reward_model.h"

#include <math.h>
#include <string.h>

#include "base/json_text.h"
#include "base/mem.h"
#include "base/rng.h"
#include "core/align/reward_parts.h"

static const struct adamw_options how = {.beta1 = 0.9f, .beta2 = 0.95f, .epsilon = 1e-5f, .clip = 1};

enum { STREAM_HEADS = 1 };

struct reward_options reward_options_default(struct gemm gemm)
{
    return (struct reward_options){.gemm = gemm, .epochs = 1, .batch_tokens = 4096, .rate = 5e-5, .warm_up = 0.05,
                                   .centring = 0.01, .seed = 1};
}

struct lm_model *reward_model_new(const struct lm_model *base, int heads, uint64_t seed, struct err *err)
{
    struct lm_model *m = lm_model_copy(base, heads, err);
    struct rng rng;
    if (!m)
        return NULL;
    size_t D = (size_t)m->shape.width;
    rng_init(&rng, seed, STREAM_HEADS);
    memset(m->weights + lm_model_below_scalars(m), 0,
           (m->layout.count - lm_model_below_scalars(m)) * sizeof *m->weights);
    for (size_t i = 0; i < D * (size_t)heads; i++)
        m->weights[m->layout.scalar.weight + i] = (float)(rng_normal(&rng) / sqrt((double)D + 1));
    return m;
}

/* -log sigma(m), without overflow. */
static double loss_of(double m)
{
    return m > 0 ? log1p(exp(-m)) : log1p(exp(m)) - m;
}

static double sigmoid(double m)
{
    return m > 0 ? 1 / (1 + exp(-m)) : exp(m) / (1 + exp(m));
}

double reward_pair_loss(int heads, const float *wins, double centring, const float *first, const float *second,
                        float *d_first, float *d_second)
{
    double loss = 0;
    for (int u = 0; u < heads; u++) {
        double a = wins[u], b = wins[heads + u], m = (double)first[u] - second[u], sum = (double)first[u] + second[u];
        double slope = -a * sigmoid(-m) + b * sigmoid(m), pull = 2 * centring * (a + b) * sum;
        loss += a * loss_of(m) + b * loss_of(-m) + centring * (a + b) * sum * sum;
        d_first[u] = (float)(slope + pull);
        d_second[u] = (float)(-slope + pull);
    }
    return loss;
}

/* The weight of all judgements of a pair. */
static double weight_of(const struct reward_data *d, int pair)
{
    const float *wins = reward_data_wins(d, pair);
    double sum = 0;
    for (int i = 0; i < 2 * d->heads; i++)
        sum += wins[i];
    return sum;
}

void reward_shuffle(struct reward_trainer *t)
{
    struct rng rng;
    size_t n = 0;
    for (int i = 0; i < t->data->pair_count; i++)
        if (!t->data->pairs[i].held_out && weight_of(t->data, i) > 0)
            t->order[n++] = (uint32_t)i;
    rng_init(&rng, t->options.seed, UINT64_C(2) << 32 | (uint32_t)t->place.epoch);
    rng_shuffle(&rng, t->order, n);
}

static int length_of(const struct reward_data *d, int pair)
{
    const struct reward_pair *p = &d->pairs[pair];
    return d->sequences[p->sequence[0]].length + d->sequences[p->sequence[1]].length;
}

/* Steps that the pairs of the present epoch make, packed as fill_batch packs them. */
static int64_t steps_of_epoch(struct reward_trainer *t)
{
    int64_t steps = 1;
    int used = 0;
    reward_shuffle(t);
    for (size_t i = 0; i < t->trained; i++) {
        int length = length_of(t->data, (int)t->order[i]);
        if (used + length > t->options.batch_tokens) {
            steps++;
            used = 0;
        }
        used += length;
    }
    return steps;
}

static int64_t count_steps(struct reward_trainer *t)
{
    double steps = 0;
    for (t->place.epoch = 0; t->place.epoch < ceil(t->options.epochs); t->place.epoch++)
        steps += (double)steps_of_epoch(t) * fmin(1, t->options.epochs - t->place.epoch);
    t->place.epoch = 0;
    return steps < 1 ? 1 : (int64_t)round(steps);
}

static int check(const struct lm_model *model, const struct reward_data *data, const struct reward_options *o,
                 struct err *err)
{
    if (model->shape.scalars != data->heads || data->heads < 1 || data->heads > REWARD_HEADS_MAX)
        return err_set(err, ERR_INVALID_VALUE, "the model has %d heads, the data %d (1 to %d are possible)",
                       model->shape.scalars, data->heads, REWARD_HEADS_MAX);
    if (o->batch_tokens < 2 * data->longest || o->batch_tokens > 1 << 24)
        return err_set(err, ERR_INVALID_VALUE, "a batch of %d tokens is not between two longest sequences (%d) and "
                       "2^24", o->batch_tokens, 2 * data->longest);
    if (!(o->rate > 0 && o->rate < 1) || !(o->warm_up >= 0 && o->warm_up <= 1) || !(o->weight_decay >= 0) ||
        !(o->centring >= 0) || !(o->epochs > 0 && o->epochs <= 1000))
        return err_set(err, ERR_INVALID_VALUE, "the rate, warm-up, decay, centring or epochs are out of range");
    return 0;
}

static struct lm_options run_options(const struct reward_data *data, const struct reward_options *o)
{
    return (struct lm_options){.gemm = o->gemm,
                               .max_tokens = o->batch_tokens,
                               .max_sequence = data->longest,
                               .head_rows = 1, /* no logits are asked for */
                               .train = true,
                               .frozen = o->frozen,
                               .recompute = o->recompute};
}

size_t reward_trainer_bytes(const struct lm_shape *shape, const struct reward_data *data,
                            const struct reward_options *options)
{
    struct lm_layout layout;
    struct lm_options run = run_options(data, options);
    if (lm_layout_make(shape, &layout, NULL) < 0)
        return SIZE_MAX;
    size_t count = layout.count, trained = count - lm_layout_start(&layout, shape, options->frozen);
    lm_layout_free(&layout);
    return count * sizeof(float) + lm_run_bytes(shape, &run) + adamw_bytes(trained);
}

static int allocate(struct reward_trainer *t, struct err *err)
{
    size_t room = (size_t)t->options.batch_tokens, heads = (size_t)t->data->heads;
    t->order = mem_array(t->trained + 1, sizeof *t->order);
    t->starts = mem_zeroed(room + 1, sizeof *t->starts);
    t->tokens = mem_array(room, sizeof *t->tokens);
    t->rows = mem_array(room, sizeof *t->rows);
    t->pairs = mem_array(room, sizeof *t->pairs);
    t->values = mem_array(room * heads, sizeof *t->values);
    t->slopes = mem_array(room * heads, sizeof *t->slopes);
    if (!t->order || !t->starts || !t->tokens || !t->rows || !t->pairs || !t->values || !t->slopes)
        return err_memory(err);
    return 0;
}

struct reward_trainer *reward_trainer_new(struct lm_model *model, const struct reward_data *data,
                                          const struct reward_options *options, struct err *err)
{
    struct lm_options run = run_options(data, options);
    struct adamw_options adam = how;
    if (check(model, data, options, err) < 0)
        return NULL;
    struct reward_trainer *t = mem_zeroed(1, sizeof *t);
    if (!t) {
        err_memory(err);
        return NULL;
    }
    *t = (struct reward_trainer){.model = model, .data = data, .options = *options};
    for (int i = 0; i < data->pair_count; i++)
        t->trained += !data->pairs[i].held_out && weight_of(data, i) > 0;
    adam.weight_decay = (float)options->weight_decay;
    if (t->trained == 0)
        err_set(err, ERR_INSUFFICIENT_DATA, "there is no judged pair to train on");
    else if (allocate(t, err) == 0 && (t->run = lm_run_new(model, &run, err)))
        t->adam = adamw_new(model, t->run, &adam, err);
    if (!t->adam) {
        reward_trainer_free(t);
        return NULL;
    }
    t->steps = count_steps(t);
    reward_shuffle(t);
    return t;
}

void reward_trainer_free(struct reward_trainer *t)
{
    if (!t)
        return;
    adamw_free(t->adam);
    lm_run_free(t->run);
    mem_free(t->order);
    mem_free(t->starts);
    mem_free(t->tokens);
    mem_free(t->rows);
    mem_free(t->pairs);
    mem_free(t->values);
    mem_free(t->slopes);
    mem_free(t);
}

int64_t reward_trainer_steps(const struct reward_trainer *t)
{
    return t->steps;
}

int64_t reward_trainer_done(const struct reward_trainer *t)
{
    return t->place.done;
}

static void add_sequence(struct reward_trainer *t, int sequence)
{
    const struct reward_sequence *s = &t->data->sequences[sequence];
    int start = t->starts[t->count];
    memcpy(t->tokens + start, t->data->tokens.ids + s->offset, (size_t)s->length * sizeof *t->tokens);
    t->rows[t->count] = start + s->length - 1;
    t->starts[++t->count] = start + s->length;
}

/* Adds a pair; false, and nothing done, when there is no room. */
static bool add_pair(struct reward_trainer *t, int pair)
{
    const struct reward_pair *p = &t->data->pairs[pair];
    if (t->starts[t->count] + length_of(t->data, pair) > t->options.batch_tokens)
        return false;
    t->pairs[t->count / 2] = pair;
    add_sequence(t, p->sequence[0]);
    add_sequence(t, p->sequence[1]);
    return true;
}

/* The pairs of the next step, and where the one after it begins. A batch ends with its epoch. */
static void fill_batch(struct reward_trainer *t)
{
    if (t->place.next == t->trained) {
        t->place.epoch++;
        t->place.next = 0;
        reward_shuffle(t);
    }
    t->count = 0;
    while (t->place.next < t->trained && add_pair(t, (int)t->order[t->place.next]))
        t->place.next++;
}

/* Rises to the highest, then falls to 0. */
static double rate_at(const struct reward_trainer *t, int64_t step)
{
    double warm = ceil(t->options.warm_up * (double)t->steps), left = fmax(1, (double)t->steps - warm);
    if ((double)step < warm)
        return t->options.rate * (double)(step + 1) / warm;
    return t->options.rate * fmax(0, 1 - ((double)step - warm) / left);
}

/* The rewards of the batch, in t->values. */
static int forward(struct reward_trainer *t, struct err *err)
{
    struct lm_batch batch = {.sequences = t->count,
                             .starts = t->starts,
                             .tokens = t->tokens,
                             .wanted = t->rows,
                             .wanted_count = t->count};
    if (lm_forward(t->run, &batch, NULL, err) < 0)
        return -1;
    lm_scalars(t->run, t->count, t->rows, t->values);
    return 0;
}

/* Adds how the judgements of pair `pair` agree with its rewards. */
static void agree(const struct reward_data *d, int pair, int head, double margin, double *right, double *weight)
{
    const float *wins = reward_data_wins(d, pair);
    double a = wins[head], b = wins[d->heads + head];
    *weight += a + b;
    *right += margin > 0 ? a : margin < 0 ? b : (a + b) / 2;
}

/* Loss and slopes of the batch, divided by its weight. */
static void judge_batch(struct reward_trainer *t, struct reward_step *ret)
{
    size_t heads = (size_t)t->data->heads;
    double right = 0, weight = 0, loss = 0;
    for (int i = 0; i < t->count / 2; i++) {
        const float *first = t->values + 2 * (size_t)i * heads, *second = first + heads;
        float *slope = t->slopes + 2 * (size_t)i * heads;
        loss += reward_pair_loss(t->data->heads, reward_data_wins(t->data, t->pairs[i]), t->options.centring, first,
                                 second, slope, slope + heads);
        for (size_t u = 0; u < heads; u++)
            agree(t->data, t->pairs[i], (int)u, (double)first[u] - second[u], &right, &weight);
    }
    for (size_t i = 0; i < (size_t)t->count * heads; i++)
        t->slopes[i] = (float)(t->slopes[i] / weight);
    ret->loss = loss / weight;
    ret->accuracy = right / weight;
}

int reward_trainer_advance(struct reward_trainer *t, struct reward_step *ret, struct err *err)
{
    double rate = rate_at(t, t->place.done);
    fill_batch(t);
    *ret = (struct reward_step){
        .step = t->place.done + 1, .rate = rate, .tokens = t->starts[t->count], .pairs = t->count / 2};
    lm_zero_gradients(t->run);
    if (forward(t, err) < 0)
        return -1;
    judge_batch(t, ret);
    lm_scalars_backward(t->run, t->count, t->rows, t->slopes);
    lm_backward(t->run);
    if (adamw_step(t->adam, (float)rate, &ret->norm, err) < 0)
        return -1;
    t->place.done++;
    return 0;
}

int reward_trainer_score(struct reward_trainer *t, int first, int count, float *ret, struct err *err)
{
    size_t heads = (size_t)t->data->heads;
    int from = first;
    t->count = 0;
    for (int i = first; i <= first + count; i++) {
        bool last = i == first + count;
        if (!last && t->starts[t->count] + t->data->sequences[i].length <= t->options.batch_tokens) {
            add_sequence(t, i);
            continue;
        }
        if (t->count > 0 && forward(t, err) < 0)
            return -1;
        memcpy(ret + (size_t)(from - first) * heads, t->values, (size_t)t->count * heads * sizeof *ret);
        from = i;
        t->count = 0;
        if (!last)
            add_sequence(t, i);
    }
    return 0;
}

static void take_held_out(const struct reward_trainer *t, double *right, double *weight, double *loss)
{
    int heads = t->data->heads;
    for (int i = 0; i < t->count / 2; i++)
        for (int u = 0; u < heads; u++) {
            const float *wins = reward_data_wins(t->data, t->pairs[i]);
            double m = (double)t->values[2 * i * heads + u] - t->values[(2 * i + 1) * heads + u];
            agree(t->data, t->pairs[i], u, m, &right[u], &weight[u]);
            loss[u] += wins[u] * loss_of(m) + wins[heads + u] * loss_of(-m);
        }
}

void reward_accuracy_write(struct buf *out, const struct reward_accuracy *a)
{
    json_member_real(out, "n", a->right.n);
    json_member_real(out, "rate", a->right.value);
    json_member_real(out, "low", a->right.low);
    json_member_real(out, "high", a->right.high);
    json_member_real(out, "log_loss", a->loss);
}

int reward_trainer_held_out(struct reward_trainer *t, struct reward_accuracy *ret, struct err *err)
{
    double right[REWARD_HEADS_MAX] = {0}, weight[REWARD_HEADS_MAX] = {0}, loss[REWARD_HEADS_MAX] = {0};
    t->count = 0;
    for (int i = 0; i <= t->data->pair_count; i++) {
        bool last = i == t->data->pair_count;
        if (!last && (!t->data->pairs[i].held_out || add_pair(t, i)))
            continue;
        if (t->count > 0 && forward(t, err) < 0)
            return -1;
        take_held_out(t, right, weight, loss);
        t->count = 0;
        if (!last)
            add_pair(t, i);
    }
    for (int u = 0; u < t->data->heads; u++)
        ret[u] = (struct reward_accuracy){proportion_of(right[u], weight[u]), weight[u] > 0 ? loss[u] / weight[u] : 0};
    return 0;
}
