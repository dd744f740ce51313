#include "core/align/reward_data.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

int reward_data_add(struct reward_data *d, const struct dialogue *dialogue, struct str prompt, struct str response,
                    struct err *err)
{
    int read;
    int cut = dialogue_sequence(dialogue, prompt, response, d->longest, &d->text, &read, err);
    if (cut < 0 || mem_grow(&d->sequences, d->count, &d->room, sizeof *d->sequences, err) < 0)
        return -1;
    d->cut += cut;
    d->sequences[d->count] = (struct reward_sequence){d->tokens.count, (int)d->text.count};
    for (size_t i = 0; i < d->text.count; i++)
        token_list_put(&d->tokens, d->text.ids[i]);
    return d->tokens.failed ? err_memory(err) : d->count++;
}

int reward_data_pair(struct reward_data *d, int first, int second, bool held_out, struct err *err)
{
    size_t each = 2 * (size_t)d->heads * sizeof *d->wins;
    int room = d->pair_room;
    CHECK(first >= 0 && second >= 0 && first < d->count && second < d->count && first != second);
    if (mem_grow(&d->wins, d->pair_count, &room, each, err) < 0 ||
        mem_grow(&d->pairs, d->pair_count, &d->pair_room, sizeof *d->pairs, err) < 0)
        return -1;
    d->pairs[d->pair_count] = (struct reward_pair){{first, second}, held_out};
    memset(reward_data_wins(d, d->pair_count), 0, each);
    return d->pair_count++;
}

struct ordered {
    int low, high, at;
};

static int by_pair(const void *x, const void *y)
{
    const struct ordered *a = x, *b = y;
    if (a->low != b->low)
        return a->low < b->low ? -1 : 1;
    if (a->high != b->high)
        return a->high < b->high ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

static void add_wins(struct reward_data *d, int pair, const struct reward_judgement *j)
{
    float *wins = reward_data_wins(d, pair);
    double low = d->pairs[pair].sequence[0] == j->first ? j->preference : 1 - j->preference;
    if (j->held_out && j->preference == 0.5)
        return;
    for (int u = 0; u < d->heads; u++) {
        wins[u] += (float)(low * j->weight[u]);
        wins[d->heads + u] += (float)((1 - low) * j->weight[u]);
    }
}

int reward_data_judge(struct reward_data *d, int n, const struct reward_judgement *judgements, struct err *err)
{
    struct ordered *order = mem_array((size_t)n + 1, sizeof *order);
    int pair = order ? 0 : err_memory(err);
    for (int i = 0; order && i < n; i++) {
        const struct reward_judgement *j = &judgements[i];
        bool swapped = j->first > j->second;
        order[i] = (struct ordered){swapped ? j->second : j->first, swapped ? j->first : j->second, i};
    }
    if (order)
        qsort(order, (size_t)n, sizeof *order, by_pair);
    for (int i = 0; i < n && pair >= 0; i++) {
        const struct reward_judgement *j = &judgements[order[i].at];
        if (i == 0 || order[i].low != order[i - 1].low || order[i].high != order[i - 1].high)
            pair = reward_data_pair(d, order[i].low, order[i].high, j->held_out, err);
        if (pair >= 0)
            add_wins(d, pair, j);
    }
    mem_free(order);
    return pair < 0 ? -1 : 0;
}

void reward_data_digest(const struct reward_data *d, uint8_t ret[SHA256_SIZE])
{
    struct sha256 hash;
    sha256_init(&hash);
    sha256_update(&hash, d->tokens.ids, d->tokens.count * sizeof *d->tokens.ids);
    for (int i = 0; i < d->count; i++)
        sha256_update(&hash, &d->sequences[i].length, sizeof d->sequences[i].length);
    for (int i = 0; i < d->pair_count; i++) {
        int32_t pair[3] = {d->pairs[i].sequence[0], d->pairs[i].sequence[1], d->pairs[i].held_out};
        sha256_update(&hash, pair, sizeof pair);
    }
    sha256_update(&hash, d->wins, (size_t)d->pair_count * 2 * (size_t)d->heads * sizeof *d->wins);
    sha256_final(&hash, ret);
}

void reward_data_free(struct reward_data *d)
{
    token_list_free(&d->tokens);
    token_list_free(&d->text);
    mem_free(d->sequences);
    mem_free(d->pairs);
    mem_free(d->wins);
    *d = (struct reward_data){0};
}
