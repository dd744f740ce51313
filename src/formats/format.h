/* format: preference data in the shapes that people already have, one line at a time, to and from struct record.
 *
 *   jsonl         our own: a line is the body of POST .../comparisons; reading what was written gives an equal record
 *   trl           {"prompt", "chosen", "rejected"}, texts or lists of messages; {"prompt", "a", "b"} is a tie
 *   trl-implicit  {"chosen", "rejected"}: conversations or texts whose common beginning is the prompt. Two texts are
 *                 cut where they first differ (one space before that goes to the answers), as TRL does: answers that
 *                 begin alike lose their common beginning to the prompt. Written as conversations, which do not
 *   hh-rlhf       {"chosen", "rejected"}: transcripts "\n\nHuman: ...\n\nAssistant: ..." as in HH-RLHF, cut behind the
 *                 last "\n\nAssistant:" that both have in common
 *   arena         Chatbot-Arena: {"question_id", "model_a", "model_b", "winner", "judge", "conversation_a",
 *                 "conversation_b", "tstamp"}
 *
 * In chosen/rejected formats the chosen response becomes `a` with outcome `a`, and shown_first stays absent: the side
 * says nothing about what the annotator saw. Members that a foreign line has beyond these are kept in `meta`. Answers
 * of several turns become one text, the later turns marked as in hh.
 *
 * Groups need annotators: a line that names none is refused unless the caller says that all lines are one anonymous
 * annotator. Foreign formats cannot carry everything (no ties or skips in chosen/rejected, no strength or reasons):
 * format_write_line says what it could not write, and the caller reports how many.
 *
 * Memory is constant: one line, one arena that the caller frees between lines. Thread rule: no shared state. */
#ifndef EGALIGN_FORMATS_FORMAT_H
#define EGALIGN_FORMATS_FORMAT_H

#include "formats/record.h"

enum format { FORMAT_JSONL, FORMAT_TRL, FORMAT_TRL_IMPLICIT, FORMAT_HH, FORMAT_ARENA, FORMAT_COUNT };

struct format_options {
    struct json_limits limits;   /* depth must allow for the formats' nesting: 8 does */
    const char *annotator_field; /* dotted path of the annotator's member ("meta.judge"); NULL: the format's own */
    bool anonymous;              /* lines without an annotator get the annotator "anonymous" */
};

/* "jsonl", "trl", "trl-implicit", "hh-rlhf", "arena". */
const char *format_name(enum format format);

/* The format of that name; ERR_INVALID_VALUE, with the list of names, when there is none. */
int format_by_name(struct str name, enum format *ret, struct err *err);

/* Reads one line. line[length] must be '\0'; the line is changed and must outlive the record. Errors are those of
 * json_read and record_check; err->line is the caller's to fill. ERR_MISSING_MEMBER at /annotator when none is named.
 */
int format_read_line(enum format format, char *line, size_t length, const struct format_options *options,
                     struct record *ret, struct arena *arena, struct err *err);

/* Appends the line with its newline. False, with nothing appended, when the format cannot carry the record: its
 * outcome, responses given by id only, or (hh) speakers and texts that a transcript cannot keep apart. Lack of memory
 * shows in out->failed. */
bool format_write_line(enum format format, const struct record *r, struct buf *out);

#endif
