#include "tenant-resolver/object_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *transcript_key(const char *business, const char *conversation)
{
    static char key[OBJECT_KEY_BYTES];
    assert_int_equal(object_key_transcript(wire_view(business), wire_view(conversation), key, NULL),
                     0);
    return key;
}

static void plain_ids_stand_as_they_are(void **state)
{
    (void)state;
    assert_string_equal(transcript_key("B0100001", "conv_abc-456"),
                        "transcripts/B0100001/conv_abc-456.json");
    char key[OBJECT_KEY_BYTES];
    object_key_call_t call = {wire_view("B0100001"), wire_view("L0100001"), wire_view("conv_a")};
    assert_int_equal(object_key_recording("recordings/", &call, key, NULL), 0);
    assert_string_equal(key, "recordings/B0100001/L0100001/conv_a.mp3");
    assert_int_equal(object_key_recording("", &call, key, NULL), 0);
    assert_string_equal(key, "B0100001/L0100001/conv_a.mp3");
}

static void other_bytes_are_escaped(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {".", "%2E"},
        {"..", "%2E%2E"},
        {"../../etc/passwd", "%2E%2E%2F%2E%2E%2Fetc%2Fpasswd"},
        {"a/b", "a%2Fb"},
        {"a%2Fb", "a%252Fb"},
        {"a b+c", "a%20b%2Bc"},
        {"\xc8\x99\x7f\x01", "%C8%99%7F%01"},
        {"~", "%7E"},
        {"[`@{^:", "%5B%60%40%7B%5E%3A"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char expected[200];
        snprintf(expected, sizeof(expected), "transcripts/%s/%s.json", rows[i][1], rows[i][1]);
        assert_string_equal(transcript_key(rows[i][0], rows[i][0]), expected);
    }
    char key[OBJECT_KEY_BYTES];
    assert_int_equal(object_key_transcript(wire_view("b"), WIRE_VIEW("a\0b"), key, NULL), 0);
    assert_string_equal(key, "transcripts/b/a%00b.json");
}

static void empty_ids_have_no_key(void **state)
{
    (void)state;
    char key[OBJECT_KEY_BYTES] = "untouched";
    wire_view_t id = wire_view("x"), empty = {NULL, 0};
    fault_t fault;
    assert_int_equal(object_key_transcript(empty, id, key, &fault), -1);
    assert_int_equal(object_key_transcript(id, empty, key, &fault), -1);
    const object_key_call_t calls[] = {{empty, id, id}, {id, empty, id}, {id, id, empty}};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(object_key_recording("p/", &calls[i], key, &fault), -1);
    assert_string_equal(key, "untouched");
}

static void long_ids_are_cut_and_keep_apart(void **state)
{
    (void)state;
    char id[302] = "", fits[OBJECT_KEY_BYTES], cut[OBJECT_KEY_BYTES];
    memset(id, 'x', 200);
    strcpy(fits, transcript_key("b", id));
    assert_int_equal(strlen(fits), strlen("transcripts/b/.json") + 200);
    assert_string_equal(strchr(fits, '.'), ".json");
    strcat(id, "x");
    strcpy(cut, transcript_key("b", id));
    /* printf 'x%.0s' {1..201} | sha256sum */
    const char *digest = "84a0678c90937f5dcf9994d5866668da6b995109c8ad845410559b48a4ecafed";
    char expected[OBJECT_KEY_BYTES];
    snprintf(expected, sizeof(expected), "transcripts/b/%.135s.%s.json", id, digest);
    assert_string_equal(cut, expected);
    id[200] = 'y';
    assert_string_not_equal(transcript_key("b", id), cut);
}

/* A cut never falls inside an escape: what is left is still whole escapes and safe characters. */
static void cut_falls_between_escapes(void **state)
{
    (void)state;
    for (size_t plain = 0; plain < 4; plain++) {
        char id[120] = "";
        memset(id, 'x', plain);
        memset(id + plain, '/', 100);
        const char *part = transcript_key("b", id) + strlen("transcripts/b/");
        size_t kept = (size_t)(strchr(part, '.') - part);
        assert_int_equal(kept % 3, plain % 3);
        assert_in_range(kept, 133, 135);
        assert_int_equal(strlen(part), kept + 1 + 64 + strlen(".json"));
    }
}

static void prefix_has_the_limit_of_s3(void **state)
{
    (void)state;
    char prefix[1100] = "", key[OBJECT_KEY_BYTES];
    object_key_call_t call = {wire_view("b"), wire_view("l"), wire_view("c")};
    memset(prefix, 'p', 1024 - strlen("b/l/c.mp3"));
    assert_int_equal(object_key_recording(prefix, &call, key, NULL), 0);
    assert_int_equal(strlen(key), 1024);
    strcat(prefix, "p");
    fault_t fault;
    assert_int_equal(object_key_recording(prefix, &call, key, &fault), -1);
    assert_non_null(strstr(fault.text, "1025 bytes, S3 allows 1024"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_ids_stand_as_they_are),
        cmocka_unit_test(other_bytes_are_escaped),
        cmocka_unit_test(empty_ids_have_no_key),
        cmocka_unit_test(long_ids_are_cut_and_keep_apart),
        cmocka_unit_test(cut_falls_between_escapes),
        cmocka_unit_test(prefix_has_the_limit_of_s3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
