/* What the tests of the tokenizers share: small tokenizers made on the spot. */
#ifndef EGALIGN_TEST_TOKENIZER_SUPPORT_H
#define EGALIGN_TEST_TOKENIZER_SUPPORT_H

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/rng.h"
#include "core/lm/bpe_bytes.h"
#include "core/lm/tokenizer.h"

/* The texts of merges "a b / c d" as the lines of a merges.txt. */
__attribute__((unused)) static void merges_text(const char *merges, struct buf *out)
{
    buf_text(out, "#version: 0.2\n");
    for (const char *p = merges; *p; p++)
        if (strncmp(p, " / ", 3) == 0) {
            buf_char(out, '\n');
            p += 2;
        } else {
            buf_char(out, *p);
        }
    buf_char(out, '\n');
}

static void quote(struct buf *out, const char *text, size_t length)
{
    buf_char(out, '"');
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"' || text[i] == '\\')
            buf_char(out, '\\');
        buf_char(out, text[i]);
    }
    buf_char(out, '"');
}

/* vocab.json: the 256 bytes, what each line of `lines` after the first makes (each thing once), and <|endoftext|>. */
__attribute__((unused)) static void vocabulary_text(const char *lines, struct buf *out)
{
    int id = 0;
    for (int byte = 0; byte < 256; byte++) {
        struct buf spelled = {0};
        unsigned char b = (unsigned char)byte;
        bpe_bytes_spell(&spelled, (struct str){(char *)&b, 1});
        buf_char(out, id ? ',' : '{');
        quote(out, spelled.data, spelled.length);
        buf_printf(out, ":%d", id++);
        buf_free(&spelled);
    }
    for (const char *line = strchr(lines, '\n') + 1; *line; line = strchr(line, '\n') + 1) {
        char joined[256], quoted[260];
        int n = (int)(strchr(line, '\n') - line), left = (int)(strchr(line, ' ') - line);
        snprintf(joined, sizeof joined, "%.*s%.*s", left, line, n - left - 1, line + left + 1);
        snprintf(quoted, sizeof quoted, "\"%s\":", joined);
        if (strstr(out->data, quoted))
            continue;
        buf_char(out, ',');
        quote(out, joined, strlen(joined));
        buf_printf(out, ":%d", id++);
    }
    buf_printf(out, ",\"<|endoftext|>\":%d}", id);
}

__attribute__((unused)) static struct tokenizer *byte_level(const char *merges)
{
    struct buf lines = {0}, vocabulary = {0};
    struct err err = {0};
    merges_text(merges, &lines);
    if (!*merges)
        buf_clear(&lines), buf_text(&lines, "#version: 0.2\n");
    vocabulary_text(lines.data, &vocabulary);
    struct tokenizer *t = tokenizer_parse_pair((struct str){vocabulary.data, vocabulary.length},
                                               (struct str){lines.data, lines.length}, &err);
    if (!t)
        fail_msg("%s", err.message);
    buf_free(&lines);
    buf_free(&vocabulary);
    return t;
}

/* The encoding of `text`; the caller frees it. */
__attribute__((unused)) static struct token_list encoded(const struct tokenizer *t, struct str text, unsigned flags)
{
    struct token_list ids = {0};
    struct err err = {0};
    if (tokenizer_encode(t, text, flags, &ids, &err) < 0)
        fail_msg("%s", err.message);
    return ids;
}

/* The texts of the tokens of `text`, space-separated, against `want`. */
__attribute__((unused)) static void assert_tokens(const struct tokenizer *t, const char *text, unsigned flags,
                                                  const char *want)
{
    struct token_list ids = encoded(t, str_of(text), flags);
    struct buf got = {0};
    for (size_t i = 0; i < ids.count; i++) {
        struct str token = tokenizer_text(t, ids.ids[i]);
        buf_printf(&got, "%s%.*s", i ? " " : "", (int)token.len, token.ptr);
    }
    assert_string_equal(got.data ? got.data : "", want);
    buf_free(&got);
    token_list_free(&ids);
}

__attribute__((unused)) static void assert_decodes(const struct tokenizer *t, const struct token_list *ids,
                                                   unsigned flags, struct str want)
{
    struct buf got = {0};
    struct err err = {0};
    assert_int_equal(tokenizer_decode(t, ids->ids, ids->count, flags, &got, &err), 0);
    assert_int_equal(got.length, want.len);
    if (want.len)
        assert_memory_equal(got.data, want.ptr, want.len);
    buf_free(&got);
}

__attribute__((unused)) static void assert_round_trip(const struct tokenizer *t, struct str text, unsigned flags)
{
    struct token_list ids = encoded(t, text, flags);
    assert_decodes(t, &ids, flags, text);
    token_list_free(&ids);
}

/* Text of random bytes, or of random pieces of text when `pieces`. At most 4 * n bytes. */
__attribute__((unused)) static struct str random_text(struct rng *r, char *out, size_t n, bool pieces)
{
    static const char *const some[] = {"a", "b", "ab", " ", "  ", "\n", "é", "漢", "😀", "1", "'s", "!", "\t", "the"};
    size_t length = 0;
    for (size_t i = 0; i < n; i++)
        if (pieces) {
            const char *piece = some[rng_below(r, sizeof some / sizeof *some)];
            memcpy(out + length, piece, strlen(piece));
            length += strlen(piece);
        } else {
            out[length++] = (char)rng_u32(r);
        }
    return (struct str){out, length};
}

#endif
