/* lm: times training and sampling of the language-model engine; bench/lm_peer.py does the same work in PyTorch.
 *
 * usage: build/release/bench/lm SHAPE [THREADS [STEPS [BACKEND]]]
 * SHAPE: small (6 layers, d 256, V 8192) or gpt2 (124 M); STEPS: of training (5); BACKEND: as of gemm.h (fp32)
 * Prints tokens/s of full training steps (8 x 128 tokens, loss on every token, AdamW with clipping) and of sampling (64
 * prompts of 32 tokens, 32 new ones each), by the wall clock and per second of CPU (which a busy machine spoils less),
 * the memory that was predicted, and the peak that the system saw. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "core/blas.h"
#include "core/lm/adamw.h"
#include "core/lm/generate.h"
#include "core/lm/transformer.h"

enum { SEQUENCES = 8, LENGTH = 128, TOKENS = SEQUENCES * LENGTH, BATCH = 64, PROMPT = 32, NEW = 32, SAMPLINGS = 4 };

/* The shortest of several repetitions. */
struct stopwatch {
    int64_t begin;
    clock_t cpu_begin;
    double wall, cpu; /* seconds; 0 before the first */
};

static void watch_start(struct stopwatch *w)
{
    w->begin = clock_mono_ns();
    w->cpu_begin = clock();
}

static void watch_stop(struct stopwatch *w)
{
    double wall = (double)(clock_mono_ns() - w->begin) * 1e-9;
    double cpu = (double)(clock() - w->cpu_begin) / CLOCKS_PER_SEC;
    w->wall = w->wall == 0 || wall < w->wall ? wall : w->wall;
    w->cpu = w->cpu == 0 || cpu < w->cpu ? cpu : w->cpu;
}

static int32_t tokens[TOKENS], targets[TOKENS];
static int starts[SEQUENCES + 1], rows[TOKENS];

static struct lm_shape shape_of(const char *name)
{
    struct lm_shape s = {.family = LM_GPT2, .vocabulary = 8192, .context = 1024, .layers = 6, .width = 256, .heads = 8,
                         .kv_heads = 8, .head_width = 32, .hidden = 1024, .norm_eps = 1e-5, .tied = true, .bos = -1,
                         .eos = -1};
    if (strcmp(name, "gpt2") == 0) {
        s.vocabulary = 50257;
        s.layers = 12;
        s.width = 768;
        s.heads = s.kv_heads = 12;
        s.head_width = 64;
        s.hidden = 3072;
    }
    return s;
}

static void weigh_mean(void *context, int first, int count, const float *logp, const float *entropy, float *dlogp,
                       float *dentropy)
{
    (void)context, (void)first, (void)logp, (void)entropy, (void)dentropy;
    for (int i = 0; i < count; i++)
        dlogp[i] = -1.0f / TOKENS;
}

static void fill_batch(const struct lm_shape *s)
{
    struct rng rng;
    rng_init(&rng, 1, 0);
    for (int i = 0; i < TOKENS; i++) {
        tokens[i] = (int32_t)rng_below(&rng, (uint32_t)s->vocabulary);
        targets[i] = (int32_t)rng_below(&rng, (uint32_t)s->vocabulary);
        rows[i] = i;
    }
    for (int i = 0; i <= SEQUENCES; i++)
        starts[i] = i * LENGTH;
}

static int train_step(struct lm_run *run, struct adamw *adam, double *ret_loss, struct err *err)
{
    static float logp[TOKENS];
    struct lm_batch batch = {.sequences = SEQUENCES, .starts = starts, .tokens = tokens};
    double norm;
    lm_zero_gradients(run);
    if (lm_forward(run, &batch, NULL, err) < 0)
        return -1;
    lm_head(run, &(struct lm_head_request){.count = TOKENS, .rows = rows, .targets = targets, .temperature = 1,
                                           .logp = logp, .weigh = weigh_mean});
    lm_backward(run);
    *ret_loss = 0;
    for (int i = 0; i < TOKENS; i++)
        *ret_loss -= logp[i] / TOKENS;
    return adamw_step(adam, 1e-4f, &norm, err);
}

static int time_training(const struct lm_model *m, const struct gemm *gemm, int steps, struct err *err)
{
    struct lm_options options = {.gemm = *gemm, .max_tokens = TOKENS, .train = true,
                                 .max_sequence = LENGTH};
    struct adamw_options how = {.beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .weight_decay = 0.01f, .clip = 1};
    struct lm_run *run = lm_run_new(m, &options, err);
    struct adamw *adam = run ? adamw_new(m, run, &how, err) : NULL;
    int result = adam ? 0 : -1;
    double first = 0, loss = 0;
    struct stopwatch watch = {0};
    for (int i = 0; i <= steps && result == 0; i++) {
        watch_start(&watch);
        result = train_step(run, adam, &loss, err);
        if (i > 0)
            watch_stop(&watch);
        first = i == 0 ? loss : first;
    }
    if (result == 0 && steps > 0) {
        double predicted = (double)(m->layout.count * sizeof(float) + lm_run_bytes(&m->shape, &options) +
                                    adamw_bytes(m->layout.count));
        printf("train   %8.0f tokens/s, %8.0f a CPU second (best of %d steps; loss %.3f -> %.3f; predicted %.2f GB)\n",
               TOKENS / watch.wall, TOKENS / watch.cpu, steps, first, loss, predicted / 1e9);
    }
    adamw_free(adam);
    lm_run_free(run);
    return result;
}

static int time_sampling(const struct lm_model *m, const struct gemm *gemm, struct err *err)
{
    static int32_t out[BATCH * NEW];
    static float logp[BATCH * NEW];
    static int count[BATCH];
    static bool ended[BATCH];
    struct generate_prompt prompts[BATCH];
    for (int i = 0; i < BATCH; i++)
        prompts[i] = (struct generate_prompt){.id = (uint64_t)i, .tokens = tokens + i % (TOKENS / PROMPT) * PROMPT,
                                              .length = PROMPT};
    struct generate_options o = {.gemm = *gemm, .max_new = NEW, .eos = -1,
                                 .slots = BATCH, .sampling = {.seed = 1, .temperature = 1, .top_p = 1}};
    struct generated to = {out, logp, count, ended};
    struct stopwatch watch = {0};
    for (int i = 0; i < SAMPLINGS; i++) {
        watch_start(&watch);
        if (generate(m, &o, BATCH, prompts, &to, err) < 0)
            return -1;
        watch_stop(&watch);
    }
    printf("sample  %8.0f tokens/s, %8.0f a CPU second (batch %d, prompts of %d included)\n", BATCH * NEW / watch.wall,
           BATCH * NEW / watch.cpu, BATCH, PROMPT);
    return 0;
}

int main(int argc, char **argv)
{
    struct err err = {0};
    int count = argc > 2 ? atoi(argv[2]) : 2, steps = argc > 3 ? atoi(argv[3]) : 5;
    struct lm_shape shape = shape_of(argc > 1 ? argv[1] : "small");
    struct gemm gemm = {gemm_backend(argc > 4 ? argv[4] : NULL, &err), threads_new(count, &err)};
    struct lm_model *m = lm_model_new(&shape, &err);
    if (!gemm.backend || !gemm.threads || !m || blas_start(&err) < 0)
        goto out;
    lm_model_randomize(m, 1);
    fill_batch(&shape);
    printf("%s, %d thread(s), %s products (%s), %s kernels, %.1f M parameters\n", argc > 1 ? argv[1] : "small", count,
           gemm.backend->name, gemm_bf16_engine(), kernels_best()->name, (double)m->layout.count / 1e6);
    if (time_sampling(m, &gemm, &err) == 0)
        time_training(m, &gemm, steps, &err);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("peak    %.2f GB\n", (double)usage.ru_maxrss / 1e6);
out:
    if (err.code != ERR_OK)
        fprintf(stderr, "%s\n", err.message);
    lm_model_free(m);
    threads_free(gemm.threads);
    return err.code != ERR_OK;
}
