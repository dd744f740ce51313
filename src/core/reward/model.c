#include "core/reward/model.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "core/reward/features.h"
#include "core/reward/fit.h"

static const char MAGIC[8] = {'E', 'G', 'R', 'E', 'W', 'A', 'R', 'D'};

/* Version 1 has no digest of the encoder. */
enum { VERSION = 2, WORDS = 7, DIGEST = 32, HEADER = sizeof MAGIC + 4 * WORDS + 8, SUM = 8, DIMENSION_MAX = 1 << 17 };

static uint64_t checksum(const unsigned char *bytes, size_t n)
{
    uint64_t h = 0xcbf29ce484222325ULL;
    for (size_t i = 0; i < n; i++)
        h = (h ^ bytes[i]) * 0x100000001b3ULL;
    return h;
}

static void put32(struct buf *out, uint32_t x)
{
    unsigned char b[4] = {x & 255, x >> 8 & 255, x >> 16 & 255, x >> 24};
    buf_add(out, b, sizeof b);
}

static void put64(struct buf *out, uint64_t x)
{
    put32(out, (uint32_t)x);
    put32(out, (uint32_t)(x >> 32));
}

static void put_floats(struct buf *out, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        put32(out, bits);
    }
}

static uint32_t get32(const unsigned char *b)
{
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static uint64_t get64(const unsigned char *b)
{
    return (uint64_t)get32(b) | (uint64_t)get32(b + 4) << 32;
}

void model_write(const struct model *m, struct buf *out)
{
    size_t start = out->length, d = (size_t)m->dimension;
    uint64_t nu;
    memcpy(&nu, &m->tie_parameter, sizeof nu);
    buf_add(out, MAGIC, sizeof MAGIC);
    const uint32_t words[WORDS] = {VERSION,
                                   m->encoder,
                                   FEATURES_VERSION,
                                   FEATURES_TEXT,
                                   (uint32_t)m->buckets,
                                   (uint32_t)m->dimension,
                                   (uint32_t)m->groups};
    for (int i = 0; i < WORDS; i++)
        put32(out, words[i]);
    put64(out, nu);
    buf_add(out, m->digest, DIGEST);
    put_floats(out, m->scale, d);
    put_floats(out, m->heads, d * (size_t)m->groups);
    put_floats(out, m->pooled, d);
    if (!out->failed)
        put64(out, checksum((const unsigned char *)out->data + start, out->length - start));
}

/* Checks everything but the sum; fills the numbers. *ret_body is where the floats begin. */
static int read_header(const unsigned char *b, size_t length, struct model *ret, size_t *ret_body, struct err *err)
{
    if (length < HEADER + SUM || memcmp(b, MAGIC, sizeof MAGIC) != 0)
        return err_set(err, ERR_BAD_FILE, "this is not a reward model");
    uint32_t words[WORDS];
    for (int i = 0; i < WORDS; i++)
        words[i] = get32(b + sizeof MAGIC + 4 * i);
    if (words[0] < 1 || words[0] > VERSION)
        return err_set(err, ERR_BAD_FILE, "the reward model has version %u, this program reads 1 to %d", words[0],
                       VERSION);
    *ret_body = HEADER + (words[0] > 1 ? DIGEST : 0);
    if (length < *ret_body + SUM)
        return err_set(err, ERR_BAD_FILE, "the reward model is damaged: it ends within its head");
    if (words[1] > ENCODER_DENSE || words[5] < 1 || words[5] > DIMENSION_MAX || words[6] < 1 ||
        words[6] > FIT_GROUPS_MAX)
        return err_set(err, ERR_BAD_FILE, "the reward model is damaged: a number in its head is out of range");
    bool hashed = words[1] == ENCODER_HASHED;
    if (hashed && (words[2] != FEATURES_VERSION || words[3] != FEATURES_TEXT ||
                   words[4] + (uint64_t)FEATURES_TEXT != words[5]))
        return err_set(err, ERR_BAD_FILE, "the reward model was made with another version of the text features");
    uint64_t nu = get64(b + sizeof MAGIC + 4 * WORDS);
    *ret = (struct model){.encoder = hashed ? ENCODER_HASHED : ENCODER_DENSE,
                          .buckets = (int)words[4],
                          .dimension = (int)words[5],
                          .groups = (int)words[6]};
    memcpy(&ret->tie_parameter, &nu, sizeof nu);
    memcpy(ret->digest, b + HEADER, *ret_body - HEADER);
    return 0;
}

int model_read(const void *bytes, size_t length, struct model *ret, struct err *err)
{
    const unsigned char *b = bytes;
    size_t body = 0;
    if (read_header(b, length, ret, &body, err) < 0)
        return -1;
    size_t d = (size_t)ret->dimension, floats = d * ((size_t)ret->groups + 2);
    if (length != body + 4 * floats + SUM || checksum(b, length - SUM) != get64(b + length - SUM))
        return err_set(err, ERR_BAD_FILE, "the reward model is damaged: its checksum does not fit");
    ret->block = mem_array(floats, sizeof *ret->block);
    if (!ret->block)
        return err_memory(err);
    for (size_t i = 0; i < floats; i++) {
        uint32_t bits = get32(b + body + 4 * i);
        memcpy(&ret->block[i], &bits, sizeof bits);
        if (!isfinite(ret->block[i])) {
            model_free(ret);
            return err_set(err, ERR_BAD_FILE, "the reward model holds a number that is not finite");
        }
    }
    ret->scale = ret->block;
    ret->heads = ret->block + d;
    ret->pooled = ret->block + d * ((size_t)ret->groups + 1);
    return 0;
}

void model_free(struct model *m)
{
    mem_free(m->block);
    m->block = NULL;
}
