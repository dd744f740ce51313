/* workers: the worker processes that `egalign serve` starts beside itself (`egalign work`), and starts again when they
 * end.
 *
 * A worker that ends is started again after a back-off of 0.1 to 5 s, which a life of 10 s forgives. Workers end with
 * their parent. It refuses to know what they do. Thread rule: the main thread only, for children end with the thread
 * that forked them. */
#ifndef EGALIGN_CLI_WORKERS_H
#define EGALIGN_CLI_WORKERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum { WORKERS_MOST = 16 };

struct worker_process {
    pid_t pid; /* 0 when it is not running */
    int64_t started_ns, next_start_ns;
    int64_t wait_ns; /* back-off of the next start */
};

struct workers {
    int count;
    char **argv; /* of `egalign work`, ended by NULL; the caller's */
    struct worker_process process[WORKERS_MOST];
};

/* Reaps those that ended and starts those that are due; to be called every 100 ms or so and after SIGCHLD. When
 * something happened that should be logged, *event has a code and says what. */
void workers_step(struct workers *w, struct err *event);

/* Asks all to end (SIGTERM). */
void workers_ask_to_end(struct workers *w);

/* Waits for them, at most `ms`, and kills those that are left. */
void workers_wait(struct workers *w, int ms);

#endif
