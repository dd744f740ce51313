#include "base/json_distinct.h"

#include <stdlib.h>

struct element {
    size_t offset;   /* of its text among all texts */
    struct str text;
    size_t place;
};

/* Equal ones come in the order of the list. */
static int by_text(const void *a, const void *b)
{
    const struct element *x = a, *y = b;
    int order = str_compare(x->text, y->text);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

/* Writes all elements one behind the other. */
static int write_all(const struct json_field *list, const struct json_list *value, struct buf *texts,
                     struct element *elements, struct err *err)
{
    for (size_t i = 0; i < value->count; i++) {
        elements[i] = (struct element){.offset = texts->length, .place = i};
        buf_char(texts, '\n'); /* so that no comma is put in front */
        json_write_value(texts, list->item, (const char *)value->items + i * list->item_size);
        elements[i].text.len = texts->length - elements[i].offset;
    }
    if (texts->failed)
        return err_memory(err);
    for (size_t i = 0; i < value->count; i++)
        elements[i].text.ptr = texts->data + elements[i].offset;
    return 0;
}

int json_repeated(const struct json_field *list, const struct json_list *value, struct arena *arena,
                  size_t *ret_repeated, size_t *ret_first, struct err *err)
{
    struct buf texts = {0};
    struct element *elements = arena_zeroed(arena, value->count + 1, sizeof *elements);
    int result = elements ? write_all(list, value, &texts, elements, err) : err_memory(err);
    if (result == 0 && value->count > 1)
        qsort(elements, value->count, sizeof *elements, by_text);
    for (size_t i = 1, first = 0; result >= 0 && i < value->count; i++) {
        if (!str_equal(elements[i].text, elements[first].text)) {
            first = i;
        } else if (result == 0 || elements[i].place < *ret_repeated) {
            *ret_repeated = elements[i].place;
            *ret_first = elements[first].place;
            result = 1;
        }
    }
    buf_free(&texts);
    return result;
}
