/* tokenizer_parts: what a struct tokenizer holds. Private to the files of the tokenizer. */
#ifndef EGALIGN_CORE_LM_TOKENIZER_PARTS_H
#define EGALIGN_CORE_LM_TOKENIZER_PARTS_H

#include <jansson.h>

#include "core/lm/bpe.h"
#include "core/lm/tokenizer.h"
#include "core/lm/tokenizer_pattern.h"

enum { TOKENIZER_STEPS = 8, TOKENIZER_FRAME_IDS = 8, TOKENIZER_MAX_ADDED = 1 << 16, TOKENIZER_SHORT_TEXT = 64 };

/* A token that is found in the text as it stands, before anything is merged. */
struct tokenizer_added {
    char *pattern; /* owned; the content after the normalizer, or as it is */
    size_t length; /* of the pattern, >= 1 */
    int32_t id;
    bool special;
};

/* Added tokens in the order in which they are tried: by first byte, longest first. */
struct tokenizer_added_set {
    struct tokenizer_added *items;
    size_t count;
    uint32_t starts[257]; /* of each first byte */
};

/* One step of the normalizer. */
struct tokenizer_rewrite {
    bool prepend;    /* `to` is put in front; otherwise each `from` becomes `to` */
    char *from, *to; /* owned; at most TOKENIZER_SHORT_TEXT bytes, `from` at least 1 */
};

enum tokenizer_prepend { PREPEND_NEVER, PREPEND_FIRST, PREPEND_ALWAYS };

/* One step of the pre-tokenizer. */
struct tokenizer_cut {
    struct tokenizer_pattern *pattern; /* pieces are its matches and what lies between; NULL: metaspace */
    char *replacement;                 /* metaspace: what a space becomes; owned */
    enum tokenizer_prepend prepend;    /* metaspace: put in front of fragments that do not begin with it */
    bool split;                        /* metaspace: pieces begin with it */
};

enum tokenizer_mark {
    MARK_SPECIAL = 1,
    MARK_ADDED = 2,   /* among the added tokens */
    MARK_OUTSIDE = 4, /* and not in the vocabulary of the model */
    MARK_NORMALIZED = 8
};

/* Sections of the file that are kept as they were, to be written back. */
enum tokenizer_section { SECTION_NORMALIZER, SECTION_PRE, SECTION_POST, SECTION_DECODER, SECTIONS };

struct tokenizer {
    struct bpe_vocabulary *vocabulary;
    struct bpe *bpe;
    json_t *sections[SECTIONS];

    struct tokenizer_added_set raw, normalized; /* looked for before and after the normalizer */
    uint8_t *marks;                             /* [count] of enum tokenizer_mark */

    struct tokenizer_rewrite rewrites[TOKENIZER_STEPS];
    int rewrite_count;
    struct tokenizer_cut cuts[TOKENIZER_STEPS];
    int cut_count;

    bool byte_level;   /* texts of tokens are spelled in the byte alphabet */
    bool prefix_space; /* byte level: a fragment that does not begin with a space gets one */
    bool byte_fallback, fuse_unknown, ignore_merges;
    int32_t unknown;       /* id, -1: none */
    int32_t byte_ids[256]; /* the token of each byte, -1: none; all -1 without byte level or fallback */

    int32_t before[TOKENIZER_FRAME_IDS], after[TOKENIZER_FRAME_IDS];
    int before_count, after_count;

    char *decode_from, *decode_to; /* owned; NULL: nothing is replaced */
    bool decode_fallback;          /* <0xNN> become bytes */
    bool decode_fused;             /* what follows concerns the whole text, not each token */
    int strip;                     /* spaces taken from the front of it */
    struct buf decoded;            /* bytes of all tokens, one behind the other */
    size_t *decoded_at;            /* [count + 1] into it */
};

/* Names of the sections in tokenizer.json. */
extern const char *const tokenizer_section_names[SECTIONS];

/* Reads the four sections into t (vocabulary and model are there already). ERR_BAD_FILE. */
int tokenizer_read_steps(struct tokenizer *t, struct err *err);

/* The members of `object` are all among `known`, space-separated; ERR_BAD_FILE names one that is not. */
int tokenizer_only(json_t *object, const char *where, const char *known, struct err *err);

/* An optional boolean. ERR_BAD_FILE for another type. */
int tokenizer_read_switch(json_t *object, const char *where, const char *name, bool fallback, bool *ret,
                          struct err *err);

/* Applies the normalizer to a fragment; `first`: it may get something in front. *ret is `text` itself or the contents
 * of one of the two buffers. */
int tokenizer_normalize(const struct tokenizer *t, struct str text, bool first, struct buf buffers[2], struct str *ret,
                        struct err *err);

/* Length of the longest beginning of `text` (not empty) that is UTF-8, or else of the longest that is not at all. */
size_t tokenizer_run(struct str text, bool *ret_valid);

/* The byte that "<0x0A>" stands for; -1 for any other text. */
int tokenizer_fallback_byte(struct str text);

/* A tokenizer of its parts: `model` (type BPE), `added` tokens and `sections` as in tokenizer.json, borrowed. */
struct tokenizer *tokenizer_build(json_t *model, json_t *added, json_t *const sections[SECTIONS], struct err *err);

/* The sections of GPT-2's byte-level BPE; each is the caller's. False without memory. */
bool tokenizer_gpt2_sections(json_t *sections[SECTIONS]);

#endif
