/* json_distinct: whether the elements of a list that was read all differ. Private to base/json: others include
 * base/json.h and give a list the flag JSON_DISTINCT.
 *
 * Elements are the same when they are written the same (json_write), so the spelling does not count: neither escapes
 * nor the case of a UUID. It sorts, so that no choice of elements makes it slow. Thread rule: as the arena. */
#ifndef EGALIGN_BASE_JSON_DISTINCT_H
#define EGALIGN_BASE_JSON_DISTINCT_H

#include "base/json.h"

/* Looks for the first element that equals an earlier one: 1, with the places of both, 0 when all differ, -1
 * (ERR_NO_MEMORY). `list` is the field, `value` what was read into it. */
int json_repeated(const struct json_field *list, const struct json_list *value, struct arena *arena,
                  size_t *ret_repeated, size_t *ret_first, struct err *err);

#endif
