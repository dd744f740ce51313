/* ppo_memory: what PPO takes of memory beside what ppo_bytes predicts, with adapters and without.
 *
 * usage: build/release/bench/ppo_memory RANK [FROZEN [FOLDER [TOKENS [UPDATES]]]]
 * Without FOLDER (or with -) the policy is a GPT-2 of 124 M random weights in memory; with it, the checkpoint there,
 * left in its files (bench/lm_mapped makes a LLaMA-7B-shaped one). RANK 0 trains the policy itself. An update has 8
 * episodes (1 with FOLDER), prompts and responses of TOKENS (64) tokens, 2 epochs, and passes of at most 1024 tokens.
 * Prints the prediction, the largest resident memory (files that are mapped included), and the largest part of it that
 * is no file, looked at between passes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "core/align/objective.h"
#include "core/align/ppo_presets.h"
#include "core/blas.h"
#include "core/lm/checkpoint.h"

enum { PROMPTS = 8, LENGTH_MOST = 512 };

/* A line of /proc/self/status, in bytes. */
static double status_of(const char *name)
{
    char line[200];
    long kilobytes = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            sscanf(line + strlen(name), ": %ld", &kilobytes);
    if (file)
        fclose(file);
    return 1024.0 * (double)kilobytes;
}

/* Looks at the memory; never asks for a stop. */
static bool look(void *context)
{
    double *most = context, now = status_of("RssAnon");
    *most = now > *most ? now : *most;
    return false;
}

/* The share of even tokens. */
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

static struct lm_model *open_policy(const char *folder, struct err *err)
{
    struct lm_shape gpt2 = {.family = LM_GPT2, .vocabulary = 50257, .context = 1024, .layers = 12, .width = 768,
                            .heads = 12, .kv_heads = 12, .head_width = 64, .hidden = 3072, .norm_eps = 1e-5,
                            .tied = true, .bos = -1, .eos = -1};
    if (folder)
        return checkpoint_map(folder, err);
    struct lm_model *m = lm_model_new(&gpt2, err);
    if (m)
        lm_model_randomize(m, 1);
    return m;
}

static int run(const struct ppo_inputs *in, const struct ppo_options *o, int longest, struct err *err)
{
    struct ppo_metrics m = {0};
    double before = status_of("RssAnon"), given = (double)in->policy->layout.count * sizeof(float);
    double predicted = (double)ppo_bytes(&in->policy->shape, o, longest);
    struct ppo *p = ppo_new(in, o, err);
    if (!p)
        return -1;
    for (int i = 0; i < (int)o->updates; i++) {
        int64_t begin = clock_mono_ns();
        if (ppo_update(p, &m, err) < 0)
            break;
        printf("update %d: KL %.5f, %d steps, %.1f s\n", i + 1, m.kl, (int)m.steps,
               (double)(clock_mono_ns() - begin) * 1e-9);
    }
    /* What lay there before: the program, and the policy that was given, which a prediction for adapters counts. */
    double program = before - (in->policy->mapped ? 0 : given);
    double beside = o->lora.rank && !in->policy->mapped ? program : before;
    printf("predicted %.3f GB; seen %.3f GB beside %.3f GB of program%s; with mapped files %.3f GB at most\n",
           predicted / 1e9, (*(double *)in->context - beside) / 1e9, beside / 1e9,
           beside > program ? " and policy" : "", status_of("VmHWM") / 1e9);
    ppo_free(p);
    return err->code == ERR_OK ? 0 : -1;
}

int main(int argc, char **argv)
{
    static int32_t tokens[PROMPTS * LENGTH_MOST];
    static struct ppo_prompt prompts[PROMPTS];
    struct err err = {0};
    const char *folder = argc > 3 && strcmp(argv[3], "-") != 0 ? argv[3] : NULL;
    int length = argc > 4 ? atoi(argv[4]) : 64;
    struct threads *threads = threads_new(2, &err);
    struct lm_model *m = NULL;
    struct objective_options objective;
    struct ppo_options o = ppo_preset_of("small")->options;
    struct rng rng;
    double most = 0;
    if (argc < 2 || length < 1 || length > LENGTH_MOST) {
        fprintf(stderr, "usage: ppo_memory RANK [FROZEN [FOLDER [TOKENS (1 .. %d) [UPDATES]]]]\n", LENGTH_MOST);
        return 2;
    }
    if (!threads || blas_start(&err) < 0 || !(m = open_policy(folder, &err)))
        goto out;
    rng_init(&rng, 1, 0);
    for (int i = 0; i < PROMPTS * length; i++)
        tokens[i] = (int32_t)rng_below(&rng, (uint32_t)m->shape.vocabulary);
    for (int i = 0; i < PROMPTS; i++)
        prompts[i] = (struct ppo_prompt){tokens + i * length, length};
    objective_options_default(OBJECTIVE_SINGLE, 1, &objective);
    o.gemm = (struct gemm){gemm_backend(NULL, NULL), threads};
    o.lora = (struct lora_wanted){.rank = atoi(argv[1])};
    o.frozen = argc > 2 ? atoi(argv[2]) : 0;
    o.mapped = folder != NULL;
    o.updates = argc > 5 ? atoi(argv[5]) : 2;
    o.response_tokens = length;
    o.episodes = o.slots = folder ? 1 : PROMPTS;
    o.minibatches = 1;
    o.epochs = 2;
    o.pack_tokens = 1024;
    run(&(struct ppo_inputs){.policy = m, .prompts = prompts, .prompt_count = PROMPTS, .eos = -1, .groups = 1,
                             .score = count_even, .objective = &objective, .stop = look, .context = &most},
        &o, length, &err);
out:
    if (err.code != ERR_OK)
        fprintf(stderr, "%s\n", err.message);
    lm_model_free(m);
    threads_free(threads);
    return err.code != ERR_OK;
}
