/* mem: the allocator of the project, with one switch for tests: the n-th allocation fails.
 *
 * Everything of ours allocates through here (libraries do not), so that the tests can fail each allocation once and see
 * every way out of a function. It refuses to hide failures: each function may return NULL and the caller reports it.
 *
 * Thread rule: as malloc. mem_fail_nth is for single-threaded tests. */
#ifndef EGALIGN_BASE_MEM_H
#define EGALIGN_BASE_MEM_H

#include <stddef.h>

#include "base/err.h"

/* As malloc, calloc, realloc, strndup; sizes are checked for overflow in mem_array and mem_zeroed. NULL on failure. */
void *mem_alloc(size_t size);
void *mem_array(size_t count, size_t size);
void *mem_zeroed(size_t count, size_t size);
void *mem_resize(void *block, size_t count, size_t size);
char *mem_strdup(const char *text);
char *mem_strndup(const char *text, size_t length);

/* Room for one more element in an array that doubles: *(void **)array holds `count` of `*room` elements of `size`
 * bytes, or is NULL with a room of 0; both are changed where need be. New room is not zeroed. ERR_NO_MEMORY;
 * ERR_INVALID_VALUE beyond 2^29 elements. */
int mem_grow(void *array, int count, int *room, size_t size, struct err *err);

/* 64-byte aligned and zeroed, for numerical arrays. Release with mem_free. */
void *mem_aligned(size_t count, size_t size);

/* Releases what any of the above gave; NULL is fine. */
void mem_free(void *block);

/* The n-th allocation from now (1-based) fails, once; 0 switches it off. Tests only. */
void mem_fail_nth(long n);

#endif
