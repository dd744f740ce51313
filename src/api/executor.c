#include "api/executor.h"

#include <pthread.h>

#include "base/check.h"
#include "base/mem.h"

struct executor {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct task *first, *last;
    int waiting, room;
    bool stopping;
    int count;
    pthread_t threads[];
};

static struct task *take(struct executor *e)
{
    pthread_mutex_lock(&e->lock);
    while (!e->first && !e->stopping)
        pthread_cond_wait(&e->work, &e->lock);
    struct task *task = e->first;
    if (task) {
        e->first = task->next;
        if (!e->first)
            e->last = NULL;
        e->waiting--;
    }
    pthread_mutex_unlock(&e->lock);
    return task;
}

static void *run(void *context)
{
    struct executor *e = context;
    for (struct task *task; (task = take(e));)
        task->run(task);
    return NULL;
}

struct executor *executor_new(int threads, int room, struct err *err)
{
    struct executor *e = mem_zeroed(1, sizeof *e + (size_t)threads * sizeof e->threads[0]);
    if (!e) {
        err_memory(err);
        return NULL;
    }
    e->room = room;
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->work, NULL);
    while (e->count < threads) {
        if (pthread_create(&e->threads[e->count], NULL, run, e) != 0) {
            executor_free(e);
            err_set(err, ERR_SYSTEM, "cannot start a thread");
            return NULL;
        }
        e->count++;
    }
    return e;
}

bool executor_submit(struct executor *e, struct task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&e->lock);
    bool taken = !e->stopping && e->waiting < e->room;
    if (taken) {
        if (e->last)
            e->last->next = task;
        else
            e->first = task;
        e->last = task;
        e->waiting++;
        pthread_cond_signal(&e->work);
    }
    pthread_mutex_unlock(&e->lock);
    return taken;
}

void executor_free(struct executor *e)
{
    if (!e)
        return;
    pthread_mutex_lock(&e->lock);
    e->stopping = true;
    pthread_cond_broadcast(&e->work);
    pthread_mutex_unlock(&e->lock);
    for (int i = 0; i < e->count; i++)
        CHECK(pthread_join(e->threads[i], NULL) == 0);
    pthread_cond_destroy(&e->work);
    pthread_mutex_destroy(&e->lock);
    mem_free(e);
}
