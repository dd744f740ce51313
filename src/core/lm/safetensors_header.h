/* safetensors_header: the strict reader of the JSON header of one safetensors file. Private to safetensors.c.
 *
 * It reads exactly the grammar of the format and builds no tree, so a hostile header costs at most about twice its size
 * in memory. It allocates from the list and the arena given, which the caller frees also after a failure. */
#ifndef EGALIGN_CORE_LM_SAFETENSORS_HEADER_H
#define EGALIGN_CORE_LM_SAFETENSORS_HEADER_H

#include "base/arena.h"
#include "core/lm/safetensors.h"

struct safetensor_list {
    struct safetensor *items; /* mem_free */
    size_t count, room;
};

/* Appends the tensors of the file at bytes[size]; checks that they tile its data exactly. ERR_BAD_FILE. */
int safetensors_header(const void *bytes, size_t size, struct safetensor_list *list, struct arena *names,
                       struct err *err);

#endif
