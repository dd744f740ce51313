#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/lm/tokenizer_pattern.h"

#include <pcre2.h>

#include "base/buf.h"
#include "base/mem.h"

enum { MAX_PATTERN = 8192, MATCH_LIMIT = 50 * 1000 * 1000, DEPTH_LIMIT = 100 * 1000, HEAP_LIMIT_KIB = 64 * 1024 };

const char tokenizer_pattern_gpt2[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

struct tokenizer_pattern {
    pcre2_code *code;
};

struct tokenizer_matcher {
    pcre2_match_data *data;
    pcre2_match_context *context;
};

/* Unicode's White_Space as the inside of a class. PCRE2's own \s has U+180E too. */
#define WHITE_SPACE "\\x{9}-\\x{d}\\x{85}\\p{Z}"

/* The reader of a pattern, one construct at a time. */
struct translation {
    struct str regex;
    size_t at;
    bool in_class;
    struct buf out;
    struct err *err;
};

static int refuse(struct translation *t, size_t length)
{
    if (length > t->regex.len - t->at)
        length = t->regex.len - t->at;
    return err_set(t->err, ERR_BAD_FILE, "\"%.*s\" in the pattern of the pre-tokenizer, at byte %zu, is not supported",
                   (int)length, t->regex.ptr + t->at, t->at);
}

static char peek(const struct translation *t, size_t ahead)
{
    return t->at + ahead < t->regex.len ? t->regex.ptr[t->at + ahead] : '\0';
}

static void copy(struct translation *t, size_t length)
{
    buf_add(&t->out, t->regex.ptr + t->at, length);
    t->at += length;
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* \p{Name} and \P{Name}: general categories and scripts go by the same names. */
static int translate_property(struct translation *t)
{
    size_t length = 3;
    while (peek(t, 2) == '{' && length < 40 && is_name(peek(t, length)))
        length++;
    if (length == 3 || peek(t, length) != '}')
        return refuse(t, length + 1);
    copy(t, length + 1);
    return 0;
}

static int translate_escape(struct translation *t)
{
    char c = peek(t, 1);
    if (c == 'p' || c == 'P')
        return translate_property(t);
    if (c == 's' || (c == 'S' && !t->in_class)) {
        buf_text(&t->out, t->in_class ? WHITE_SPACE : c == 's' ? "[" WHITE_SPACE "]" : "[^" WHITE_SPACE "]");
        t->at += 2;
        return 0;
    }
    if (c == 'd' || c == 'r' || c == 'n' || c == 't' || (c > ' ' && c < '0') || (c > '9' && c < 'A') ||
        (c > 'Z' && c < 'a') || c == '{' || c == '|' || c == '}' || c == '~') {
        copy(t, 2);
        return 0;
    }
    return refuse(t, 2);
}

static int translate_in_class(struct translation *t)
{
    char c = peek(t, 0);
    if (c == '[' || (c == '&' && peek(t, 1) == '&'))
        return refuse(t, 2);
    t->in_class = c != ']';
    copy(t, 1);
    return 0;
}

static int translate_group(struct translation *t)
{
    size_t length = 1;
    if (peek(t, 1) == '*')
        return refuse(t, 2);
    if (peek(t, 1) == '?') {
        length = peek(t, 2) == 'i' && peek(t, 3) == ':' ? 4 : 3;
        if (length == 3 && peek(t, 2) != ':' && peek(t, 2) != '!' && peek(t, 2) != '=' && peek(t, 2) != '>')
            return refuse(t, 4);
    }
    copy(t, length);
    return 0;
}

static int translate_construct(struct translation *t)
{
    char c = peek(t, 0);
    if (c == '\0')
        return refuse(t, 1);
    if (c == '\\')
        return translate_escape(t);
    if (t->in_class)
        return translate_in_class(t);
    if (c == '(')
        return translate_group(t);
    bool other_repeat = (c == '{' && peek(t, 1) == ',') || (c == '}' && peek(t, 1) == '+'); /* mean something else */
    if (c == '^' || c == '$' || other_repeat)
        return refuse(t, 2);
    if (c == '[') {
        size_t length = peek(t, 1) == '^' ? 2 : 1;
        if (peek(t, length) == ']') /* a bracket or an empty class, as the engine likes */
            return refuse(t, length + 1);
        t->in_class = true;
        copy(t, length);
        return 0;
    }
    copy(t, 1);
    return 0;
}

static pcre2_code *compile(const struct buf *regex, struct err *err)
{
    int number;
    PCRE2_SIZE offset;
    PCRE2_UCHAR8 text[120];
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context) {
        err_memory(err);
        return NULL;
    }
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(context, 50);
    pcre2_code *code = pcre2_compile((PCRE2_SPTR8)regex->data, regex->length,
                                     PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE, &number,
                                     &offset, context);
    pcre2_compile_context_free(context);
    if (!code) {
        pcre2_get_error_message(number, text, sizeof text);
        err_set(err, ERR_BAD_FILE, "the pattern of the pre-tokenizer is not usable: %s", (char *)text);
        return NULL;
    }
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* where it fails, the interpreter matches the same */
    return code;
}

struct tokenizer_pattern *tokenizer_pattern_new(struct str regex, struct err *err)
{
    struct translation t = {.regex = regex, .err = err};
    struct tokenizer_pattern *p = NULL;
    if (regex.len == 0 || regex.len > MAX_PATTERN || !str_is_utf8(regex)) {
        err_set(err, ERR_BAD_FILE, "the pattern of the pre-tokenizer is not 1 to %d bytes of UTF-8", MAX_PATTERN);
        return NULL;
    }
    while (t.at < regex.len)
        if (translate_construct(&t) < 0)
            goto out;
    p = t.out.failed ? NULL : mem_zeroed(1, sizeof *p);
    if (!p) {
        err_memory(err);
        goto out;
    }
    p->code = compile(&t.out, err);
    if (!p->code) {
        mem_free(p);
        p = NULL;
    }
out:
    buf_free(&t.out);
    return p;
}

void tokenizer_pattern_free(struct tokenizer_pattern *p)
{
    if (!p)
        return;
    pcre2_code_free(p->code);
    mem_free(p);
}

struct tokenizer_matcher *tokenizer_matcher_new(struct err *err)
{
    struct tokenizer_matcher *m = mem_zeroed(1, sizeof *m);
    if (m) {
        m->data = pcre2_match_data_create(1, NULL);
        m->context = pcre2_match_context_create(NULL);
    }
    if (!m || !m->data || !m->context) {
        tokenizer_matcher_free(m);
        err_memory(err);
        return NULL;
    }
    pcre2_set_match_limit(m->context, MATCH_LIMIT);
    pcre2_set_depth_limit(m->context, DEPTH_LIMIT);
    pcre2_set_heap_limit(m->context, HEAP_LIMIT_KIB);
    return m;
}

void tokenizer_matcher_free(struct tokenizer_matcher *m)
{
    if (!m)
        return;
    pcre2_match_data_free(m->data);
    pcre2_match_context_free(m->context);
    mem_free(m);
}

int tokenizer_pattern_next(const struct tokenizer_pattern *p, struct tokenizer_matcher *m, struct str text, size_t at,
                           size_t *ret, struct err *err)
{
    int found = pcre2_match(p->code, (PCRE2_SPTR8)text.ptr, text.len, at, PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, m->data,
                            m->context);
    const PCRE2_SIZE *span = pcre2_get_ovector_pointer(m->data);
    if (found == PCRE2_ERROR_NOMATCH) {
        *ret = text.len - at;
        return 0;
    }
    if (found < 0)
        return err_set(err, ERR_INVALID_VALUE,
                       "the pattern of the pre-tokenizer takes too long on this text (PCRE2 "
                       "error %d)",
                       found);
    *ret = (span[0] > at ? span[0] : span[1]) - at;
    return 0;
}
