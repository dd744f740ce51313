/* train_reward: `egalign train reward`, the part of the train command that shapes a language model by judged pairs.
 * Private to the command. One thread. */
#ifndef EGALIGN_CLI_TRAIN_REWARD_H
#define EGALIGN_CLI_TRAIN_REWARD_H

#include <signal.h>

/* argv[0] is "reward". `stop` becomes true when a signal asks for a checkpoint and the end. Gives the exit status. */
int train_reward(int argc, char **argv, const volatile sig_atomic_t *stop);

#endif
