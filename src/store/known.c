#include "store/known.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"

enum { WAYS = 4 };

/* 49 bytes. */
struct slot {
    uint8_t kind; /* 0: empty */
    uint8_t id[16], parent[16], project[16];
};

struct known {
    pthread_mutex_t lock;
    struct slot *slots; /* sets of WAYS slots; in a set the latest comes first */
    size_t sets;        /* a power of two */
    unsigned era;
};

struct known *known_new(size_t facts, struct err *err)
{
    struct known *k = mem_zeroed(1, sizeof *k);
    if (!k) {
        err_memory(err);
        return NULL;
    }
    k->sets = 1;
    while (k->sets * WAYS < facts)
        k->sets *= 2;
    k->slots = mem_zeroed(k->sets * WAYS, sizeof *k->slots);
    if (!k->slots) {
        mem_free(k);
        err_memory(err);
        return NULL;
    }
    pthread_mutex_init(&k->lock, NULL);
    return k;
}

void known_free(struct known *k)
{
    if (!k)
        return;
    pthread_mutex_destroy(&k->lock);
    mem_free(k->slots);
    mem_free(k);
}

/* Derived ids are a hash already; the version bits lie in bytes 6 and 8. */
static struct slot *set_of(struct known *k, const struct known_fact *fact)
{
    uint32_t hash;
    memcpy(&hash, fact->id.bytes + 12, sizeof hash);
    return k->slots + (hash & (k->sets - 1)) * WAYS;
}

static bool slot_holds(const struct slot *s, const struct known_fact *fact)
{
    return s->kind == fact->kind && memcmp(s->id, fact->id.bytes, 16) == 0 &&
           memcmp(s->parent, fact->parent.bytes, 16) == 0 && memcmp(s->project, fact->project.bytes, 16) == 0;
}

static bool set_holds(const struct slot *set, const struct known_fact *fact)
{
    for (int way = 0; way < WAYS; way++)
        if (slot_holds(set + way, fact))
            return true;
    return false;
}

void known_ask(struct known *k, struct known_fact *facts, size_t count)
{
    pthread_mutex_lock(&k->lock);
    for (size_t i = 0; i < count; i++)
        facts[i].holds = set_holds(set_of(k, &facts[i]), &facts[i]);
    pthread_mutex_unlock(&k->lock);
}

unsigned known_era(struct known *k)
{
    pthread_mutex_lock(&k->lock);
    unsigned era = k->era;
    pthread_mutex_unlock(&k->lock);
    return era;
}

static void enter(struct known *k, const struct known_fact *fact)
{
    struct slot *set = set_of(k, fact);
    if (set_holds(set, fact))
        return;
    memmove(set + 1, set, (WAYS - 1) * sizeof *set);
    set->kind = (uint8_t)fact->kind;
    memcpy(set->id, fact->id.bytes, 16);
    memcpy(set->parent, fact->parent.bytes, 16);
    memcpy(set->project, fact->project.bytes, 16);
}

void known_learn(struct known *k, const struct known_fact *facts, size_t count, unsigned era)
{
    pthread_mutex_lock(&k->lock);
    for (size_t i = 0; i < count && era == k->era; i++)
        if (!facts[i].holds)
            enter(k, &facts[i]);
    pthread_mutex_unlock(&k->lock);
}

void known_forget(struct known *k)
{
    pthread_mutex_lock(&k->lock);
    memset(k->slots, 0, k->sets * WAYS * sizeof *k->slots);
    k->era++;
    pthread_mutex_unlock(&k->lock);
}
