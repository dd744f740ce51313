/* train_reward: `egalign train reward`, the part of the train command that shapes language models by judged pairs: one
 * backbone with a head for each group (train_reward.c), or with --full a model for each group inside EM
 * (train_reward_full.c). Private to the command. One thread. */
#ifndef EGALIGN_CLI_TRAIN_REWARD_H
#define EGALIGN_CLI_TRAIN_REWARD_H

#include <signal.h>

#include "cli/fit_load.h"
#include "core/align/language_model.h"
#include "core/align/reward_model.h"
#include "core/reward/fit.h"

struct reward {
    const char *file, *init, *out;
    int64_t k, longest, threads, checkpoint_every, iterations;
    double held_out;
    bool json, help, terminal;
    bool full, round_robin; /* of --full: whether EM starts from annotator h mod K */
    enum assignment assignment;
    struct reward_options options;
    struct fit_load load;
    struct fit *fit;
    struct language_model lm;
    struct lm_model *model; /* with the heads */
    struct reward_data data;
    int64_t shown_ns;
};

/* argv[0] is "reward". `stop` becomes true when a signal asks for a checkpoint and the end. Gives the exit status. */
int train_reward(int argc, char **argv, const volatile sig_atomic_t *stop);

/* Which items are held out is drawn from the seed and the item's number. */
bool train_reward_held_out(const struct reward *r, int item);

/* The run with --full, prepared up to the sequences: 0 when the models are in r->out, 1 when it was told to stop,
 * -1. */
int train_reward_full(struct reward *r, const volatile sig_atomic_t *stop, struct err *err);

#endif
