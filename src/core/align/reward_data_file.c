/* Judged pairs as a file: a head of numbers, the arrays as they are in memory, the digest. */
#include <string.h>

#include "base/mem.h"
#include "core/align/reward_data.h"

static const char magic[8] = "EGPAIRS1";

struct head {
    char magic[8];
    int32_t longest, heads, count, pair_count, cut, zero;
    uint64_t tokens;
};

static bool put(FILE *file, const void *bytes, size_t size)
{
    return size == 0 || fwrite(bytes, size, 1, file) == 1;
}

static bool get(FILE *file, void *bytes, size_t size)
{
    return size == 0 || fread(bytes, size, 1, file) == 1;
}

static size_t wins_bytes(const struct reward_data *d)
{
    return (size_t)d->pair_count * 2 * (size_t)d->heads * sizeof *d->wins;
}

int reward_data_write(const struct reward_data *d, FILE *file, struct err *err)
{
    struct head head = {.longest = d->longest, .heads = d->heads, .count = d->count, .pair_count = d->pair_count,
                        .cut = d->cut, .tokens = d->tokens.count};
    uint8_t digest[SHA256_SIZE];
    memcpy(head.magic, magic, sizeof magic);
    reward_data_digest(d, digest);
    if (put(file, &head, sizeof head) && put(file, d->tokens.ids, d->tokens.count * sizeof *d->tokens.ids) &&
        put(file, d->sequences, (size_t)d->count * sizeof *d->sequences) &&
        put(file, d->pairs, (size_t)d->pair_count * sizeof *d->pairs) && put(file, d->wins, wins_bytes(d)) &&
        put(file, digest, sizeof digest))
        return 0;
    return err_errno(err, "cannot write the judged pairs");
}

/* `size`: what is left of the file, the head included. */
static bool is_usable(const struct head *h, uint64_t size)
{
    uint64_t floats = (uint64_t)h->pair_count * 2 * (uint64_t)h->heads;
    return memcmp(h->magic, magic, sizeof magic) == 0 && h->longest >= 4 && h->heads >= 1 &&
           h->heads <= REWARD_HEADS_MAX && h->count >= 0 && h->pair_count >= 0 && h->tokens < size &&
           size >= sizeof *h + h->tokens * sizeof(int32_t) + (uint64_t)h->count * sizeof(struct reward_sequence) +
                       (uint64_t)h->pair_count * sizeof(struct reward_pair) + floats * sizeof(float) + SHA256_SIZE;
}

/* Whether the sequences lie one behind the other in the tokens: their places are not part of the digest. */
static bool are_in_order(const struct reward_data *d)
{
    size_t at = 0;
    for (int i = 0; i < d->count; i++) {
        if (d->sequences[i].offset != at || d->sequences[i].length < 1)
            return false;
        at += (size_t)d->sequences[i].length;
    }
    return at == d->tokens.count;
}

/* Reads what the head announces; room for one element more, so that nothing has size 0. */
static int read_arrays(FILE *file, const struct head *h, struct reward_data *d, struct err *err)
{
    d->longest = h->longest;
    d->heads = h->heads;
    d->cut = h->cut;
    d->tokens.ids = mem_array(h->tokens + 1, sizeof *d->tokens.ids);
    d->sequences = mem_array((size_t)h->count + 1, sizeof *d->sequences);
    d->pairs = mem_array((size_t)h->pair_count + 1, sizeof *d->pairs);
    d->wins = mem_array(((size_t)h->pair_count + 1) * 2 * (size_t)h->heads, sizeof *d->wins);
    if (!d->tokens.ids || !d->sequences || !d->pairs || !d->wins)
        return err_memory(err);
    d->tokens.count = d->tokens.room = h->tokens;
    d->count = d->room = h->count;
    d->pair_count = d->pair_room = h->pair_count;
    uint8_t stored[SHA256_SIZE], digest[SHA256_SIZE];
    if (!get(file, d->tokens.ids, h->tokens * sizeof *d->tokens.ids) ||
        !get(file, d->sequences, (size_t)h->count * sizeof *d->sequences) ||
        !get(file, d->pairs, (size_t)h->pair_count * sizeof *d->pairs) || !get(file, d->wins, wins_bytes(d)) ||
        !get(file, stored, sizeof stored))
        return err_set(err, ERR_BAD_FILE, "the judged pairs cannot be read");
    reward_data_digest(d, digest);
    if (memcmp(stored, digest, sizeof digest) != 0 || !are_in_order(d))
        return err_set(err, ERR_BAD_FILE, "the judged pairs are damaged");
    return 0;
}

/* The bytes from where the file stands to its end; -1 when they cannot be told. */
static long left_of(FILE *file)
{
    long at = ftell(file);
    if (at < 0 || fseek(file, 0, SEEK_END) < 0)
        return -1;
    long end = ftell(file);
    return end < 0 || fseek(file, at, SEEK_SET) < 0 ? -1 : end - at;
}

int reward_data_read(FILE *file, const char *name, struct reward_data *ret, struct err *err)
{
    struct head head;
    long left = left_of(file);
    *ret = (struct reward_data){0};
    if (left < 0)
        return err_errno(err, "cannot read %s", name);
    if (left < (long)sizeof head || !get(file, &head, sizeof head) || !is_usable(&head, (uint64_t)left))
        return err_set(err, ERR_BAD_FILE, "%s does not hold judged pairs", name);
    if (read_arrays(file, &head, ret, err) == 0)
        return 0;
    reward_data_free(ret);
    return -1;
}

int reward_data_load(const char *path, struct reward_data *ret, struct err *err)
{
    FILE *file = fopen(path, "rbe");
    if (!file) {
        *ret = (struct reward_data){0};
        return err_errno(err, "cannot read %s", path);
    }
    int result = reward_data_read(file, path, ret, err);
    if (result == 0 && left_of(file) != 0) {
        reward_data_free(ret);
        result = err_set(err, ERR_BAD_FILE, "%s does not hold judged pairs", path);
    }
    fclose(file);
    return result;
}
