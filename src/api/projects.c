#include "api/projects.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define FRESH_NS 2000000000LL

struct entry {
    char *name;
    struct uuid id;
    struct document *win_rates;
    bool lasting, refreshing;
    int64_t fresh_until_ns;
};

/* Projects are few (thousands at most); entries are kept sorted by name. */
struct projects {
    pthread_rwlock_t lock;
    pthread_mutex_t refresh_lock; /* for the `refreshing` of all entries */
    struct entry *entries;
    size_t count, room;
    uint64_t generation;
};

struct projects *projects_new(void)
{
    struct projects *p = mem_zeroed(1, sizeof *p);
    if (!p)
        return NULL;
    pthread_rwlock_init(&p->lock, NULL);
    pthread_mutex_init(&p->refresh_lock, NULL);
    return p;
}

void projects_free(struct projects *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->count; i++) {
        mem_free(p->entries[i].name);
        document_drop(p->entries[i].win_rates);
    }
    mem_free(p->entries);
    pthread_mutex_destroy(&p->refresh_lock);
    pthread_rwlock_destroy(&p->lock);
    mem_free(p);
}

/* The position of `name`, or where it would be. */
static size_t position(const struct projects *p, struct str name)
{
    size_t low = 0, high = p->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strncmp(p->entries[middle].name, name.ptr, name.len) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct entry *by_name(struct projects *p, struct str name)
{
    size_t at = position(p, name);
    return at < p->count && str_is(name, p->entries[at].name) ? &p->entries[at] : NULL;
}

static struct entry *by_id(struct projects *p, const struct uuid *id)
{
    for (size_t i = 0; i < p->count; i++)
        if (memcmp(p->entries[i].id.bytes, id->bytes, sizeof id->bytes) == 0)
            return &p->entries[i];
    return NULL;
}

bool projects_find(struct projects *p, struct str name, struct uuid *ret)
{
    pthread_rwlock_rdlock(&p->lock);
    struct entry *e = by_name(p, name);
    if (e)
        *ret = e->id;
    pthread_rwlock_unlock(&p->lock);
    return e;
}

static bool make_room(struct projects *p)
{
    if (p->count < p->room)
        return true;
    size_t room = p->room ? 2 * p->room : 16;
    struct entry *more = mem_resize(p->entries, room, sizeof *more);
    if (!more)
        return false;
    p->entries = more;
    p->room = room;
    return true;
}

void projects_remember(struct projects *p, struct str name, const struct uuid *id)
{
    char *copy = mem_strndup(name.ptr, name.len);
    pthread_rwlock_wrlock(&p->lock);
    if (copy && !by_name(p, name) && make_room(p)) {
        size_t at = position(p, name);
        memmove(&p->entries[at + 1], &p->entries[at], (p->count - at) * sizeof p->entries[0]);
        p->entries[at] = (struct entry){.name = copy, .id = *id};
        p->count++;
        copy = NULL;
    }
    pthread_rwlock_unlock(&p->lock);
    mem_free(copy);
}

struct document *projects_win_rates(struct projects *p, struct str name, bool *ret_refresh)
{
    *ret_refresh = false;
    pthread_rwlock_rdlock(&p->lock);
    struct entry *e = by_name(p, name);
    struct document *d = e && e->win_rates ? document_hold(e->win_rates) : NULL;
    if (d && !e->lasting && clock_mono_ns() > e->fresh_until_ns) {
        pthread_mutex_lock(&p->refresh_lock);
        *ret_refresh = !e->refreshing;
        e->refreshing = true;
        pthread_mutex_unlock(&p->refresh_lock);
    }
    pthread_rwlock_unlock(&p->lock);
    return d;
}

uint64_t projects_generation(struct projects *p)
{
    pthread_rwlock_rdlock(&p->lock);
    uint64_t generation = p->generation;
    pthread_rwlock_unlock(&p->lock);
    return generation;
}

void projects_put_win_rates(struct projects *p, const struct uuid *id, struct document *d, bool lasting,
                            uint64_t generation)
{
    struct document *old = NULL;
    pthread_rwlock_wrlock(&p->lock);
    struct entry *e = by_id(p, id);
    if (e) {
        e->refreshing = false;
        e->fresh_until_ns = clock_mono_ns() + FRESH_NS;
    }
    if (e && d && generation == p->generation) {
        old = e->win_rates;
        e->win_rates = document_hold(d);
        e->lasting = lasting;
    }
    pthread_rwlock_unlock(&p->lock);
    document_drop(old);
}

void projects_drop_win_rates(struct projects *p, const struct uuid *id)
{
    pthread_rwlock_wrlock(&p->lock);
    p->generation++;
    for (size_t i = 0; i < p->count; i++) {
        if (id && memcmp(p->entries[i].id.bytes, id->bytes, sizeof id->bytes) != 0)
            continue;
        document_drop(p->entries[i].win_rates);
        p->entries[i].win_rates = NULL;
    }
    pthread_rwlock_unlock(&p->lock);
}
