/* fit_load: reads a file of comparisons into a data set for an offline fit.
 *
 * Lines are TRL pairs ({"annotator", "prompt", "chosen", "rejected"}; with "a" and "b" a tie) or our own JSONL, told
 * apart by the first line. Texts are encoded as they come and, unless asked for, not kept: hashed, or by a language
 * model. One thread. */
#ifndef EGALIGN_CLI_FIT_LOAD_H
#define EGALIGN_CLI_FIT_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "core/align/encode.h"
#include "core/reward/dataset.h"

/* What is kept of a response when texts are kept. */
struct fit_load_text {
    int item;
    struct str prompt, response; /* in the arena */
};

struct fit_load {
    /* in: */
    bool keep;     /* keep the texts and the comparisons */
    const char *annotator_field; /* or NULL */
    bool anonymous;
    int buckets;   /* of the hashed encoder; 0: default */
    struct encode *encode; /* the lm encoder; NULL: hashed */
    int dimension; /* of its features */
    uint8_t digest[SHA256_SIZE]; /* its identity */
    bool show;     /* progress on standard error */
    /* out: */
    struct dataset *ds;
    char **name;   /* [annotators] in the arena */
    int names, name_room;
    struct arena arena;
    struct fit_load_text *text; /* [texts] by number of the response, when they are kept */
    struct comparison *comparison; /* [comparisons] likewise */
    int texts, text_room, comparisons, comparison_room;
    long lines, skips, identical; /* read; not judged; of two equal texts (both are left out) */
};

/* Reads `path` ("-": standard input), gzipped or not. -1 with the line and pointer in err. Release with fit_load_free
 * in either case. */
int fit_load(struct fit_load *l, const char *path, struct err *err);
void fit_load_free(struct fit_load *l);

#endif
