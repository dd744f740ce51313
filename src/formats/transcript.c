#include "formats/transcript.h"

#include <string.h>

static const struct str human = {"\n\nHuman:", 8}, assistant = {"\n\nAssistant:", 12};

/* The mark that stands at byte i; its role goes to *ret. 0 when there is none, else its length. */
static size_t mark_at(struct str text, size_t i, enum record_role *ret)
{
    struct str rest = {text.ptr + i, text.len - i};
    if (rest.len >= human.len && memcmp(rest.ptr, human.ptr, human.len) == 0) {
        *ret = ROLE_USER;
        return human.len;
    }
    if (rest.len >= assistant.len && memcmp(rest.ptr, assistant.ptr, assistant.len) == 0) {
        *ret = ROLE_ASSISTANT;
        return assistant.len;
    }
    return 0;
}

/* The first mark at or after byte i: its place, or text.len. */
static size_t next_mark(struct str text, size_t i, size_t *ret_length, enum record_role *ret)
{
    *ret_length = 0;
    while (i < text.len) {
        const char *newline = memchr(text.ptr + i, '\n', text.len - i);
        if (!newline)
            break;
        i = (size_t)(newline - text.ptr);
        *ret_length = mark_at(text, i, ret);
        if (*ret_length)
            return i;
        i++;
    }
    return text.len;
}

bool transcript_marked(struct str text)
{
    size_t length;
    enum record_role role;
    return next_mark(text, 0, &length, &role) < text.len;
}

static struct str without_space(struct str text)
{
    if (text.len && text.ptr[0] == ' ')
        return (struct str){text.ptr + 1, text.len - 1};
    return text;
}

int transcript_split(struct str text, enum record_role first, struct arena *arena, struct json_list *ret,
                     struct err *err)
{
    size_t length, count = 1;
    enum record_role role = first, next = first;
    for (size_t i = next_mark(text, 0, &length, &next); i < text.len; i = next_mark(text, i + length, &length, &next))
        count++;
    struct record_message *messages = arena_zeroed(arena, count, sizeof *messages);
    if (!messages)
        return err_memory(err);
    size_t begin = 0;
    *ret = (struct json_list){messages, 0};
    for (size_t n = 0; n < count; n++) {
        size_t end = next_mark(text, begin, &length, &next);
        struct str content = {text.ptr + begin, end - begin};
        if (n > 0)
            content = without_space(content);
        if (n > 0 || content.len || first == ROLE_ASSISTANT)
            messages[ret->count++] = record_message_of(role, content);
        begin = end + length;
        role = next;
    }
    return 0;
}

void transcript_turn(struct buf *out, enum record_role role, struct str content)
{
    struct str mark = role == ROLE_USER ? human : assistant;
    buf_add(out, mark.ptr, mark.len);
    buf_char(out, ' ');
    buf_add(out, content.ptr, content.len);
}

bool transcript_join(const struct json_list *messages, size_t from, bool mark_first, struct buf *out)
{
    const struct record_message *m = messages->items;
    for (size_t i = from; i < messages->count; i++) {
        if (m[i].role != ROLE_USER && m[i].role != ROLE_ASSISTANT)
            return false;
        if (i == from && !mark_first)
            buf_add(out, m[i].content.ptr, m[i].content.len);
        else
            transcript_turn(out, (enum record_role)m[i].role, m[i].content);
    }
    return true;
}

size_t transcript_common(struct str a, struct str b)
{
    size_t same = 0, found = 0, length;
    enum record_role role;
    while (same < a.len && same < b.len && a.ptr[same] == b.ptr[same])
        same++;
    struct str common = {a.ptr, same};
    for (size_t i = next_mark(common, 0, &length, &role); i < same; i = next_mark(common, i + length, &length, &role))
        if (role == ROLE_ASSISTANT)
            found = i + length;
    return found;
}

void transcript_prompt(const struct json_list *messages, struct buf *out)
{
    static const char *const speakers[] = {"System: ", "User: ", "Assistant: ", "Tool: "}; /* by enum record_role */
    const struct record_message *message = messages->items;
    for (size_t i = 0; i < messages->count; i++) {
        if (i > 0)
            buf_text(out, "\n\n");
        if (messages->count > 1)
            buf_text(out, speakers[message[i].role]);
        buf_add(out, message[i].content.ptr, message[i].content.len);
    }
}
