/* ppo: times PPO updates of the small model; bench/ppo_peer.py does the same work in PyTorch.
 *
 * usage: build/release/bench/ppo [THREADS [UPDATES [FROZEN [BACKEND]]]]
 * The model has 6 blocks, d 256 and V 8192; an update has 256 episodes (prompts of 16 tokens, responses of 24), 4
 * epochs of 4 minibatches. Prints, of the fastest of UPDATES updates by the wall clock and of the one that took the
 * least CPU (which a busy machine spoils less), episodes a second, and tokens a second of each phase: generating (new
 * tokens), scoring (the callback; nothing here, for the reward is a count), preparing (log-probabilities of policy and
 * reference, values; all tokens) and training (all tokens, each epoch). FROZEN blocks (0) are not trained; BACKEND
 * (fp32) is a name of core/lm/gemm.h. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/rng.h"
#include "core/align/objective.h"
#include "core/align/ppo_presets.h"
#include "core/blas.h"

enum { PROMPTS = 256, LENGTH = 16, NEW = 24, PHASES = 4 };

/* Seconds of each phase of one update. */
struct times {
    double wall[PHASES], cpu[PHASES];
};

struct timing {
    int phase; /* that runs; -1: none */
    int64_t begin;
    clock_t cpu_begin;
    struct times now;
};

static void close_phase(struct timing *t)
{
    if (t->phase >= 0) {
        t->now.wall[t->phase] += (double)(clock_mono_ns() - t->begin) * 1e-9;
        t->now.cpu[t->phase] += (double)(clock() - t->cpu_begin) / CLOCKS_PER_SEC;
    }
    t->phase = -1;
}

static void begin_phase(void *context, enum ppo_phase phase)
{
    struct timing *t = context;
    close_phase(t);
    t->phase = (int)phase;
    t->begin = clock_mono_ns();
    t->cpu_begin = clock();
}

/* The share of even tokens: something to learn that costs nothing. */
static int count_even(void *context, int n, const struct ppo_episode *episodes, double *scores, struct err *err)
{
    (void)context, (void)err;
    for (int i = 0; i < n; i++) {
        double even = 0;
        for (int t = 0; t < episodes[i].count; t++)
            even += (episodes[i].tokens[t] % 2 == 0) / (double)episodes[i].count;
        scores[2 * i] = scores[2 * i + 1] = even;
    }
    return 0;
}

static double sum_of(const double phases[PHASES])
{
    return phases[PPO_GENERATE] + phases[PPO_SCORE] + phases[PPO_PREPARE] + phases[PPO_TRAIN];
}

static void show(const char *by, const double phases[PHASES], const struct ppo_metrics *m, int epochs)
{
    double all = (double)m->sampled_tokens;
    printf("%-11s %7.2f episodes/s; tokens/s: generate %.0f, prepare %.0f, train %.0f; seconds %.3f + %.3f + %.3f + "
           "%.3f = %.3f\n", by, PROMPTS / sum_of(phases), (double)m->response_tokens / phases[PPO_GENERATE],
           all / phases[PPO_PREPARE], epochs * all / phases[PPO_TRAIN], phases[PPO_GENERATE], phases[PPO_SCORE],
           phases[PPO_PREPARE], phases[PPO_TRAIN], sum_of(phases));
}

static int run(struct ppo *p, struct timing *t, int updates, int epochs, struct err *err)
{
    struct times fastest = {0}, cheapest = {0};
    struct ppo_metrics m = {0};
    double first = 0;
    for (int i = 0; i < updates; i++) {
        t->now = (struct times){0};
        if (ppo_update(p, &m, err) < 0)
            return -1;
        close_phase(t);
        first = i == 0 ? m.scores : first;
        if (i == 0 || sum_of(t->now.wall) < sum_of(fastest.wall))
            fastest = t->now;
        if (i == 0 || sum_of(t->now.cpu) < sum_of(cheapest.cpu))
            cheapest = t->now;
    }
    show("wall clock", fastest.wall, &m, epochs);
    show("CPU seconds", cheapest.cpu, &m, epochs);
    printf("score %.4f -> %.4f, KL %.4f after %d updates\n", first, m.scores, m.kl, updates);
    return 0;
}

int main(int argc, char **argv)
{
    static int32_t tokens[PROMPTS * LENGTH];
    static struct ppo_prompt prompts[PROMPTS];
    struct err err = {0};
    int count = argc > 1 ? atoi(argv[1]) : 2, updates = argc > 2 ? atoi(argv[2]) : 3;
    struct lm_shape shape = {.family = LM_GPT2, .vocabulary = 8192, .context = 1024, .layers = 6, .width = 256,
                             .heads = 8, .kv_heads = 8, .head_width = 32, .hidden = 1024, .norm_eps = 1e-5,
                             .tied = true, .bos = -1, .eos = -1};
    struct threads *threads = threads_new(count, &err);
    struct lm_model *m = lm_model_new(&shape, &err);
    struct objective_options objective;
    struct ppo_options o = ppo_preset_of("small")->options;
    struct timing timing = {.phase = -1};
    struct ppo *p = NULL;
    struct rng rng;
    if (!threads || !m || blas_start(&err) < 0)
        goto out;
    lm_model_randomize(m, 1);
    rng_init(&rng, 1, 0);
    for (int i = 0; i < PROMPTS * LENGTH; i++)
        tokens[i] = (int32_t)rng_below(&rng, (uint32_t)shape.vocabulary);
    for (int i = 0; i < PROMPTS; i++)
        prompts[i] = (struct ppo_prompt){tokens + i * LENGTH, LENGTH};
    objective_options_default(OBJECTIVE_SINGLE, 1, &objective);
    o.gemm = (struct gemm){gemm_backend(argc > 4 ? argv[4] : "fp32", &err), threads};
    if (!o.gemm.backend)
        goto out;
    o.updates = updates;
    o.frozen = argc > 3 ? atoi(argv[3]) : 0;
    p = ppo_new(&(struct ppo_inputs){.policy = m, .prompts = prompts, .prompt_count = PROMPTS, .eos = -1, .groups = 1,
                                     .score = count_even, .objective = &objective, .phase = begin_phase,
                                     .context = &timing}, &o, &err);
    if (!p)
        goto out;
    printf("%d thread(s), %s, %s kernels, %.1f M parameters, %d frozen blocks\n", count, o.gemm.backend->name,
           kernels_best()->name, (double)m->layout.count / 1e6, o.frozen);
    run(p, &timing, updates, o.epochs, &err);
out:
    if (err.code != ERR_OK)
        fprintf(stderr, "%s\n", err.message);
    ppo_free(p);
    lm_model_free(m);
    threads_free(threads);
    return err.code != ERR_OK;
}
