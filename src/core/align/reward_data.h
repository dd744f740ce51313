/* reward_data: judged pairs of responses as tokens, for training scalar reward heads of a language model.
 *
 * A sequence is a prompt with one response (dialogue_sequence). A pair is two sequences of one prompt, with how much
 * each head has seen the one, and the other, preferred: comparisons of the same pair add up, weighted by what makes
 * them a head's own (a posterior), a tie as half a win for each. That is exact: the loss of a pair depends on nothing
 * else. Which pairs are held out is the caller's choice, by item, so that no text is on both sides.
 *
 * The data own their tokens. Built by one thread, then read-only. */
#ifndef EGALIGN_CORE_ALIGN_REWARD_DATA_H
#define EGALIGN_CORE_ALIGN_REWARD_DATA_H

#include <stdio.h>

#include "base/sha256.h"
#include "core/align/dialogue.h"

enum { REWARD_HEADS_MAX = 12 };

struct reward_sequence {
    size_t offset; /* into tokens */
    int length;    /* 1 .. longest */
};

struct reward_pair {
    int sequence[2];
    bool held_out;
};

struct reward_data {
    int longest; /* tokens of a sequence at most; set by the caller before the first is added */
    int heads;   /* 1 .. REWARD_HEADS_MAX; likewise */
    struct token_list tokens, text;
    struct reward_sequence *sequences;
    int count, room;
    struct reward_pair *pairs;
    float *wins; /* [pairs][2][heads]: weight of the judgements for the first, for the second */
    int pair_count, pair_room;
    int cut; /* sequences that were too long */
};

/* Adds a sequence, or a pair of two different ones that nobody has judged yet; its number, or -1 with err. */
int reward_data_add(struct reward_data *d, const struct dialogue *dialogue, struct str prompt, struct str response,
                    struct err *err);
int reward_data_pair(struct reward_data *d, int first, int second, bool held_out, struct err *err);

/* One comparison of two sequences. */
struct reward_judgement {
    int first, second;
    double preference;    /* 1: the first is better; 0: the second; 0.5: a tie */
    const double *weight; /* [heads] how much it is each head's own; the caller's */
    bool held_out;        /* the same for all judgements of a pair */
};

/* Adds `n` judgements, those of one pair together. Ties that are held out count for nothing, for accuracy is about who
 * was preferred. ERR_NO_MEMORY. */
int reward_data_judge(struct reward_data *d, int n, const struct reward_judgement *judgements, struct err *err);

/* The judgements of a pair: ret[side * heads + head], to be added to. Valid until the next pair is added. */
static inline float *reward_data_wins(const struct reward_data *d, int pair)
{
    return d->wins + (size_t)pair * 2 * (size_t)d->heads;
}

/* A digest of all sequences, pairs and judgements. */
void reward_data_digest(const struct reward_data *d, uint8_t ret[SHA256_SIZE]);
void reward_data_free(struct reward_data *d);

/* Writes all of it, for this kind of machine, with its digest behind; and reads that into empty data. ERR_SYSTEM,
 * ERR_BAD_FILE when the file is not whole, ERR_NO_MEMORY. */
int reward_data_write(const struct reward_data *d, FILE *file, struct err *err);
int reward_data_load(const char *path, struct reward_data *ret, struct err *err);

/* The same from where `file` stands, of which more may follow; `name` is for messages. */
int reward_data_read(FILE *file, const char *name, struct reward_data *ret, struct err *err);

#endif
