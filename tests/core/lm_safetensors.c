/* lm_safetensors: files in and out, and every way in which one can lie. */
#include "unit/test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "core/lm/safetensors.h"
#include "core/lm_support.h"

static char folder[] = "/tmp/egalign-safetensors-XXXXXX";

/* The bytes of a file with this header and `data_bytes` zeros behind it. */
static char *file_of(const char *header, size_t data_bytes, size_t *ret_size)
{
    struct buf b = {0};
    uint64_t length = strlen(header);
    buf_add(&b, &length, sizeof length);
    buf_text(&b, header);
    for (size_t i = 0; i < data_bytes; i++)
        buf_char(&b, 0);
    return buf_take(&b, ret_size);
}

static const char *in_folder(const char *name)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const void *bytes, size_t size)
{
    FILE *f = fopen(in_folder(name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
}

#define T(name, dtype, shape, from, to)                                                                                \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #from "," #to "]}"

static void good_headers_are_read(void **state)
{
    (void)state;
    static const char header[] =
        "{\"__metadata__\" : {\"a\\\"b\":\"\\u0041\"}, " T("b", "F32", "[2, 3]", 4, 28) "," T("a", "BF16", "[2]", 0, 4)
        "," T("empty", "I64", "[0,5]", 28, 28) "," T("one", "U8", "[]", 28, 29) "}  ";
    size_t size;
    char *bytes = file_of(header, 29, &size);
    struct err err = {0};
    struct safetensors *s = safetensors_parse(bytes, size, &err);
    assert_string_equal(err.message, "");
    assert_non_null(s);
    assert_int_equal(safetensors_count(s), 4);
    assert_string_equal(safetensors_at(s, 0)->name, "a");
    const struct safetensor *b = safetensors_find(s, "b");
    assert_int_equal(b->count, 6);
    assert_int_equal(b->shape[1], 3);
    assert_int_equal((const char *)b->data - bytes, size - 29 + 4);
    assert_null(safetensors_find(s, "c"));
    float value;
    assert_int_equal(safetensors_read(safetensors_find(s, "one"), &value, &err), -1);
    safetensors_free(s);
    mem_free(bytes);
}

static void lies_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        const char *complaint;
    } cases[] = {
        {"[]", 0, "begin with"},
        {"", 0, "begin with"},
        {"{", 0, "missing"},
        {"{}x", 0, "follows"},
        {"{}", 4, "belong to no tensor"},
        {"{" T("a", "F32", "[1]", 0, 4) ",}", 4, "text is missing"},
        {"{" T("a", "F32", "[1]", 0, 4) "," T("a", "F32", "[1]", 4, 8) "}", 8, "twice"},
        {"{" T("a", "F32", "[1]", 0, 4) "," T("b", "F32", "[1]", 2, 6) "}", 6, "overlaps"},
        {"{" T("a", "F32", "[1]", 0, 4) "," T("b", "F32", "[1]", 8, 12) "}", 12, "gap"},
        {"{" T("a", "F32", "[1]", 4, 8) "}", 8, "gap"},
        {"{" T("a", "F32", "[2]", 0, 8) "}", 4, "beyond the end"},
        {"{" T("a", "F32", "[2]", 8, 0) "}", 8, "beyond the end"},
        {"{" T("a", "F32", "[2]", 0, 4) "}", 4, "do not fit"},
        {"{" T("a", "F32", "[4611686018427387904,4]", 0, 0) "}", 0, "overflows"},
        {"{" T("a", "F32", "[9223372036854775807]", 0, 0) "}", 0, "overflows"},
        {"{" T("a", "F32", "[9223372036854775808]", 0, 0) "}", 0, "whole number"},
        {"{" T("a", "F32", "[-1]", 0, 4) "}", 4, "whole number"},
        {"{" T("a", "F32", "[1.0]", 0, 4) "}", 4, "']' is missing"},
        {"{" T("a", "F32", "[01]", 0, 4) "}", 4, "whole number"},
        {"{" T("a", "F32", "[1,1,1,1,1,1,1,1,1]", 0, 4) "}", 4, "too long"},
        {"{" T("a", "Q4", "[1]", 0, 4) "}", 4, "dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "needs dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "needs dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "twice"},
        {"{\"a\":{\"type\":\"F32\"}}", 4, "unknown member"},
        {"{\"a\":{}}", 4, "text is missing"},
        {"{\"\\u0061\":{}}", 4, "escapes"},
        {"{\"\xff\":{}}", 4, "UTF-8"},
        {"{\"a\nb\":{}}", 4, "control"},
        {"{\"a", 4, "does not end"},
        {"{\"a\\", 4, "does not end"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "text is missing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t size;
        struct err err = {0};
        char *bytes = file_of(cases[i].header, cases[i].data, &size);
        struct safetensors *s = safetensors_parse(bytes, size, &err);
        if (s || err.code != ERR_BAD_FILE || !strstr(err.message, cases[i].complaint))
            fail_msg("%s: said \"%s\", not \"%s\"", cases[i].header, err.message, cases[i].complaint);
        mem_free(bytes);
    }
}

static void lengths_are_checked_first(void **state)
{
    (void)state;
    struct err err;
    for (size_t size = 0; size < 8; size++)
        assert_null(safetensors_parse("\x02\0\0\0\0\0\0\0{}", size, &err));
    assert_null(safetensors_parse("\x03\0\0\0\0\0\0\0{}", 10, &err));
    assert_non_null(strstr(err.message, "more than the file has"));
    assert_null(safetensors_parse("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, &err));
    assert_non_null(strstr(err.message, "more than is allowed"));
}

/* Each prefix of a good file, and each good file with one byte changed, is refused or read, and never crashes. */
static void mutants_do_no_harm(void **state)
{
    (void)state;
    size_t size;
    char *bytes = file_of("{" T("ab", "F32", "[1,2]", 0, 8) "," T("c", "F16", "[2]", 8, 12) "}", 12, &size);
    struct err err;
    int read = 0;
    for (size_t cut = 0; cut < size; cut++)
        assert_null(safetensors_parse(bytes, cut, &err));
    for (size_t i = 0; i < size - 12; i++)
        for (int change = 1; change < 256; change++) {
            bytes[i] = (char)(bytes[i] ^ change);
            struct safetensors *s = safetensors_parse(bytes, size, &err);
            read += s != NULL;
            safetensors_free(s);
            bytes[i] = (char)(bytes[i] ^ change);
        }
    assert_true(read > 0); /* another name is a good file */
    mem_free(bytes);
}

static void numbers_are_converted_exactly(void **state)
{
    (void)state;
    size_t size;
    char *bytes = file_of("{" T("h", "F16", "[7]", 0, 14) "," T("i", "BF16", "[2]", 14, 18) "}", 18, &size);
    static const uint16_t halves[] = {0x3c00, 0xc000, 0x0001, 0x83ff, 0x7bff, 0x3555, 0x8000, 0x3f80, 0x7f80};
    memcpy(bytes + size - 18, halves, sizeof halves);
    struct err err = {0};
    struct safetensors *s = safetensors_parse(bytes, size, &err);
    float out[7];
    assert_int_equal(safetensors_read(safetensors_find(s, "h"), out, &err), 0);
    const float want[] = {1, -2, 0x1p-24f, -1023 * 0x1p-24f, 65504, 0.333251953125f, -0.0f};
    assert_memory_equal(out, want, sizeof want);
    assert_int_equal(safetensors_read(safetensors_find(s, "i"), out, &err), -1); /* an infinity */
    assert_int_equal(err.code, ERR_NUMERICAL);
    safetensors_free(s);
    mem_free(bytes);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    float a[6] = {1, -2.5f, 3e-20f, 4, 5, 1 + 0x1p-8f}, b[1] = {0.1f};
    struct safetensor tensors[] = {{.name = "z.a", .rank = 2, .shape = {2, 3}, .data = a, .count = 6},
                                   {.name = "b", .rank = 1, .shape = {1}, .data = b, .count = 1}};
    struct err err = {0};
    assert_int_equal(safetensors_write(in_folder("f32.safetensors"), tensors, 2, DTYPE_F32, &err), 0);
    struct safetensors *s = safetensors_open(in_folder("f32.safetensors"), &err);
    float out[6];
    assert_int_equal(safetensors_read(safetensors_find(s, "z.a"), out, &err), 0);
    assert_memory_equal(out, a, sizeof a);
    assert_int_equal((uintptr_t)safetensors_find(s, "z.a")->data % 64, 0);
    safetensors_free(s);
    assert_int_equal(safetensors_write(in_folder("bf16.safetensors"), tensors, 2, DTYPE_BF16, &err), 0);
    s = safetensors_open(in_folder("bf16.safetensors"), &err);
    assert_int_equal(safetensors_find(s, "z.a")->dtype, DTYPE_BF16);
    assert_int_equal(safetensors_read(safetensors_find(s, "z.a"), out, &err), 0);
    assert_true(out[1] == -2.5f && out[5] == 1); /* 1 + 2^-8 is a tie, to even */
    safetensors_free(s);
    assert_int_equal(safetensors_write("/nonexistent/x", tensors, 2, DTYPE_F32, &err), -1);
    assert_int_equal(err.code, ERR_SYSTEM);
}

static void shards_are_joined(void **state)
{
    (void)state;
    float a[2] = {1, 2}, b[1] = {3};
    struct safetensor one = {.name = "a", .rank = 1, .shape = {2}, .data = a, .count = 2};
    struct safetensor two = {.name = "b", .rank = 1, .shape = {1}, .data = b, .count = 1};
    struct err err = {0};
    safetensors_write(in_folder("m-1.safetensors"), &one, 1, DTYPE_F32, &err);
    safetensors_write(in_folder("m-2.safetensors"), &two, 1, DTYPE_F32, &err);
    static const struct {
        const char *map, *complaint;
    } cases[] = {
        {"{\"weight_map\":{\"a\":\"m-1.safetensors\",\"b\":\"m-2.safetensors\"}}", NULL},
        {"{\"weight_map\":{\"a\":\"m-2.safetensors\",\"b\":\"m-1.safetensors\"}}", "where the index puts it"},
        {"{\"weight_map\":{\"a\":\"m-1.safetensors\",\"c\":\"m-2.safetensors\"}}", "where the index puts it"},
        {"{\"weight_map\":{\"a\":\"../m-1.safetensors\"}}", "no name of a shard"},
        {"{\"weight_map\":{\"a\":\"m-3.safetensors\"}}", "cannot open"},
        {"{\"weight_map\":{\"a\":7}}", "not a text"},
        {"{\"weight_map\":{\"a\":\"m-1.safetensors\",\"a\":\"m-1.safetensors\"}}", "weight_map"},
        {"{\"weight_map\":[]}", "weight_map"},
        {"[[[[[[[", "weight_map"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_file("model.safetensors.index.json", cases[i].map, strlen(cases[i].map));
        err = (struct err){0};
        struct safetensors *s = safetensors_open_folder(folder, &err);
        if (!cases[i].complaint != !!s || (!s && !strstr(err.message, cases[i].complaint)))
            fail_msg("%s: \"%s\"", cases[i].map, err.message);
        if (s)
            assert_int_equal(safetensors_count(s), 2);
        safetensors_free(s);
    }
    char *huge = calloc(5, 1 << 20);
    memset(huge, '[', 5 << 20);
    write_file("model.safetensors.index.json", huge, 5 << 20);
    assert_null(safetensors_open_folder(folder, &err));
    assert_non_null(strstr(err.message, "larger than"));
    free(huge);
}

/* Each allocation of a parse fails once; each time it says so, and nothing is lost. */
static void failed_allocations_are_told(void **state)
{
    (void)state;
    size_t size;
    char *bytes = file_of("{" T("ab", "F32", "[1]", 0, 4) "}", 4, &size);
    for (int n = 1;; n++) {
        struct err err = {0};
        mem_fail_nth(n);
        struct safetensors *s = safetensors_parse(bytes, size, &err);
        mem_fail_nth(0);
        safetensors_free(s);
        if (s) {
            assert_true(n > 2);
            break;
        }
        assert_int_equal(err.code, ERR_NO_MEMORY);
    }
    mem_free(bytes);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    const char *const names[] = {"f32.safetensors", "bf16.safetensors", "m-1.safetensors", "m-2.safetensors",
                                 "model.safetensors.index.json"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unlink(in_folder(names[i]));
    return rmdir(folder); /* fails when a temporary was left behind */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_headers_are_read),       cmocka_unit_test(lies_are_refused_by_name),
        cmocka_unit_test(lengths_are_checked_first),   cmocka_unit_test(mutants_do_no_harm),
        cmocka_unit_test(numbers_are_converted_exactly), cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(shards_are_joined),           cmocka_unit_test(failed_allocations_are_told),
    };
    return cmocka_run_group_tests_name("lm_safetensors", tests, make_folder, remove_folder);
}
