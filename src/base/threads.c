#include "base/threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/check.h"
#include "base/mem.h"

struct member {
    struct threads *pool;
    pthread_t id;
    int index;
};

struct threads {
    int count;
    pthread_mutex_t lock;
    pthread_cond_t wake, idle;
    unsigned long round; /* counts loops; a member works when it sees a new one */
    int busy;            /* members that have not finished the round */
    bool stop;
    atomic_int next; /* next block to take */
    int blocks;
    void (*work)(void *context, int block, int thread);
    void *context;
    struct member members[]; /* count - 1 of them */
};

static void take_blocks(struct threads *t, int thread)
{
    int block;
    while ((block = atomic_fetch_add(&t->next, 1)) < t->blocks)
        t->work(t->context, block, thread);
}

static void *member_main(void *argument)
{
    struct member *m = argument;
    struct threads *t = m->pool;
    unsigned long seen = 0;
    pthread_mutex_lock(&t->lock);
    for (;;) {
        while (t->round == seen && !t->stop)
            pthread_cond_wait(&t->wake, &t->lock);
        if (t->stop)
            break;
        seen = t->round;
        pthread_mutex_unlock(&t->lock);
        take_blocks(t, m->index);
        pthread_mutex_lock(&t->lock);
        if (--t->busy == 0)
            pthread_cond_signal(&t->idle);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

struct threads *threads_new(int count, struct err *err)
{
    CHECK(count >= 1 && count <= 256);
    struct threads *t = mem_zeroed(1, sizeof *t + (size_t)count * sizeof t->members[0]);
    if (!t) {
        err_memory(err);
        return NULL;
    }
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->wake, NULL);
    pthread_cond_init(&t->idle, NULL);
    t->count = 1;
    for (int i = 1; i < count; i++) {
        struct member *m = &t->members[i - 1];
        *m = (struct member){.pool = t, .index = i};
        if (pthread_create(&m->id, NULL, member_main, m) != 0) {
            err_set(err, ERR_SYSTEM, "cannot start thread %d of %d", i + 1, count);
            threads_free(t);
            return NULL;
        }
        t->count++;
    }
    return t;
}

void threads_free(struct threads *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    t->stop = true;
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
    for (int i = 1; i < t->count; i++)
        pthread_join(t->members[i - 1].id, NULL);
    pthread_cond_destroy(&t->idle);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}

int threads_count(const struct threads *t)
{
    return t ? t->count : 1;
}

void threads_run(struct threads *t, int blocks, void (*work)(void *context, int block, int thread), void *context)
{
    if (!t || t->count == 1 || blocks <= 1) {
        for (int block = 0; block < blocks; block++)
            work(context, block, 0);
        return;
    }
    pthread_mutex_lock(&t->lock);
    t->work = work;
    t->context = context;
    t->blocks = blocks;
    atomic_store(&t->next, 0);
    t->busy = t->count - 1;
    t->round++;
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
    take_blocks(t, 0);
    pthread_mutex_lock(&t->lock);
    while (t->busy > 0)
        pthread_cond_wait(&t->idle, &t->lock);
    pthread_mutex_unlock(&t->lock);
}
