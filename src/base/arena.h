/* arena: memory with the lifetime of one request or one job, freed at once at the single exit.
 *
 * Blocks are carved from chunks; nothing is freed singly. It refuses to be shared: one arena, one thread at a time.
 * A zeroed struct arena is a valid empty arena. */
#ifndef EGALIGN_BASE_ARENA_H
#define EGALIGN_BASE_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *head; /* newest chunk; older ones behind it */
};

/* `size` bytes aligned to 16, uninitialised; NULL when out of memory. Valid until arena_free. */
void *arena_alloc(struct arena *a, size_t size);

/* As arena_alloc for count*size bytes, zeroed, with an overflow check. */
void *arena_zeroed(struct arena *a, size_t count, size_t size);

/* A NUL-terminated copy of `length` bytes. */
char *arena_strndup(struct arena *a, const char *text, size_t length);

/* A formatted, NUL-terminated string. NULL when out of memory. */
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Frees everything; the arena is empty and usable again. */
void arena_free(struct arena *a);

#endif
