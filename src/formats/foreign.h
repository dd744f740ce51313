/* foreign: what the readers and writers of other people's formats share. Private to src/formats.
 *
 * Their lines are read by tables too, but by open ones: members that a table does not know are kept for `meta`.
 * Thread rule: no shared state. */
#ifndef EGALIGN_FORMATS_FOREIGN_H
#define EGALIGN_FORMATS_FOREIGN_H

#include "formats/format.h"

/* A text, or messages. */
struct foreign_text {
    int form; /* enum record_prompt_form */
    struct str text;
    struct json_list messages; /* struct record_message */
};

/* The list of messages, for JSON_FIELD(LIST, ...); members of a message beyond role and content are dropped. */
extern const struct json_field foreign_message_item;

/* The two forms of a struct foreign_text, as fields of a struct `type`. */
#define FOREIGN_TEXT_FORMS(type, member)                                                                               \
    {                                                                                                                  \
        JSON_FIELD(STR, type, member.text, ""),                                                                        \
            JSON_FIELD(LIST, type, member.messages, "", .item = &foreign_message_item,                                 \
                       .item_size = sizeof(struct record_message), .least = 1, .most = 256),                           \
    }

/* How many messages are the prompt of two conversations: those they begin with alike, but so few that both go on with a
 * message of the assistant. 0 when there is no such beginning. */
size_t foreign_common_messages(const struct json_list *a, const struct json_list *b);

/* The messages from `from` on as one text: that of an assistant, later turns marked as in a transcript. `pointer` names
 * the member in errors. */
int foreign_answer(const struct json_list *messages, size_t from, const char *pointer, struct arena *arena,
                   struct str *ret, struct err *err);

/* Makes `meta` of the record: the line's own, or an object of the unknown members with the line's own in "meta". */
int foreign_meta(struct record *r, struct str meta, const struct json_list *others, struct arena *arena,
                 struct err *err);

/* The sizes that the table of the record asks for, of members that were made and not read. */
int foreign_check(const struct record *r, const struct json_limits *limits, struct err *err);

/* Both responses and the prompt are there as texts, so that another format can carry them. */
bool foreign_has_texts(const struct record *r);

/* Puts the prompt as a list of messages (a text is one of the user's) into an open array. */
void foreign_put_prompt(struct buf *out, const struct record *r);
void foreign_put_message(struct buf *out, enum record_role role, struct str content);

/* Each reads one line of its format, as format_read_line; sizes and the annotator are checked there. */
int trl_read(char *line, size_t length, const struct json_limits *limits, struct record *ret, struct arena *arena,
             struct err *err);
int trl_implicit_read(char *line, size_t length, const struct json_limits *limits, struct record *ret,
                      struct arena *arena, struct err *err);
int hh_read(char *line, size_t length, const struct json_limits *limits, struct record *ret, struct arena *arena,
            struct err *err);
int arena_read(char *line, size_t length, const struct json_limits *limits, struct record *ret, struct arena *arena,
               struct err *err);

/* Each appends one line without its newline; false: not carried (and then out is to be cut back by the caller). */
bool trl_write(const struct record *r, struct buf *out);
bool trl_implicit_write(const struct record *r, struct buf *out);
bool hh_write(const struct record *r, struct buf *out);
bool arena_write(const struct record *r, struct buf *out);

#endif
