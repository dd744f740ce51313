/* ppo: proximal policy optimisation of a language model against group rewards, update by update.
 *
 * One update (Schulman et al., arXiv 1707.06347; Ziegler et al., arXiv 1909.08593):
 *   1. takes the next prompts and samples responses from the plain policy at temperature T;
 *   2. has them scored by the callback: K groups and the pooled reward, anchored;
 *   3. computes log-probabilities under the policy and the reference, and values, in the very passes that the first
 *      epoch repeats: before the first step every ratio is exactly 1, and at the first update every KL exactly 0;
 *   4. lets the objective set the group weights from E[r_u] - beta KL, and make one score of each episode;
 *   5. rewards each token -beta (log pi - log pi_ref), and the last real one the score; then GAE with terminal value 0,
 *      and whitening;
 *   6. `epochs` times over the episodes in a fresh permutation: clipped losses normalised by the minibatch's tokens,
 *      gradient clipping, Adam.
 * Sequences are packed without padding; logits are divided by T everywhere; there is no dropout.
 *
 * The trained vector (all weights; with `frozen` bottom blocks the suffix above them; with `lora` the adapters and the
 * value head) is all that changes. The reference is the same model with that vector as it was, so it costs one copy of
 * the vector and no second model. With `frozen` the trunk's activations are computed once an update and shared by
 * policy, reference, values and all epochs; adapters are then in the blocks above it only.
 *
 * With `lora` the policy's weights are borrowed and never written, so they may stay in their files (mapped.h); the
 * value head lies in the adapters' vector. Sampling goes through the adapters too. A checkpoint holds the adapters, the
 * value head and their moments.
 *
 * An update happens whole or not at all: after a failure or a stop the state is that before it. The state can be saved
 * after any update and resumed: on the same machine the rest is bit for bit what it would have been, whatever the
 * number of threads. It refuses to know the time, signals and terminals; it tells where phases begin.
 *
 * Everything of the inputs is copied by ppo_new except the tokenizer and the callbacks' contexts, which must outlive
 * it, the thread pool, and with `lora` the policy. Used by one thread at a time. */
#ifndef EGALIGN_CORE_ALIGN_PPO_H
#define EGALIGN_CORE_ALIGN_PPO_H

#include <stdbool.h>

#include "base/str.h"
#include "core/align/ppo_metrics.h"
#include "core/lm/adamw.h"
#include "core/lm/safetensors.h"
#include "core/lm/tokenizer.h"

struct objective_options; /* objective.h */

enum ppo_schedule { PPO_CONSTANT, PPO_LINEAR, PPO_COSINE };

/* What scores are divided by: nothing; the s.d. of the first update's; the running s.d. of all so far; the same after
 * taking the running mean away. */
enum ppo_scaling { PPO_UNSCALED, PPO_SCALE_FIRST, PPO_SCALE_RUNNING, PPO_NORMALISE_RUNNING };

struct ppo_options {
    struct gemm gemm;
    uint64_t seed;
    int64_t updates; /* of the whole run: the schedule ends there */
    int frozen;      /* bottom blocks (and embeddings) that are not trained; 0: everything is */
    bool recompute;  /* less memory, a third more time */
    struct lora_wanted lora; /* rank 0: the weights themselves are trained */

    /* rollout */
    int episodes;           /* of an update; a multiple of `samples` */
    int samples;            /* responses to each prompt */
    int response_tokens;    /* at most */
    double temperature;     /* > 0 */
    bool fixed_length;      /* go on after an end token, to response_tokens */
    int cut_token;          /* what the scorer sees ends with the first such token ... ; -1: none */
    int cut_from;           /* ... at this position or later, 0-based */
    double end_penalty;     /* for an episode without end (or cut) token: taken from the score ... */
    bool penalty_replaces;  /* ... or, negated, put in its place */
    int slots;              /* sequences that are sampled at once */

    /* rewards and advantages */
    enum ppo_scaling scaling;
    double score_clip; /* scores are kept within +- this; 0: as they are */
    bool whiten_rewards; /* divide per-token rewards by their s.d., mean kept */
    double gamma, lambda;
    double beta;       /* of the KL term; the first one when adaptive */
    bool adaptive_beta; /* beta *= 1 + clip(KL / kl_target - 1, +-0.2) episodes / kl_horizon */
    double kl_target, kl_horizon;
    double kl_limit;   /* a mean KL per episode above it fails the update with ERR_NUMERICAL; 0: no limit */

    /* learning */
    int epochs, minibatches; /* minibatches <= episodes */
    int pack_tokens;         /* tokens in a pass at most (a minibatch takes several); 0: the whole minibatch */
    double ratio_clip, value_clip, value_coefficient, entropy_coefficient;
    double early_stop_kl;    /* ends the epochs when a minibatch's approximate KL is above it; 0: never */
    double rate;
    enum ppo_schedule schedule;
    enum adam_form adam_form;
    double beta1, beta2, epsilon, weight_decay;
    double gradient_clip; /* largest norm; 0: no clipping */

    size_t memory_limit; /* bytes that training may take; 0: no limit */
    bool mapped;         /* for ppo_bytes: the policy's weights stay in files; ppo_new sees for itself */
};

/* A prompt as tokens, in its template. */
struct ppo_prompt {
    const int32_t *tokens;
    int length;
};

/* One prompt with one sampled response. */
struct ppo_episode {
    int prompt;            /* index into the prompts */
    uint32_t sample;       /* 0, 1, ... among the responses to this prompt in this update */
    const int32_t *tokens; /* the response, an end token included */
    int count;
    struct str text;       /* what the scorer sees, decoded: without the end token, cut where the options say; empty
                              when there is no tokenizer */
    bool truncated;        /* neither end nor cut token was met */
    double score;          /* what the objective and the options made of its scores; after scoring */
    double kl;             /* summed over the response, nats; after scoring */
};

/* scores[n][K + 1] of n episodes, anchored: groups 0 .. K-1, then the pooled reward. What is not finite fails the
 * update. */
typedef int ppo_score(void *context, int n, const struct ppo_episode *episodes, double *scores, struct err *err);

enum ppo_phase { PPO_GENERATE, PPO_SCORE, PPO_PREPARE, PPO_TRAIN };

struct ppo_inputs {
    const struct lm_model *policy;    /* where training starts; a value head (one scalar) of it is kept, else one of
                                         zeros is added; with adapters it may be mapped, and must outlive training */
    const struct lm_model *reference; /* NULL: the policy as it starts. With frozen blocks it must have the same ones;
                                         with adapters there can be no other */
    const struct tokenizer *tokenizer; /* to decode responses; may be NULL */
    const struct ppo_prompt *prompts;
    int prompt_count;
    int eos;    /* end token; -1: none */
    int groups; /* K, 1 .. PPO_GROUPS_MAX */
    ppo_score *score;
    void *score_context;
    const uint8_t *score_digest; /* [SHA256_SIZE] of what scores, so that a resume sees when that has changed; NULL: the
                                    caller sees to it */
    const struct objective_options *objective;
    void (*phase)(void *context, enum ppo_phase phase); /* called where each phase begins; may be NULL */
    bool (*stop)(void *context); /* asked between passes; true gives the update up with ERR_CANCELLED; may be NULL */
    void *context;
};

struct ppo;

/* Bytes that training takes: weights (with adapters those of the policy that was given, unless it is mapped; else those
 * of a copy), reference, gradients, optimiser, activations, the state that a failed update goes back to. `longest` is
 * the longest prompt in tokens. 0 for adapters that the shape cannot have, which ppo_new refuses. */
size_t ppo_bytes(const struct lm_shape *shape, const struct ppo_options *options, int longest);

/* ERR_INVALID_VALUE for options out of range or at odds with model, reference or prompts; ERR_INSUFFICIENT_DATA without
 * prompts; ERR_NO_MEMORY. */
struct ppo *ppo_new(const struct ppo_inputs *inputs, const struct ppo_options *options, struct err *err);
void ppo_free(struct ppo *p);

/* Updates done. */
int64_t ppo_done(const struct ppo *p);

/* How many of a response's `count` tokens the scorer sees, and whether it met neither end nor cut token. `ended`: its
 * last token is the end token. */
int ppo_shown(const struct ppo_options *options, int eos, const int32_t *tokens, int count, bool ended,
              bool *ret_truncated);

/* Makes one update. ERR_NUMERICAL with the reason (a score, loss or gradient that is not finite, a KL above the limit),
 * ERR_CANCELLED, or what the callback gave: then nothing has changed. */
int ppo_update(struct ppo *p, struct ppo_metrics *ret, struct err *err);

/* The episodes of the last update and their scores [n][K + 1]; both until the next one. */
const struct ppo_episode *ppo_episodes(const struct ppo *p, int *ret_count, const double **ret_scores);

/* The trained model, value head included; read-only, as long as `p`. With adapters it is the policy that was given. */
const struct lm_model *ppo_model(const struct ppo *p);

/* The adapters and the value head; NULL where the model itself is trained. Read-only, as long as `p`. */
const struct lm_adapters *ppo_adapters(const struct ppo *p);

/* A copy of the trained policy without the value head, adapters merged; the caller frees it. ERR_NO_MEMORY;
 * ERR_INVALID_VALUE for a mapped one, which only ppo_write_policy merges. */
struct lm_model *ppo_policy(const struct ppo *p, struct err *err);

/* Writes the trained policy, without the value head and with adapters merged, into `folder` as checkpoint_save does, in
 * the memory of a part of a tensor. */
int ppo_write_policy(const struct ppo *p, const char *folder, const char *like, enum safetensors_dtype stored,
                     struct err *err);

/* Writes the state to `out`/checkpoint-N, whole or not at all, then removes older ones. `out` must exist. */
int ppo_save(struct ppo *p, const char *out, struct err *err);

/* Continues from the newest checkpoint in `out`: 1, or 0 when there is none. ERR_CONFLICT when it is of other prompts,
 * weights, reference or options; ERR_BAD_FILE. After a failure `p` is of no use. */
int ppo_resume(struct ppo *p, const char *out, struct err *err);

#endif
