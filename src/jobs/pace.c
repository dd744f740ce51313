#include "jobs/pace.h"

#include "base/clock.h"

#define CHECKPOINT_NS (INT64_C(300) * 1000000000)
#define MEMORY        0.95 /* of the running means */

static double seconds(const struct pace *p)
{
    return (double)(clock_mono_ns() - p->begin_ns) * 1e-9;
}

void pace_begin(struct pace *p, bool resumed, int64_t done, int64_t steps)
{
    p->resumed = resumed;
    p->begin_ns = p->saved_ns = clock_mono_ns();
    p->first = p->done = done;
    p->steps = steps;
    p->tokens = 0;
}

void pace_step(struct pace *p, int64_t tokens)
{
    p->done++;
    p->tokens += tokens;
}

double pace_mean(const struct pace *p, double mean, double value)
{
    return p->done == p->first + 1 ? value : MEMORY * mean + (1 - MEMORY) * value;
}

bool pace_checkpoint(struct pace *p)
{
    int64_t now = clock_mono_ns();
    bool due = p->checkpoint_every > 0 ? p->done % p->checkpoint_every == 0 : now - p->saved_ns >= CHECKPOINT_NS;
    if (p->done == p->steps || (!due && !*p->stop))
        return false;
    p->saved_ns = now;
    if (p->saving)
        p->saving(p->teller);
    return true;
}

bool pace_stopped(const struct pace *p)
{
    return *p->stop && p->done < p->steps;
}

double pace_speed(const struct pace *p)
{
    return p->tokens ? (double)p->tokens / seconds(p) : 0;
}

double pace_left(const struct pace *p)
{
    int64_t done = p->done - p->first;
    return done > 0 ? seconds(p) / (double)done * (double)(p->steps - p->done) : 0;
}
