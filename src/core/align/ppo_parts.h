/* ppo_parts: what a struct ppo holds. Private to the files ppo*.c.
 *
 * Numbers of tokens lie in flat arrays [N] over the response tokens of all episodes, in the order of the episodes:
 * episode i has first[i] .. first[i + 1] - 1. Inputs of the model (prompt and response without its last token, which
 * nothing follows) are counted likewise by input[i]; the trunk's activations lie in that order. */
#ifndef EGALIGN_CORE_ALIGN_PPO_PARTS_H
#define EGALIGN_CORE_ALIGN_PPO_PARTS_H

#include "base/buf.h"
#include "base/sha256.h"
#include "core/align/objective.h"
#include "core/align/ppo.h"
#include "core/align/ppo_advantages.h"
#include "core/lm/generate.h"

/* What is carried from one update to the next besides the weights; plain data, stored as it is. */
struct ppo_state {
    int64_t updates, episodes;
    int64_t pass;  /* over the prompts */
    int64_t next;  /* position in the order of that pass */
    double beta;
    double first_deviation; /* of the first update's scores */
    struct ppo_running running;
    struct objective_state objective;
};

/* One update's episodes and the numbers of their tokens. */
struct ppo_rollout {
    struct ppo_episode *episodes; /* [n] */
    struct generate_prompt *asked; /* [n] */
    int32_t *tokens; /* [n][response_tokens] */
    float *drawn;    /* [n][response_tokens] log-probabilities while sampling: not used, for their last bits differ */
    int *count;      /* [n] */
    bool *ended;     /* [n] */
    double *scores;  /* [n][K + 1] */
    double *kl, *score; /* [n] */
    struct buf text; /* what the scorer sees, one behind the other */
    int *first;      /* [n + 1] */
    int *input;      /* [n + 1] */
    float *logp, *reference, *entropy, *values; /* [n * response_tokens] */
    float *rewards, *advantages, *returns;      /* likewise */
    uint32_t *order; /* [n] the episodes as an epoch takes them */
    float *trunk;    /* [input[n]][D], with frozen blocks; else NULL */
};

/* Episodes packed for one pass. */
struct ppo_pack {
    int room;         /* tokens at most */
    int *starts;      /* [n + 1] */
    int *episodes;    /* [n] */
    int32_t *tokens;  /* [room] */
    int *rows;        /* [room] tokens after which a response token comes */
    int32_t *targets; /* [room] that token */
    int *at;          /* [room] its place in the flat arrays */
    float *out, *more, *values, *dvalues; /* [room] results of the pass */
    float *trunk;     /* [room][D], with frozen blocks; else NULL */
    int sequences, predictions;
};

/* The trained vector and the optimiser as they were before an update. */
struct ppo_kept {
    float *weights, *m, *v; /* [trained.count] */
    int64_t step;
};

struct ppo {
    struct ppo_inputs inputs;
    struct ppo_options options;
    struct objective_options objective;
    const struct lm_model *model; /* that runs: `own`, or with adapters the caller's */
    struct lm_model *own;         /* with its value head; NULL with adapters */
    struct lm_adapters *adapters; /* with the value head; NULL: the model is trained */
    struct lm_run *run;
    struct adamw *adam;
    float *reference; /* [trained.count] the trained vector of the reference */
    struct ppo_kept kept;
    struct ppo_state state;
    int32_t *prompt_tokens;     /* copies of the prompts' tokens */
    struct ppo_prompt *prompts; /* [prompt_count] into them */
    int longest;                /* prompt, in tokens */
    uint32_t *order;            /* [prompt_count] the prompts as the present pass takes them */
    struct ppo_rollout rollout;
    struct ppo_pack pack;
    char course[SHA256_HEX_SIZE]; /* digest of all that the course of training depends on */
};

/* Streams of random numbers, apart from those of sampling, whose third and fourth words are prompt and update. */
enum ppo_stream { PPO_STREAM_EPOCH = 0x40000000, PPO_STREAM_PROMPTS = 0x50000000 };

/* Whether the caller wants the update given up; then ERR_CANCELLED is set. */
bool ppo_stopped(const struct ppo *p, struct err *err);
void ppo_tell(const struct ppo *p, enum ppo_phase phase);

/* Tokens of the largest pass. */
int ppo_pack_room(const struct ppo_options *o, int longest);

/* ppo_pack.c: buffers; then the longest run of episodes order[from ..], below `to`, that fits: returns where the next
 * begins. */
int ppo_pack_make(struct ppo *p, struct err *err);
void ppo_pack_free(struct ppo_pack *pack);
int ppo_pack_fill(struct ppo *p, int from, int to);

/* Runs the model over the pack: from the trunk's kept activations when there are any, whole otherwise. */
int ppo_pack_forward(struct ppo *p, struct err *err);

/* Computes the trunk's activations of the pack and keeps them with their episodes; nothing without frozen blocks. */
int ppo_pack_trunk(struct ppo *p, struct err *err);

/* Where minibatch `i` begins in the order; that of `minibatches` is its end. */
int ppo_minibatch_start(const struct ppo *p, int i);

/* ppo_rollout.c */
int ppo_rollout_make(struct ppo *p, struct err *err);
void ppo_rollout_free(struct ppo_rollout *r);
/* The order of the prompts in the present pass. */
void ppo_order_prompts(struct ppo *p);
/* Takes prompts, samples and decodes: fills episodes, tokens, first and input. Moves the cursor in p->state. */
int ppo_sample(struct ppo *p, struct err *err);
/* Has the episodes scored. */
int ppo_ask_scores(struct ppo *p, struct err *err);

/* ppo_train.c */
/* The order of the episodes in `epoch` of the present update. */
void ppo_order_episodes(struct ppo *p, int epoch);
/* logp, entropy, values and reference of all tokens, in the packs of epoch 0. */
int ppo_prepare(struct ppo *p, struct err *err);
/* The epochs. Fills the losses of *m. */
int ppo_learn(struct ppo *p, struct ppo_metrics *m, struct err *err);

/* ppo_check.c: ERR_INVALID_VALUE, ERR_INSUFFICIENT_DATA. */
int ppo_check(const struct ppo_inputs *in, const struct ppo_options *o, struct err *err);

/* ppo_reward.c: KL, the objective's scores, rewards, whitened advantages and returns; their figures into *m. */
int ppo_reward(struct ppo *p, struct ppo_metrics *m, struct err *err);

/* ppo_state.c: the digest of everything that the course of training depends on, into p->course. ERR_NO_MEMORY. */
int ppo_digest(struct ppo *p, struct err *err);

#endif
