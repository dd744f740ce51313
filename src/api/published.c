#include "api/published.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"

struct slot {
    struct uuid project;
    struct published_fit *fit; /* one reference; NULL: empty */
    uint64_t used;
};

struct published {
    pthread_mutex_t lock;
    struct slot slots[PUBLISHED_KEPT];
    uint64_t clock;      /* counts uses */
    uint64_t generation; /* counts what was forgotten */
};

struct published *published_new(void)
{
    struct published *p = mem_zeroed(1, sizeof *p);
    if (p)
        pthread_mutex_init(&p->lock, NULL);
    return p;
}

static void free_fit(struct published_fit *fit)
{
    if (!fit)
        return;
    scorer_free(fit->scorer);
    mem_free(fit);
}

/* Under the lock: takes one reference away; what is to be freed after the lock, or NULL. */
static struct published_fit *unreferenced(struct published_fit *fit)
{
    return fit && --fit->references == 0 ? fit : NULL;
}

void published_drop(struct published *p, struct published_fit *fit)
{
    pthread_mutex_lock(&p->lock);
    struct published_fit *last = unreferenced(fit);
    pthread_mutex_unlock(&p->lock);
    free_fit(last);
}

static bool is_of(const struct slot *s, const struct uuid *project)
{
    return s->fit && (!project || memcmp(s->project.bytes, project->bytes, sizeof project->bytes) == 0);
}

void published_forget(struct published *p, const struct uuid *project)
{
    struct published_fit *last[PUBLISHED_KEPT] = {NULL};
    pthread_mutex_lock(&p->lock);
    p->generation++;
    for (int i = 0; i < PUBLISHED_KEPT; i++) {
        if (!is_of(&p->slots[i], project))
            continue;
        last[i] = unreferenced(p->slots[i].fit);
        p->slots[i].fit = NULL;
    }
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < PUBLISHED_KEPT; i++)
        free_fit(last[i]);
}

void published_free(struct published *p)
{
    if (!p)
        return;
    published_forget(p, NULL);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

/* One that is kept, with a reference for the caller; or NULL. *ret_generation is that of before. */
static struct published_fit *find(struct published *p, const struct uuid *project, uint64_t *ret_generation)
{
    struct published_fit *found = NULL;
    pthread_mutex_lock(&p->lock);
    *ret_generation = p->generation;
    for (int i = 0; i < PUBLISHED_KEPT && !found; i++) {
        if (!is_of(&p->slots[i], project))
            continue;
        found = p->slots[i].fit;
        found->references++;
        p->slots[i].used = ++p->clock;
    }
    pthread_mutex_unlock(&p->lock);
    return found;
}

/* Keeps a reference in the slot that was used longest ago (an empty one was never), unless something was forgotten
 * since or another thread was faster. */
static void keep(struct published *p, const struct uuid *project, struct published_fit *fit, uint64_t generation)
{
    struct published_fit *last = NULL;
    struct slot *oldest = &p->slots[0];
    bool there = false;
    pthread_mutex_lock(&p->lock);
    for (int i = 0; i < PUBLISHED_KEPT; i++) {
        struct slot *s = &p->slots[i];
        there = there || is_of(s, project);
        if (oldest->fit && (!s->fit || s->used < oldest->used))
            oldest = s;
    }
    if (generation == p->generation && !there) {
        last = unreferenced(oldest->fit);
        *oldest = (struct slot){*project, fit, ++p->clock};
        fit->references++;
    }
    pthread_mutex_unlock(&p->lock);
    free_fit(last);
}

static int open_fit(struct pool *pool, const struct uuid *project, struct published_fit *fit, struct err *err)
{
    int status = fit_published(pool, project, NULL, &fit->facts, err);
    if (status == 0)
        status = scorer_open(fit->facts.model.data, fit->facts.model.length, &fit->scorer, err);
    if (status == 0 && scorer_needs_encoder(fit->scorer, NULL))
        status = err_set(err, ERR_NOT_READY, "the published fit scores the states of a language model, which only jobs "
                         "load: publish a fit without a policy to choose here");
    if (status == 0 && scorer_groups(fit->scorer) != fit->facts.groups)
        status = err_set(err, ERR_NOT_READY, "the published fit has %d groups and its model %d", fit->facts.groups,
                         scorer_groups(fit->scorer));
    fit_published_free(&fit->facts);
    return status;
}

int published_hold(struct published *p, struct pool *pool, const struct uuid *project, struct published_fit **ret,
                   struct err *err)
{
    uint64_t generation;
    struct published_fit *fit = find(p, project, &generation);
    if (!fit) {
        fit = mem_zeroed(1, sizeof *fit);
        if (!fit)
            return err_memory(err);
        fit->references = 1;
        if (open_fit(pool, project, fit, err) < 0) {
            free_fit(fit);
            return -1;
        }
        keep(p, project, fit, generation);
    }
    *ret = fit;
    return 0;
}
