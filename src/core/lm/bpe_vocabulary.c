#include "core/lm/bpe_vocabulary.h"

#include "base/mem.h"

struct entry {
    size_t offset;   /* into texts */
    uint32_t length; /* 0: no such token */
};

struct bpe_vocabulary {
    struct buf texts;
    struct entry *entries; /* [room] */
    size_t room, count;
    int32_t *slots; /* open addressing: ids by hash of the text, -1 when free; at most half are used */
    size_t mask;
};

struct bpe_vocabulary *bpe_vocabulary_new(size_t room, struct err *err)
{
    if (room < 1 || room > BPE_MAX_TOKENS) {
        err_set(err, ERR_BAD_FILE, "a vocabulary of %zu tokens is not supported, 1 to %d are", room, BPE_MAX_TOKENS);
        return NULL;
    }
    struct bpe_vocabulary *v = mem_zeroed(1, sizeof *v);
    size_t slots = 4;
    while (slots < 2 * room)
        slots *= 2;
    if (v) {
        v->room = room;
        v->mask = slots - 1;
        v->entries = mem_zeroed(room, sizeof *v->entries);
        v->slots = mem_array(slots, sizeof *v->slots);
    }
    if (!v || !v->entries || !v->slots) {
        bpe_vocabulary_free(v);
        err_memory(err);
        return NULL;
    }
    for (size_t i = 0; i < slots; i++)
        v->slots[i] = -1;
    return v;
}

void bpe_vocabulary_free(struct bpe_vocabulary *v)
{
    if (!v)
        return;
    buf_free(&v->texts);
    mem_free(v->entries);
    mem_free(v->slots);
    mem_free(v);
}

static uint64_t hash(struct str text)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a, with a last mix for the low bits */
    for (size_t i = 0; i < text.len; i++)
        h = (h ^ (unsigned char)text.ptr[i]) * 0x100000001b3u;
    return h ^ h >> 29;
}

static struct str text_at(const struct bpe_vocabulary *v, int32_t id)
{
    return (struct str){v->texts.data + v->entries[id].offset, v->entries[id].length};
}

/* The slot that holds `text`, or the free one where it would go. */
static size_t slot_of(const struct bpe_vocabulary *v, struct str text)
{
    size_t i = hash(text) & v->mask;
    while (v->slots[i] >= 0 && !str_equal(text_at(v, v->slots[i]), text))
        i = (i + 1) & v->mask;
    return i;
}

int bpe_vocabulary_put(struct bpe_vocabulary *v, int64_t id, struct str text, struct err *err)
{
    int shown = text.len < 60 ? (int)text.len : 60;
    if (id < 0 || (uint64_t)id >= v->room)
        return err_set(err, ERR_BAD_FILE,
                       "token \"%.*s\" has the id %lld, but there are %zu tokens: ids must run from "
                       "0 without gaps",
                       shown, text.ptr, (long long)id, v->room);
    if (text.len < 1 || text.len > BPE_MAX_TEXT)
        return err_set(err, ERR_BAD_FILE, "the text of token %lld is empty or longer than %d bytes", (long long)id,
                       BPE_MAX_TEXT);
    if (v->entries[id].length)
        return err_set(err, ERR_BAD_FILE, "tokens \"%.60s\" and \"%.*s\" have the same id %lld",
                       v->texts.data + v->entries[id].offset, shown, text.ptr, (long long)id);
    size_t slot = slot_of(v, text);
    if (v->slots[slot] >= 0)
        return err_set(err, ERR_BAD_FILE, "tokens %d and %lld have the same text \"%.*s\"", v->slots[slot],
                       (long long)id, shown, text.ptr);
    struct entry entry = {v->texts.length, (uint32_t)text.len};
    buf_add(&v->texts, text.ptr, text.len);
    buf_char(&v->texts, '\0'); /* texts of files hold no NUL, so they may be printed */
    if (v->texts.failed)
        return err_memory(err);
    v->entries[id] = entry;
    v->slots[slot] = (int32_t)id;
    v->count++;
    return 0;
}

size_t bpe_vocabulary_count(const struct bpe_vocabulary *v)
{
    return v->count;
}

int32_t bpe_vocabulary_find(const struct bpe_vocabulary *v, struct str text)
{
    return v->slots[slot_of(v, text)];
}

struct str bpe_vocabulary_text(const struct bpe_vocabulary *v, int64_t id)
{
    if (id < 0 || (uint64_t)id >= v->room || !v->entries[id].length)
        return (struct str){NULL, 0};
    return text_at(v, (int32_t)id);
}
