#include "common/base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* RFC 4648 section 10, and bytes that use the last letters of the alphabet. */
static const struct {
    const char *bytes;
    const char *text;
} pairs[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xfb\xff\xfe", "+//+"},
};

static void texts_match_the_published_ones(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char text[16];
        size_t length = strlen(pairs[i].bytes);
        base64_encode((const uint8_t *)pairs[i].bytes, length, text);
        assert_string_equal(text, pairs[i].text);
        assert_int_equal(strlen(text), BASE64_TEXT_BYTES(length));
        assert_int_equal(base64_decode(text, strlen(text), (uint8_t *)text, NULL), length);
        assert_memory_equal(text, pairs[i].bytes, length);
    }
}

static const struct {
    const char *text;
    size_t broken_at;
} broken[] = {
    {"Z", 1},           {"Zm", 2},     {"Zm9", 3},       {"Zm9vY", 5},     {"=", 0},
    {"====", 0},        {"Z===", 1},   {"Zm9v====", 4},  {"Zm=v", 2},      {"Z=9v", 1},
    {"Zg==Zg==", 2},    {"Zm9v\n", 4}, {"Zm9v\nZm9", 4}, {" Zm9vZm9", 0},  {"Zm9-Zm9v", 3},
    {"Zm9vZm9_", 7},    {"Zh==", 1},   {"Zm9=", 2},      {"Zm9vZm9v=", 8}, {"\xc3\xa9mm", 0},
    {"Zm9v\x80mmm", 4},
};

static void what_is_not_exactly_base64_is_refused_and_located(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        uint8_t out[16];
        size_t broken_at = 99;
        size_t length = strlen(broken[i].text);
        assert_int_equal(base64_decode(broken[i].text, length, out, &broken_at), -1);
        assert_int_equal(broken_at, broken[i].broken_at);
        assert_int_equal(base64_decode(broken[i].text, length, out, NULL), -1);
    }
}

static void what_stands_behind_the_text_is_not_read(void **state)
{
    (void)state;
    for (size_t length = 1; length < 8; length++) {
        uint8_t out[8];
        size_t broken_at = 99;
        ssize_t expected = length == 4 ? 3 : -1;
        assert_int_equal(base64_decode("Zm9vYmFy", length, out, &broken_at), expected);
        assert_int_equal(broken_at, expected < 0 ? length : 99);
    }
}

static void every_byte_survives_at_every_length(void **state)
{
    (void)state;
    uint8_t bytes[256], out[256];
    char text[BASE64_TEXT_BYTES(256) + 1];
    for (size_t i = 0; i < 256; i++)
        bytes[i] = (uint8_t)(255 - i);
    for (size_t length = 0; length <= 256; length++) {
        base64_encode(bytes, length, text);
        assert_int_equal(base64_decode(text, strlen(text), out, NULL), length);
        assert_memory_equal(out, bytes, length);
    }
}

static void nothing_is_written_behind_the_decoded_bytes(void **state)
{
    (void)state;
    uint8_t *out = malloc(BASE64_DECODED_MAX(8));
    assert_non_null(out);
    assert_int_equal(base64_decode("Zm9vYmFy", 8, out, NULL), 6);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_match_the_published_ones),
        cmocka_unit_test(what_is_not_exactly_base64_is_refused_and_located),
        cmocka_unit_test(what_stands_behind_the_text_is_not_read),
        cmocka_unit_test(every_byte_survives_at_every_length),
        cmocka_unit_test(nothing_is_written_behind_the_decoded_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
