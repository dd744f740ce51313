#include "base/mem.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static atomic_long fail_in; /* 0: never */

static int fails_now(void)
{
    if (atomic_load_explicit(&fail_in, memory_order_relaxed) == 0)
        return 0;
    return atomic_fetch_sub(&fail_in, 1) == 1;
}

void mem_fail_nth(long n)
{
    atomic_store(&fail_in, n);
}

void *mem_alloc(size_t size)
{
    return fails_now() ? NULL : malloc(size ? size : 1);
}

void *mem_array(size_t count, size_t size)
{
    size_t total;
    return __builtin_mul_overflow(count, size, &total) ? NULL : mem_alloc(total);
}

void *mem_zeroed(size_t count, size_t size)
{
    return fails_now() ? NULL : calloc(count ? count : 1, size ? size : 1);
}

void *mem_resize(void *block, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total) || fails_now())
        return NULL;
    return realloc(block, total ? total : 1);
}

int mem_grow(void *array, int count, int *room, size_t size, struct err *err)
{
    enum { FIRST = 256, MOST = 1 << 29 };
    void *block;
    if (count < *room)
        return 0;
    if (count >= MOST)
        return err_set(err, ERR_INVALID_VALUE, "more than %d elements are too many", MOST);
    int wanted = *room ? 2 * *room : FIRST;
    memcpy(&block, array, sizeof block); /* a pointer of whatever type */
    void *larger = mem_resize(block, (size_t)wanted, size);
    if (!larger)
        return err_memory(err);
    memcpy(array, &larger, sizeof larger);
    *room = wanted;
    return 0;
}

char *mem_strndup(const char *text, size_t length)
{
    char *copy = mem_alloc(length + 1);
    if (!copy)
        return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *mem_strdup(const char *text)
{
    return mem_strndup(text, strlen(text));
}

void *mem_aligned(size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total) || total > SIZE_MAX - 64 || fails_now())
        return NULL;
    total = (total + 63) / 64 * 64;
    void *block = aligned_alloc(64, total ? total : 64);
    if (block)
        memset(block, 0, total);
    return block;
}

void mem_free(void *block)
{
    free(block);
}
