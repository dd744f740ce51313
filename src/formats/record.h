/* record: one comparison as it travels: the body of POST .../comparisons, a line of our own JSONL, a row of an import.
 *
 * One table (record_shape) reads, writes and describes it. A record either carries its texts (prompt, and text in a and
 * b) or names an item and two of its responses by id. It refuses to know projects, stores or groups; limits of size are
 * the table's and the caller's json_limits.
 *
 * Texts are views into the line that was read; lists live in the reader's arena. Thread rule: values. */
#ifndef EGALIGN_FORMATS_RECORD_H
#define EGALIGN_FORMATS_RECORD_H

#include "base/json.h"

enum record_outcome { OUTCOME_A, OUTCOME_B, OUTCOME_TIE, OUTCOME_BOTH_BAD, OUTCOME_SKIP };
enum record_side_name { SIDE_A, SIDE_B };
enum record_role { ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT, ROLE_TOOL };
enum record_prompt_form { PROMPT_NONE, PROMPT_TEXT, PROMPT_MESSAGES };
enum record_side_form { SIDE_NONE, SIDE_ID, SIDE_TEXT };

/* Wire names of the three, in their order, ended by NULL. */
extern const char *const record_outcomes[];
extern const char *const record_sides[];
extern const char *const record_roles[];

struct record_message {
    struct json_seen seen;
    int role; /* enum record_role */
    struct str content;
};

struct record_response {
    struct json_seen seen;
    struct str text;   /* may be empty: a model may have answered nothing */
    struct str policy; /* model or policy that wrote it; ptr NULL when not said */
};

struct record_side {
    int form;                        /* enum record_side_form */
    struct uuid id;                  /* SIDE_ID */
    struct record_response response; /* SIDE_TEXT */
};

struct record {
    struct json_seen seen;
    struct uuid id; /* the client's, makes a repetition harmless */
    struct str annotator;
    struct uuid item;
    int prompt_form; /* enum record_prompt_form */
    struct str prompt_text;
    struct json_list prompt_messages; /* struct record_message; the last is not the answer */
    struct record_side side[2];       /* by enum record_side_name */
    int outcome;                      /* enum record_outcome */
    int64_t strength;                 /* 1 slight .. 3 strong; 0 not said */
    struct json_list reasons;         /* struct str */
    struct str skip_reason;
    int shown_first; /* enum record_side_name; meaningful when given */
    int64_t duration_ms;
    int64_t created_at; /* microseconds since 1970 */
    struct str meta;    /* JSON text of an object, verbatim */
};

/* Positions of the members in record_shape, for json_given and json_has. */
enum record_member {
    RECORD_ID,
    RECORD_ANNOTATOR,
    RECORD_ITEM,
    RECORD_PROMPT,
    RECORD_A,
    RECORD_B,
    RECORD_OUTCOME,
    RECORD_STRENGTH,
    RECORD_REASONS,
    RECORD_SKIP_REASON,
    RECORD_SHOWN_FIRST,
    RECORD_DURATION_MS,
    RECORD_CREATED_AT,
    RECORD_META
};

extern const struct json_shape record_shape;
extern const struct json_shape record_message_shape;  /* {"role", "content"} */
extern const struct json_shape record_response_shape; /* {"text", "policy"} */

/* What one table cannot say: texts or ids but not both, strength only with a winner, skip_reason only with a skip.
 * ERR_INVALID_VALUE or ERR_MISSING_MEMBER with a pointer. */
int record_check(const struct record *r, struct err *err);

/* Reads a line or body: json_read, then record_check. */
int record_read(char *text, size_t length, const struct json_limits *limits, struct record *ret, struct arena *arena,
                struct err *err);

/* Setters for those who make records of something else; they mark the member as given. */
void record_set_annotator(struct record *r, struct str annotator);
void record_set_prompt(struct record *r, struct str text);
void record_set_messages(struct record *r, struct json_list messages);
void record_set_response(struct record *r, enum record_side_name side, struct str text, struct str policy);
void record_set_outcome(struct record *r, enum record_outcome outcome);
void record_set_meta(struct record *r, struct str json_object);
struct record_message record_message_of(enum record_role role, struct str content);

#endif
