#include "base/json_scan.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Hashes of the keys of the free-form objects that are open, to find duplicates. */
struct raw_keys {
    size_t count;
    uint64_t hash[JSON_RAW_MEMBERS];
};

static int raw_value(struct json_scan *r, struct raw_keys *keys);

/* ---- errors ---- */

/* Appends text to the pointer, ~ and / escaped (RFC 6901 section 3), cut at a character's border. */
static void pointer_add(struct err *e, size_t *length, struct str text)
{
    size_t step;
    for (size_t i = 0; i < text.len; i += step) {
        step = str_utf8_sequence(text.ptr + i, text.len - i);
        if (step == 0 || *length + step + 2 > sizeof e->pointer)
            return;
        char c = text.ptr[i];
        if (c == '~' || c == '/') {
            e->pointer[(*length)++] = '~';
            e->pointer[(*length)++] = c == '~' ? '0' : '1';
        } else {
            memcpy(e->pointer + *length, text.ptr + i, step);
            *length += step;
        }
    }
}

static void pointer_fill(struct err *e, const struct json_place *at, size_t *length)
{
    if (!at)
        return;
    pointer_fill(e, at->up, length);
    char number[24];
    struct str name = at->name;
    if (!name.ptr)
        name = (struct str){number, (size_t)snprintf(number, sizeof number, "%zu", at->index)};
    if (*length + 2 > sizeof e->pointer)
        return;
    e->pointer[(*length)++] = '/';
    pointer_add(e, length, name);
}

int scan_fail(struct json_scan *r, enum err_code code, const char *where, const char *format, ...)
{
    if (!r->err)
        return -1;
    char what[300];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    err_set(r->err, code, "%s (byte %zu)", what, (size_t)(where - r->start));
    size_t length = 0;
    pointer_fill(r->err, r->at, &length);
    r->err->pointer[length] = '\0';
    return -1;
}

int scan_syntax(struct json_scan *r, const char *what)
{
    bool cut_short = r->p >= r->end;
    return scan_fail(r, ERR_INVALID_JSON, r->p, "%s", cut_short ? "the text ends in the middle of a value" : what);
}

/* ---- scanning ---- */

/* The first byte from p on that is a quote, a backslash, a control character or not ASCII; the '\0' at `end` is one. */
static inline char *plain_run(char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), blank = _mm_set1_epi8(0x20);
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)p);
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash));
        /* A signed comparison: bytes from 0x80 are negative, so this takes them with the controls. */
        int mask = _mm_movemask_epi8(_mm_or_si128(hit, _mm_cmplt_epi8(v, blank)));
        if (mask)
            return p + __builtin_ctz((unsigned)mask);
    }
#endif
    while ((unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' && *p != '\\')
        p++;
    return p;
}

/* Goes to the next quote or backslash of a string, which is returned; -1 with an error when it cannot. */
static int text_run(struct json_scan *r)
{
    for (;;) {
        r->p = plain_run(r->p, r->end);
        unsigned char c = (unsigned char)*r->p;
        if (c == '"' || c == '\\')
            return c;
        if (c < 0x20)
            return scan_syntax(r, "a control character in a string must be escaped, and NUL is not allowed");
        size_t n = str_utf8_sequence(r->p, (size_t)(r->end - r->p));
        if (n == 0)
            return scan_syntax(r, "the text is not valid UTF-8");
        r->p += n;
    }
}

/* Four hexadecimal digits at p; -1 when they are not. */
static int hex4(const char *p)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        int c = p[i], letter = c | 0x20;
        if (c >= '0' && c <= '9')
            value = value * 16 + c - '0';
        else if (letter >= 'a' && letter <= 'f')
            value = value * 16 + letter - 'a' + 10;
        else
            return -1;
    }
    return value;
}

static size_t utf8_encode(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

/* The rest of a \u escape, p after the u. `out` may overlap what was read already. Returns the bytes written, or -1. */
static int escape_unicode(struct json_scan *r, char *out)
{
    int high = hex4(r->p), low;
    if (high < 0)
        return scan_syntax(r, "\\u needs four hexadecimal digits");
    uint32_t c = (uint32_t)high;
    if (c == 0)
        return scan_syntax(r, "\\u0000 is not allowed");
    if (c >= 0xDC00 && c <= 0xDFFF)
        return scan_syntax(r, "a low surrogate without a high one");
    r->p += 4;
    if (c >= 0xD800 && c <= 0xDBFF) {
        low = r->p[0] == '\\' && r->p[1] == 'u' ? hex4(r->p + 2) : -1;
        if (low < 0xDC00 || low > 0xDFFF)
            return scan_syntax(r, "a high surrogate without a low one");
        c = 0x10000 + ((c - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
        r->p += 6;
    }
    return (int)utf8_encode(c, out);
}

/* One escape, p after the backslash. Returns the bytes written to `out` (1 .. 4), or -1. */
static int escape(struct json_scan *r, char *out)
{
    char c = *r->p++;
    switch (c) {
    case '"':
    case '\\':
    case '/': *out = c; return 1;
    case 'b': *out = '\b'; return 1;
    case 'f': *out = '\f'; return 1;
    case 'n': *out = '\n'; return 1;
    case 'r': *out = '\r'; return 1;
    case 't': *out = '\t'; return 1;
    case 'u': return escape_unicode(r, out);
    default:
        r->p--;
        return scan_syntax(r, "unknown escape");
    }
}

int scan_string(struct json_scan *r, struct str *ret)
{
    char *begin = ++r->p, *to = begin;
    for (;;) {
        char *run = r->p;
        int stop = text_run(r);
        if (stop < 0)
            return -1;
        size_t n = (size_t)(r->p - run);
        if (to != run)
            memmove(to, run, n);
        to += n;
        r->p++;
        if (stop == '"')
            break;
        int written = escape(r, to);
        if (written < 0)
            return -1;
        to += written;
    }
    *ret = (struct str){begin, (size_t)(to - begin)};
    return 0;
}

int scan_literal(struct json_scan *r, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(r->p, word, n) != 0)
        return scan_syntax(r, "unknown word where a value should be");
    r->p += n;
    return 0;
}

static bool digits(struct json_scan *r)
{
    char *begin = r->p;
    while (*r->p >= '0' && *r->p <= '9')
        r->p++;
    return r->p > begin;
}

int scan_number(struct json_scan *r, struct str *ret, bool *ret_integer)
{
    char *begin = r->p;
    *ret_integer = true;
    if (*r->p == '-')
        r->p++;
    if (*r->p == '0')
        r->p++;
    else if (!digits(r))
        return scan_syntax(r, "a digit is missing");
    if (*r->p == '.') {
        *ret_integer = false;
        r->p++;
        if (!digits(r))
            return scan_syntax(r, "a digit is missing after the point");
    }
    if (*r->p == 'e' || *r->p == 'E') {
        *ret_integer = false;
        r->p++;
        if (*r->p == '+' || *r->p == '-')
            r->p++;
        if (!digits(r))
            return scan_syntax(r, "a digit is missing in the exponent");
    }
    *ret = (struct str){begin, (size_t)(r->p - begin)};
    return r->p == r->end ? scan_syntax(r, "") : 0;
}

int scan_finite(struct json_scan *r, struct str text, double *ret)
{
    *ret = strtod(text.ptr, NULL);
    return isfinite(*ret) ? 0 : scan_unfit(r, "the number does not fit a double");
}

int scan_enter(struct json_scan *r)
{
    if (++r->depth > r->limits.depth)
        return scan_fail(r, ERR_INVALID_JSON, r->p, "nesting is deeper than %d levels", r->limits.depth);
    r->p++;
    scan_space(r);
    return 0;
}

int scan_another(struct json_scan *r, char close)
{
    scan_space(r);
    char c = *r->p;
    if (c != ',' && c != close)
        return scan_syntax(r, close == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
    r->p++;
    if (c == close) {
        r->depth--;
        return 0;
    }
    scan_space(r);
    return 1;
}

bool scan_empty(struct json_scan *r, char close)
{
    if (*r->p != close)
        return false;
    r->p++;
    r->depth--;
    return true;
}

int scan_colon(struct json_scan *r)
{
    scan_space(r);
    if (*r->p != ':')
        return scan_syntax(r, "expected ':'");
    r->p++;
    scan_space(r);
    return 0;
}

/* ---- values of any shape ---- */

static uint64_t hash_more(uint64_t hash, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001B3u; /* FNV-1a */
    return hash;
}

/* Checks a string without changing it; *hash is over what it means, so that "a" and "\u0061" are the same key. */
static int raw_string(struct json_scan *r, uint64_t *hash)
{
    *hash = 0xCBF29CE484222325u;
    r->p++;
    for (;;) {
        char *run = r->p, decoded[4];
        int stop = text_run(r);
        if (stop < 0)
            return -1;
        *hash = hash_more(*hash, run, (size_t)(r->p - run));
        r->p++;
        if (stop == '"')
            return 0;
        int n = escape(r, decoded);
        if (n < 0)
            return -1;
        *hash = hash_more(*hash, decoded, (size_t)n);
    }
}

/* Equal hashes count as equal keys: a collision (2^-64 a pair, or made on purpose) refuses a document, no more. */
static int raw_key(struct json_scan *r, struct raw_keys *keys, size_t first)
{
    uint64_t hash;
    char *begin = r->p;
    if (*r->p != '"')
        return scan_syntax(r, "expected a member name in quotes");
    if (raw_string(r, &hash))
        return -1;
    for (size_t i = first; i < keys->count; i++)
        if (keys->hash[i] == hash)
            return scan_fail(r, ERR_INVALID_JSON, begin, "duplicate key in an object");
    if (keys->count == JSON_RAW_MEMBERS)
        return scan_fail(r, ERR_INVALID_VALUE, begin, "a free-form value may have %d members open at once",
                         JSON_RAW_MEMBERS);
    keys->hash[keys->count++] = hash;
    return scan_colon(r);
}

static int raw_object(struct json_scan *r, struct raw_keys *keys)
{
    size_t first = keys->count;
    int more = 1;
    if (scan_enter(r))
        return -1;
    if (scan_empty(r, '}'))
        return 0;
    while (more > 0) {
        if (raw_key(r, keys, first) || raw_value(r, keys))
            return -1;
        more = scan_another(r, '}');
    }
    keys->count = first;
    return more;
}

static int raw_array(struct json_scan *r, struct raw_keys *keys)
{
    int more = 1;
    if (scan_enter(r))
        return -1;
    if (scan_empty(r, ']'))
        return 0;
    while (more > 0) {
        if (raw_value(r, keys))
            return -1;
        more = scan_another(r, ']');
    }
    return more;
}

static int raw_number(struct json_scan *r)
{
    struct str text;
    bool integer;
    double value;
    if (!(*r->p == '-' || (*r->p >= '0' && *r->p <= '9')))
        return scan_syntax(r, "expected a value");
    return scan_number(r, &text, &integer) || scan_finite(r, text, &value) ? -1 : 0;
}

static int raw_value(struct json_scan *r, struct raw_keys *keys)
{
    uint64_t hash;
    switch (*r->p) {
    case '{': return raw_object(r, keys);
    case '[': return raw_array(r, keys);
    case '"': return raw_string(r, &hash);
    case 't': return scan_literal(r, "true");
    case 'f': return scan_literal(r, "false");
    case 'n': return scan_literal(r, "null");
    default: return raw_number(r);
    }
}

int scan_raw(struct json_scan *r, struct str *ret)
{
    struct raw_keys keys;
    keys.count = 0;
    char *begin = r->p;
    if (raw_value(r, &keys))
        return -1;
    *ret = (struct str){begin, (size_t)(r->p - begin)};
    return 0;
}
