#include "cli/intern.h"

#include <string.h>

#include "base/mem.h"
#include "base/sha256.h"

static unsigned first_slot(const struct intern *t, const unsigned char digest[32])
{
    unsigned h;
    memcpy(&h, digest, sizeof h);
    return h & (unsigned)(t->slots - 1);
}

/* The slot that holds the digest, or the empty one where it belongs. */
static int *slot_of(struct intern *t, const unsigned char digest[32])
{
    unsigned i = first_slot(t, digest);
    while (t->slot[i] && memcmp(t->digest[t->slot[i] - 1], digest, 32) != 0)
        i = (i + 1) & (unsigned)(t->slots - 1);
    return &t->slot[i];
}

/* Doubles the room; the table of slots is kept at most half full. */
static int grow(struct intern *t, struct err *err)
{
    int room = t->room ? 2 * t->room : 256;
    unsigned char(*digest)[32] = mem_resize(t->digest, (size_t)room, sizeof *digest);
    if (!digest)
        return err_memory(err);
    t->digest = digest;
    int *slot = mem_zeroed((size_t)room * 2, sizeof *slot);
    if (!slot)
        return err_memory(err);
    mem_free(t->slot);
    t->slot = slot;
    t->slots = 2 * room;
    t->room = room;
    for (int i = 0; i < t->count; i++)
        *slot_of(t, t->digest[i]) = i + 1;
    return 0;
}

int intern(struct intern *t, int scope, struct str text, bool *ret_new, struct err *err)
{
    unsigned char digest[32];
    struct sha256 hash;
    if (t->count == t->room && grow(t, err) < 0)
        return -1;
    sha256_init(&hash);
    sha256_update(&hash, &scope, sizeof scope);
    sha256_update(&hash, text.ptr, text.len);
    sha256_final(&hash, digest);
    int *slot = slot_of(t, digest);
    *ret_new = *slot == 0;
    if (*ret_new) {
        memcpy(t->digest[t->count], digest, sizeof digest);
        *slot = ++t->count;
    }
    return *slot - 1;
}

void intern_free(struct intern *t)
{
    mem_free(t->digest);
    mem_free(t->slot);
    *t = (struct intern){0};
}
