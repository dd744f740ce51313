/* threads: a fixed pool of threads that runs the numbered blocks of one loop.
 *
 * Work is cut into blocks by the caller, by size and never by thread count, and each block writes only its own output:
 * then results do not depend on the number of threads. It refuses to queue, nest or cancel: one loop at a time, the
 * calling thread takes part, and the call returns when every block is done.
 *
 * Thread rule: a pool is used by one thread at a time. */
#ifndef EGALIGN_BASE_THREADS_H
#define EGALIGN_BASE_THREADS_H

#include "base/err.h"

struct threads;

/* A pool of `count` threads in all (the caller's included), 1 .. 256. NULL with err on failure. */
struct threads *threads_new(int count, struct err *err);
void threads_free(struct threads *t);
int threads_count(const struct threads *t);

/* Runs work(context, block, thread) for block = 0 .. blocks-1, in any order; `thread` is 0 .. count-1 and names a
 * scratch space that no other running block has. `t` may be NULL: the caller does it all. */
void threads_run(struct threads *t, int blocks, void (*work)(void *context, int block, int thread), void *context);

#endif
