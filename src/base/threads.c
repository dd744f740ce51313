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
    atomic_ulong round; /* counts loops; a member works when it sees a new one */
    atomic_int busy;    /* members that have not finished the round */
    atomic_bool stop;
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

/* One loop often follows another within microseconds, and to wake a sleeping thread takes tens of them: so both sides
 * look a little while before they sleep. */
enum { LOOKS = 2000 };

static void look_again(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Waits for a round after `seen` and returns its number; `seen` when the pool ends. */
static unsigned long await_round(struct threads *t, unsigned long seen)
{
    for (int i = 0; i < LOOKS && atomic_load(&t->round) == seen && !atomic_load(&t->stop); i++)
        look_again();
    pthread_mutex_lock(&t->lock);
    while (atomic_load(&t->round) == seen && !atomic_load(&t->stop))
        pthread_cond_wait(&t->wake, &t->lock);
    unsigned long round = atomic_load(&t->stop) ? seen : atomic_load(&t->round);
    pthread_mutex_unlock(&t->lock);
    return round;
}

static void *member_main(void *argument)
{
    struct member *m = argument;
    struct threads *t = m->pool;
    unsigned long seen = 0, round;
    while ((round = await_round(t, seen)) != seen) {
        seen = round;
        take_blocks(t, m->index);
        if (atomic_fetch_sub(&t->busy, 1) > 1)
            continue;
        pthread_mutex_lock(&t->lock);
        pthread_cond_signal(&t->idle);
        pthread_mutex_unlock(&t->lock);
    }
    return NULL;
}

static void await_members(struct threads *t)
{
    for (int i = 0; i < LOOKS && atomic_load(&t->busy) > 0; i++)
        look_again();
    if (atomic_load(&t->busy) == 0)
        return;
    pthread_mutex_lock(&t->lock);
    while (atomic_load(&t->busy) > 0)
        pthread_cond_wait(&t->idle, &t->lock);
    pthread_mutex_unlock(&t->lock);
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
    atomic_store(&t->stop, true);
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
    atomic_store(&t->busy, t->count - 1);
    atomic_fetch_add(&t->round, 1);
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
    take_blocks(t, 0);
    await_members(t);
}
