#include "common/base/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void assert_hex(const uint8_t digest[DIGEST_BYTES], const char *expected)
{
    char hex[DIGEST_HEX_BYTES];
    digest_hex(digest, DIGEST_BYTES, hex);
    assert_string_equal(hex, expected);
}

/* FIPS 180-4 examples (NIST), and the empty message. */
static const struct {
    const char *message;
    const char *hex;
} messages[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

static void digests_match_the_published_ones(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        uint8_t digest[DIGEST_BYTES];
        digest_sha256(messages[i].message, strlen(messages[i].message), digest);
        assert_hex(digest, messages[i].hex);
    }
}

static void a_digest_in_pieces_is_the_digest_of_the_whole(void **state)
{
    (void)state;
    digest_t *digest = digest_new();
    assert_non_null(digest);
    char piece[1000];
    memset(piece, 'a', sizeof(piece));
    for (int i = 0; i < 1000; i++)
        digest_update(digest, piece, sizeof(piece));
    digest_update(digest, NULL, 0);
    uint8_t out[DIGEST_BYTES];
    digest_final(digest, out);
    assert_hex(out, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    digest_destroy(&digest);
    assert_null(digest);
    digest_destroy(&digest);
}

#define KEY_AA_X_131                                                                               \
    "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa" \
    "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa" \
    "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa" \
    "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa" \
    "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa" \
    "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa"

/* RFC 4231 test cases 1, 2 and 6, and an empty key (python3's hmac). */
static const struct {
    const char *key;
    const char *message;
    const char *hex;
} codes[] = {
    {"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b", "Hi There",
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"Jefe", "what do ya want for nothing?",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {KEY_AA_X_131, "Test Using Larger Than Block-Size Key - Hash Key First",
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {"", "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
};

static void codes_match_the_published_ones(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        size_t key_length = strlen(codes[i].key), length = strlen(codes[i].message);
        uint8_t out[DIGEST_BYTES];
        assert_int_equal(hmac_sha256(codes[i].key, key_length, codes[i].message, length, out), 0);
        assert_hex(out, codes[i].hex);

        hmac_t *hmac = hmac_new(codes[i].key, key_length);
        assert_non_null(hmac);
        for (size_t at = 0; at < length; at++)
            hmac_update(hmac, codes[i].message + at, 1);
        hmac_final(hmac, out);
        assert_hex(out, codes[i].hex);
        hmac_destroy(&hmac);
        assert_null(hmac);
        hmac_destroy(&hmac);
    }
}

static void no_key_is_an_empty_key(void **state)
{
    (void)state;
    uint8_t out[DIGEST_BYTES];
    assert_int_equal(hmac_sha256(NULL, 0, NULL, 0, out), 0);
    assert_hex(out, codes[3].hex);
}

static void one_different_bit_is_unequal(void **state)
{
    (void)state;
    uint8_t one[DIGEST_BYTES] = {1, 2, 3}, other[DIGEST_BYTES] = {1, 2, 3};
    assert_true(digest_equal(one, other, DIGEST_BYTES));
    other[DIGEST_BYTES - 1] ^= 0x80;
    assert_false(digest_equal(one, other, DIGEST_BYTES));
    assert_true(digest_equal(one, other, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_match_the_published_ones),
        cmocka_unit_test(a_digest_in_pieces_is_the_digest_of_the_whole),
        cmocka_unit_test(codes_match_the_published_ones),
        cmocka_unit_test(no_key_is_an_empty_key),
        cmocka_unit_test(one_different_bit_is_unequal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
