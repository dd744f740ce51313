/* On disk: the sequences (reward_data_write), then a head of numbers, the comparisons, the posteriors, the digest. */
#include "core/align/reward_em_data.h"

#include <string.h>

#include "base/mem.h"

static const char magic[8] = "EGJUDGE1";

struct head {
    char magic[8];
    int32_t annotators, groups, comparisons, zero;
};

/* A comparison without padding. */
struct record {
    int32_t annotator, first, second, held_out;
    double preference;
};

int reward_em_data_allocate(struct reward_em_data *d, struct err *err)
{
    d->comparison = mem_array((size_t)d->comparisons + 1, sizeof *d->comparison);
    d->posterior = mem_array((size_t)d->annotators * (size_t)d->groups + 1, sizeof *d->posterior);
    return d->comparison && d->posterior ? 0 : err_memory(err);
}

void reward_em_data_free(struct reward_em_data *d)
{
    reward_data_free(&d->sequences);
    mem_free(d->comparison);
    mem_free(d->posterior);
    *d = (struct reward_em_data){0};
}

static struct record record_of(const struct reward_em_comparison *c)
{
    return (struct record){c->annotator, c->first, c->second, c->held_out, c->preference};
}

static size_t posterior_bytes(const struct reward_em_data *d)
{
    return (size_t)d->annotators * (size_t)d->groups * sizeof *d->posterior;
}

void reward_em_data_digest(const struct reward_em_data *d, uint8_t ret[SHA256_SIZE])
{
    const int32_t numbers[] = {d->annotators, d->groups, d->comparisons};
    uint8_t sequences[SHA256_SIZE];
    struct sha256 hash;
    reward_data_digest(&d->sequences, sequences);
    sha256_init(&hash);
    sha256_update(&hash, sequences, sizeof sequences);
    sha256_update(&hash, numbers, sizeof numbers);
    for (int i = 0; i < d->comparisons; i++) {
        struct record r = record_of(&d->comparison[i]);
        sha256_update(&hash, &r, sizeof r);
    }
    sha256_update(&hash, d->posterior, posterior_bytes(d));
    sha256_final(&hash, ret);
}

static bool put(FILE *file, const void *bytes, size_t size)
{
    return size == 0 || fwrite(bytes, size, 1, file) == 1;
}

static bool get(FILE *file, void *bytes, size_t size)
{
    return size == 0 || fread(bytes, size, 1, file) == 1;
}

int reward_em_data_write(const struct reward_em_data *d, FILE *file, struct err *err)
{
    struct head head = {.annotators = d->annotators, .groups = d->groups, .comparisons = d->comparisons};
    uint8_t digest[SHA256_SIZE];
    memcpy(head.magic, magic, sizeof magic);
    reward_em_data_digest(d, digest);
    if (reward_data_write(&d->sequences, file, err) < 0)
        return -1;
    bool whole = put(file, &head, sizeof head);
    for (int i = 0; i < d->comparisons && whole; i++) {
        struct record r = record_of(&d->comparison[i]);
        whole = put(file, &r, sizeof r);
    }
    if (whole && put(file, d->posterior, posterior_bytes(d)) && put(file, digest, sizeof digest))
        return 0;
    return err_errno(err, "cannot write the comparisons");
}

/* Whether what follows the sequences can be the comparisons that the head announces, and ends with them. */
static bool is_usable(const struct head *h, FILE *file)
{
    long at = ftell(file), end;
    if (memcmp(h->magic, magic, sizeof magic) != 0 || h->annotators < 1 || h->groups < 1 ||
        h->groups > REWARD_HEADS_MAX || h->comparisons < 0 || at < 0 || fseek(file, 0, SEEK_END) < 0)
        return false;
    end = ftell(file);
    uint64_t wanted = (uint64_t)h->comparisons * sizeof(struct record) +
                      (uint64_t)h->annotators * (uint64_t)h->groups * sizeof(double) + SHA256_SIZE;
    return end >= at && (uint64_t)(end - at) == wanted && fseek(file, at, SEEK_SET) == 0;
}

static int read_rest(FILE *file, struct reward_em_data *d, struct err *err)
{
    struct head head;
    uint8_t stored[SHA256_SIZE], digest[SHA256_SIZE];
    if (!get(file, &head, sizeof head) || !is_usable(&head, file))
        return err_set(err, ERR_BAD_FILE, "there are no comparisons behind the sequences");
    d->annotators = head.annotators;
    d->groups = head.groups;
    d->comparisons = head.comparisons;
    if (reward_em_data_allocate(d, err) < 0)
        return -1;
    bool whole = true;
    for (int i = 0; i < d->comparisons && whole; i++) {
        struct record r;
        whole = get(file, &r, sizeof r);
        if (whole)
            d->comparison[i] =
                (struct reward_em_comparison){r.annotator, r.first, r.second, r.preference, r.held_out != 0};
    }
    if (!whole || !get(file, d->posterior, posterior_bytes(d)) || !get(file, stored, sizeof stored))
        return err_set(err, ERR_BAD_FILE, "the comparisons cannot be read");
    reward_em_data_digest(d, digest);
    return memcmp(stored, digest, sizeof digest) == 0 ? 0 : err_set(err, ERR_BAD_FILE, "the comparisons are damaged");
}

int reward_em_data_load(const char *path, struct reward_em_data *ret, struct err *err)
{
    FILE *file = fopen(path, "rbe");
    *ret = (struct reward_em_data){0};
    if (!file)
        return err_errno(err, "cannot read %s", path);
    int result = reward_data_read(file, path, &ret->sequences, err);
    if (result == 0 && read_rest(file, ret, err) < 0)
        result = err_wrap(err, "%s", path);
    fclose(file);
    if (result < 0)
        reward_em_data_free(ret);
    return result;
}
