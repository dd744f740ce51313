#include "api/auth.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"

/* Requests of one token in one minute; the minute's number is in `minute`. */
struct tally {
    int64_t minute, count;
};

struct tokens {
    pthread_rwlock_t lock;      /* for the set */
    pthread_mutex_t tally_lock; /* for the tallies */
    struct token *set;          /* sorted by hash */
    struct tally *tallies;      /* one for each */
    size_t count;
    int64_t per_minute;
    atomic_bool ready;
    atomic_llong loaded_ns; /* when the loading of the set began */
};

struct tokens *tokens_new(int64_t requests_per_minute)
{
    struct tokens *t = mem_zeroed(1, sizeof *t);
    if (!t)
        return NULL;
    pthread_rwlock_init(&t->lock, NULL);
    pthread_mutex_init(&t->tally_lock, NULL);
    t->per_minute = requests_per_minute;
    return t;
}

void tokens_free(struct tokens *t)
{
    if (!t)
        return;
    mem_free(t->set);
    mem_free(t->tallies);
    pthread_mutex_destroy(&t->tally_lock);
    pthread_rwlock_destroy(&t->lock);
    mem_free(t);
}

bool tokens_ready(const struct tokens *t)
{
    return atomic_load(&t->ready);
}

/* The position of a hash in a sorted set, or -1. The order of hashes tells nothing of the tokens. */
static long find(const struct token *set, size_t count, const uint8_t hash[TOKEN_HASH])
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(set[middle].hash, hash, TOKEN_HASH) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && str_equal_secret(set[low].hash, hash, TOKEN_HASH) ? (long)low : -1;
}

int tokens_reload(struct tokens *t, struct pool *pool, struct err *err)
{
    struct token *set;
    size_t count;
    int64_t began_ns = clock_mono_ns();
    if (token_load(pool, &set, &count, err) < 0)
        return -1;
    struct tally *tallies = mem_zeroed(count + 1, sizeof *tallies);
    if (!tallies) {
        mem_free(set);
        return err_memory(err);
    }
    pthread_rwlock_wrlock(&t->lock);
    for (size_t i = 0; i < count; i++) {
        long before = find(t->set, t->count, set[i].hash);
        if (before >= 0)
            tallies[i] = t->tallies[before];
    }
    mem_free(t->set);
    mem_free(t->tallies);
    t->set = set;
    t->tallies = tallies;
    t->count = count;
    atomic_store(&t->loaded_ns, began_ns);
    atomic_store(&t->ready, true);
    pthread_rwlock_unlock(&t->lock);
    return 0;
}

int tokens_refresh(struct tokens *t, struct pool *pool, int64_t since_ns, struct err *err)
{
    return atomic_load(&t->loaded_ns) >= since_ns ? 0 : tokens_reload(t, pool, err);
}

/* Counts one request of the token at `at`; the minute is the monotonic clock's. */
static int count_request(struct tokens *t, size_t at, struct principal *ret, struct err *err)
{
    int64_t second = clock_mono_ns() / 1000000000;
    ret->limit = t->per_minute;
    ret->reset_seconds = 60 - second % 60;
    pthread_mutex_lock(&t->tally_lock);
    struct tally *tally = &t->tallies[at];
    if (tally->minute != second / 60)
        *tally = (struct tally){second / 60, 0};
    bool over = tally->count >= t->per_minute;
    tally->count += !over;
    ret->remaining = t->per_minute - tally->count;
    pthread_mutex_unlock(&t->tally_lock);
    if (over)
        return err_set(err, ERR_RATE_LIMITED, "this token has made its %lld requests of this minute",
                       (long long)t->per_minute);
    return 0;
}

static int check_hash(struct tokens *t, const uint8_t hash[TOKEN_HASH], struct principal *ret, struct err *err)
{
    long at = find(t->set, t->count, hash);
    if (at < 0 || (t->set[at].has_expiry && t->set[at].expires_at <= clock_wall_us()))
        return err_set(err, ERR_UNAUTHENTICATED, "the token is unknown, revoked or expired");
    const struct token *token = &t->set[at];
    *ret = (struct principal){.known = true,
                              .token = token->id,
                              .role = token->role,
                              .scoped = token->has_project,
                              .project = token->project};
    return t->per_minute > 0 ? count_request(t, (size_t)at, ret, err) : 0;
}

int tokens_check(struct tokens *t, const char *header, struct principal *ret, struct err *err)
{
    *ret = (struct principal){0};
    if (!header)
        return err_set(err, ERR_UNAUTHENTICATED, "send a token: Authorization: Bearer ...");
    if (strncasecmp(header, "Bearer ", 7) != 0)
        return err_set(err, ERR_UNAUTHENTICATED, "the Authorization header is not of the Bearer scheme");
    struct str text = str_of(header + 7 + strspn(header + 7, " "));
    if (!tokens_ready(t))
        return err_set(err, ERR_DATABASE_DOWN, "tokens have not been read from the database yet");
    uint8_t hash[TOKEN_HASH];
    token_hash(text, hash);
    pthread_rwlock_rdlock(&t->lock);
    int status = check_hash(t, hash, ret, err);
    pthread_rwlock_unlock(&t->lock);
    if (status == 0 || err->code != ERR_UNAUTHENTICATED)
        return status;
    ret->unheard_of = token_well_formed(text);
    if (!ret->unheard_of)
        err_set(err, ERR_UNAUTHENTICATED, "the token is cut short or mistyped: its checksum does not fit");
    return -1;
}
