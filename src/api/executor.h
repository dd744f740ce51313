/* executor: a few threads that carry out tasks which wait for the database, so that no HTTP thread does.
 *
 * Tasks run in order of arrival. The queue is bounded: a full one refuses, and the caller answers 503. It refuses to
 * cancel: a task has a deadline of its own (struct task), which the code that it runs must keep, and by which a task
 * that waited too long is told so.
 *
 * Thread rule: executor_submit from any thread, also from a running task; start and stop from one. */
#ifndef EGALIGN_API_EXECUTOR_H
#define EGALIGN_API_EXECUTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Embedded in what it works on; owned by the submitter, which must not touch it until `run` has been called. */
struct task {
    struct task *next;
    void (*run)(struct task *task); /* called once on a thread of the executor */
};

struct executor;

/* `threads` threads and room for `room` waiting tasks. NULL with err on failure. */
struct executor *executor_new(int threads, int room, struct err *err);

/* False when the queue is full or the executor is stopping: the task will then not run. */
bool executor_submit(struct executor *e, struct task *task);

/* Runs what is queued, then ends the threads and frees all. NULL is fine. */
void executor_free(struct executor *e);

#endif
