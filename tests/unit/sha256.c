/* sha256: FIPS 180-4's vectors, and pieces of any size. */
#include "unit/test.h"

#include <string.h>

#include "base/sha256.h"

static void published_digests(void **state)
{
    (void)state;
    static const struct {
        const char *text, *digest;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqr"
         "stu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t digest[SHA256_SIZE];
        char text[SHA256_HEX_SIZE];
        sha256(cases[i].text, strlen(cases[i].text), digest);
        assert_string_equal(sha256_hex(digest, text), cases[i].digest);
    }
}

static void a_million_letters_in_uneven_pieces(void **state)
{
    (void)state;
    struct sha256 s;
    char piece[997], text[SHA256_HEX_SIZE];
    memset(piece, 'a', sizeof piece);
    sha256_init(&s);
    for (size_t left = 1000000, size = 1; left > 0; size = size * 7 % sizeof piece + 1) {
        size_t n = size < left ? size : left;
        sha256_update(&s, piece, n);
        left -= n;
    }
    uint8_t digest[SHA256_SIZE];
    sha256_final(&s, digest);
    assert_string_equal(sha256_hex(digest, text), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void every_length_up_to_three_blocks_agrees_with_one_byte_at_a_time(void **state)
{
    (void)state;
    uint8_t bytes[192], whole[SHA256_SIZE], single[SHA256_SIZE];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37 + 11);
    for (size_t n = 0; n <= sizeof bytes; n++) {
        struct sha256 s;
        sha256_init(&s);
        for (size_t i = 0; i < n; i++)
            sha256_update(&s, bytes + i, 1);
        sha256_final(&s, single);
        sha256(bytes, n, whole);
        assert_memory_equal(single, whole, SHA256_SIZE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_digests),
        cmocka_unit_test(a_million_letters_in_uneven_pieces),
        cmocka_unit_test(every_length_up_to_three_blocks_agrees_with_one_byte_at_a_time),
    };
    return cmocka_run_group_tests_name("sha256", tests, NULL, NULL);
}
