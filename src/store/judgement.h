/* judgement: one comparison ready to be stored: every id known, every text a view, its digest taken.
 *
 * A record (formats/record.h) says what the client sent; a judgement says what will be in the database. The digest
 * covers all of the record that is stored in the comparison, so that it alone tells a replay from a conflict. The texts
 * stay the property of whoever owns the record, which must outlive the judgement.
 *
 * It refuses what the reader of records lets pass and PostgreSQL would not (a NUL from another source, a duration
 * beyond 32 bits), so that one record does not fail a group. Thread rule: a judgement belongs to one thread at a time.
 */
#ifndef EGALIGN_STORE_JUDGEMENT_H
#define EGALIGN_STORE_JUDGEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"
#include "formats/record.h"

enum { JUDGEMENT_DIGEST = 16, JUDGEMENT_ABSENT = -1 };

/* What became of it. */
enum judgement_verdict {
    JUDGEMENT_STORED,   /* committed and flushed */
    JUDGEMENT_REPLAYED, /* the same was stored before */
    JUDGEMENT_REFUSED   /* ERR_CONFLICT, ERR_UNKNOWN_REFERENCE, ERR_DATABASE_DOWN, ERR_STORAGE_FULL ... */
};

struct judgement_response {
    struct uuid id;
    struct str text, policy; /* text.ptr is NULL when the record names an id; policy.ptr NULL when not told */
};

struct judgement {
    struct uuid project, id, annotator, item;
    struct str annotator_name;
    struct str prompt; /* ptr is NULL when the record names an item */
    bool prompt_is_messages;
    struct judgement_response a, b;
    int outcome;         /* enum record_outcome: the order of the SQL type too */
    int strength;        /* 1 .. 3, or JUDGEMENT_ABSENT */
    int shown_first;     /* enum record_side_name, or JUDGEMENT_ABSENT */
    int64_t duration_ms; /* or JUDGEMENT_ABSENT */
    bool has_judged_at;
    int64_t judged_at;      /* microseconds since 1970 */
    struct str skip_reason; /* ptr NULL when absent */
    struct str reasons;     /* as a PostgreSQL array literal, in the arena; ptr NULL when absent */
    struct str meta;        /* verbatim JSON; ptr NULL when absent */
    uint8_t digest[JUDGEMENT_DIGEST];
};

/* Makes the judgement of `record` in `project`. Its id: `id` when not NULL (the path's or the Idempotency-Key's), else
 * the record's own, else a new UUIDv7. ERR_INVALID_VALUE with a pointer when `id` and the record's id differ, when a
 * and b are the same response, or when a value cannot be stored. */
int judgement_of_record(const struct record *record, const struct uuid *project, const struct uuid *id,
                        struct arena *arena, struct judgement *ret, struct err *err);

/* Bytes of text that it carries: what it costs to send. */
size_t judgement_bytes(const struct judgement *j);

/* Copies it with all its texts into the arena. */
int judgement_copy(const struct judgement *j, struct arena *arena, struct judgement *ret, struct err *err);

/* The text that chat messages (a list of struct record_message) are stored as and their item's id is derived from: a
 * JSON array in the arena. */
int judgement_messages(const struct json_list *messages, struct arena *arena, struct str *ret, struct err *err);

#endif
