#include "common/json/json.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct {
    const char *text;
    size_t bytes;
} text_t;

#define TEXT(literal)                                                                              \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static json_reader_t *reader;

static int open_reader(void **state)
{
    (void)state;
    reader = json_reader_new();
    return reader ? 0 : -1;
}

static int close_reader(void **state)
{
    (void)state;
    json_reader_destroy(&reader);
    return reader ? -1 : 0;
}

/* Reads a copy that ends where readable memory ends. */
static json_status_t read_at_edge(text_t text, fault_t *fault)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (text.bytes / page + 1) * page;
    char *memory =
        mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    assert_int_equal(mprotect(memory + room, page, PROT_NONE), 0);
    char *copy = memory + room - text.bytes;
    memcpy(copy, text.text, text.bytes);
    json_status_t status = json_read(reader, copy, text.bytes, NULL, 0, NULL, fault);
    munmap(memory, room + page);
    return status;
}

static void whole_grammar_is_accepted(void **state)
{
    (void)state;
    static const text_t texts[] = {
        TEXT("{}"),
        TEXT("[]"),
        TEXT("\"\""),
        TEXT("0"),
        TEXT("-0"),
        TEXT("true"),
        TEXT("false"),
        TEXT("null"),
        TEXT(" \t\r\n[ \t\r\n] \t\r\n"),
        TEXT("[1,2.5,-3e4,5E+6,7.25e-8,0.0,0e0,-0.5]"),
        TEXT("[1e400,-1E-400,9007199254740993,123456789012345678901234567890.5]"),
        TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uABCD\""),
        TEXT("[\"\\u0000\",\"\\ud800\",\"\\udc00\\ud800\",\"\\ud83d\\ude4f\",\"\\uFFFF\"]"),
        TEXT("[\"Bun\xc4\x83 ziua\",\"\xf0\x9f\x99\x8f\",\"\xf4\x8f\xbf\xbf\",\"\x7f\"]"),
        TEXT("{\"\":1,\"\":2,\"a\\nb\":{\"c\":[{}]}}"),
        TEXT("{\"a\" : [ 1 , 2 ] , \"b\" : null }"),
        TEXT("[\"a,b]}:\\\"\",\"{\"]"),
        TEXT("[[],[[]],{\"a\":[]}]"),
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        fault_t fault = {""};
        if (read_at_edge(texts[i], &fault) != JSON_READ_OK)
            fail_msg("refused: %s (%s)", texts[i].text, fault.text);
    }
}

static void everything_else_is_refused(void **state)
{
    (void)state;
    static const text_t texts[] = {
        TEXT(""),
        TEXT(" "),
        TEXT("\0"),
        /* structure */
        TEXT("{"),
        TEXT("["),
        TEXT("}"),
        TEXT("]"),
        TEXT(","),
        TEXT(":"),
        TEXT("[1"),
        TEXT("[1,"),
        TEXT("[1,]"),
        TEXT("[,1]"),
        TEXT("[1,,2]"),
        TEXT("[1 2]"),
        TEXT("[1:2]"),
        TEXT("[1}"),
        TEXT("[}"),
        TEXT("{]"),
        TEXT("[[]"),
        TEXT("[]]"),
        TEXT("{\"a\""),
        TEXT("{\"a\":"),
        TEXT("{\"a\":1"),
        TEXT("{\"a\":1,"),
        TEXT("{\"a\":1,}"),
        TEXT("{,\"a\":1}"),
        TEXT("{\"a\"}"),
        TEXT("{\"a\",1}"),
        TEXT("{\"a\"::1}"),
        TEXT("{\"a\":1 \"b\":2}"),
        TEXT("{\"a\":}"),
        TEXT("{\"a\":{}"),
        TEXT("{\"a\":1]"),
        TEXT("{a:1}"),
        TEXT("{1:1}"),
        TEXT("{[]:1}"),
        TEXT("{'a':1}"),
        TEXT("{null:1}"),
        /* behind the value */
        TEXT("{}{}"),
        TEXT("[]1"),
        TEXT("1 2"),
        TEXT("\"a\"\"b\""),
        TEXT("\"a\"b"),
        TEXT("{},"),
        TEXT("{}\0"),
        TEXT("[1]#"),
        TEXT("{}//comment"),
        TEXT("[1,/* */2]"),
        /* literals: on-demand parsing lets these pass where it skips */
        TEXT("[tru,,01:2]"),
        TEXT("tru"),
        TEXT("truee"),
        TEXT("True"),
        TEXT("nul"),
        TEXT("nulll"),
        TEXT("fals"),
        TEXT("undefined"),
        TEXT("true\"a\""),
        TEXT("[true\0]"),
        /* numbers */
        TEXT("01"),
        TEXT("-01"),
        TEXT("00"),
        TEXT("-"),
        TEXT("--1"),
        TEXT("+1"),
        TEXT(".5"),
        TEXT("-.5"),
        TEXT("1."),
        TEXT("1.e5"),
        TEXT("1e"),
        TEXT("1e+"),
        TEXT("1e-"),
        TEXT("1e5.5"),
        TEXT("1ee5"),
        TEXT("1.2.3"),
        TEXT("0x10"),
        TEXT("1_000"),
        TEXT("1a"),
        TEXT("NaN"),
        TEXT("Infinity"),
        TEXT("-Infinity"),
        TEXT("\xd9\xa1"),
        TEXT("12\"a\""),
        TEXT("[1\0]"),
        TEXT("1-"),
        TEXT("[- 1]"),
        /* strings */
        TEXT("\""),
        TEXT("\"a"),
        TEXT("\"a\\\""),
        TEXT("\"\\q\""),
        TEXT("\"\\\\\\\""),
        TEXT("\"\\u\""),
        TEXT("\"\\u12\""),
        TEXT("\"\\u12g4\""),
        TEXT("\"\\u123\""),
        TEXT("\"\\U0041\""),
        TEXT("\"\\x41\""),
        TEXT("\"\\'\""),
        TEXT("\"\\\0\""),
        TEXT("\"\\u00\x30\""),
        TEXT("'a'"),
        TEXT("\"a\nb\""),
        TEXT("\"a\tb\""),
        TEXT("\"a\0b\""),
        TEXT("\"\x1f\""),
        TEXT("\\\"a\\\""),
        TEXT("{\"\\q\":1}"),
        TEXT("[\"a\"\\\"]"),
        /* blanks that are not */
        TEXT("\x0c[]"),
        TEXT("[\x0b]"),
        TEXT("[1\x0c,2]"),
        TEXT("[\"a\"\x1a]"),
        TEXT("[]\xc2\xa0"),
        TEXT("[\xe2\x80\xa8]"),
        /* encoding */
        TEXT("\xef\xbb\xbf{}"),
        TEXT("\xff\xfe[\0]\0"),
        TEXT("[\0]\0"),
        TEXT("\"\xff\""),
        TEXT("\"\x80\""),
        TEXT("\"\xc0\x80\""),
        TEXT("\"\xc1\xbf\""),
        TEXT("\"\xe0\x80\xaf\""),
        TEXT("\"\xf0\x80\x80\xaf\""),
        TEXT("\"\xed\xa0\x80\""),
        TEXT("\"\xf4\x90\x80\x80\""),
        TEXT("\"\xc4\""),
        TEXT("\"\xe2\x82\""),
        TEXT("[\xc3\xa9]"),
        TEXT("{\"\xff\":1}"),
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        fault_t fault = {""};
        if (read_at_edge(texts[i], &fault) != JSON_READ_INVALID)
            fail_msg("accepted: %s", texts[i].text);
        assert_non_null(strstr(fault.text, "not JSON"));
    }
}

/* A bad token is found wherever it falls within the 64-byte blocks of the scanner. */
static void position_within_a_block_does_not_matter(void **state)
{
    (void)state;
    static const char *const bad[] = {"\"\\q\"", "01",       "tru",  "\"\x01\"",
                                      "1 2",     "\"\xc4\"", "1\"\""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        for (size_t gap = 0; gap < 140; gap++) {
            char text[600];
            int bytes = snprintf(text, sizeof(text), "[%*s\"%*s\",%s,%*s1]", (int)gap, "", (int)gap,
                                 "", bad[i], (int)gap, "");
            assert_int_equal(read_at_edge((text_t){text, (size_t)bytes}, NULL), JSON_READ_INVALID);
            bytes = snprintf(text, sizeof(text), "[%*s\"%*s\",1,%*s1]", (int)gap, "", (int)gap,
                             "\\\"", (int)gap, "");
            assert_int_equal(read_at_edge((text_t){text, (size_t)bytes}, NULL), JSON_READ_OK);
        }
    }
}

static void depth_has_a_limit(void **state)
{
    (void)state;
    static char text[200001];
    for (size_t depth = JSON_MAX_DEPTH - 1; depth <= JSON_MAX_DEPTH + 1; depth++) {
        for (size_t i = 0; i < depth; i++) {
            text[i] = '[';
            text[2 * depth - 1 - i] = ']';
        }
        json_status_t expected = depth <= JSON_MAX_DEPTH ? JSON_READ_OK : JSON_READ_INVALID;
        assert_int_equal(read_at_edge((text_t){text, 2 * depth}, NULL), expected);
    }
    fault_t fault;
    memset(text, '[', sizeof(text));
    assert_int_equal(read_at_edge((text_t){text, sizeof(text)}, &fault), JSON_READ_INVALID);
    assert_non_null(strstr(fault.text, "nested too deeply"));
    for (size_t i = 0; i + 5 <= sizeof(text); i += 5)
        memcpy(text + i, "{\"a\":", 5);
    assert_int_equal(read_at_edge((text_t){text, 200000}, NULL), JSON_READ_INVALID);
}

/* Closed brackets do not count as depth. */
static void width_has_no_limit(void **state)
{
    (void)state;
    static char text[3 * 10000 + 1];
    for (size_t i = 0; i < 10000; i++)
        memcpy(text + 1 + 3 * i, "[],", 3);
    text[0] = '[';
    text[sizeof(text) - 1] = ']';
    json_path_t whole = {{0}};
    json_value_t value;
    assert_int_equal(json_read(reader, text, sizeof(text), &whole, 1, &value, NULL), JSON_READ_OK);
    assert_int_equal(value.count, 10000);
}

static void expect(const json_value_t *value, json_type_t type, const char *raw)
{
    assert_int_equal(value->type, type);
    assert_int_equal(value->raw_bytes, strlen(raw));
    if (*raw)
        assert_memory_equal(value->raw, raw, value->raw_bytes);
}

static void paths_give_views_of_the_text(void **state)
{
    (void)state;
    static const json_path_t paths[] = {
        {{"type"}},
        {{"data", "metadata", "cost"}},
        {{"data", "metadata"}},
        {{"data", "transcript"}},
        {{"data", "status"}},
        {{"data", "type", "below a scalar"}},
        {{"data", "transcript", "below an array"}},
        {{"missing"}},
        {{0}},
    };
    const char *text =
        " {\"type\" : \"a\\\"b\",\"cost\":1,\"metadata\":{\"cost\":2},\"data\":{\"type\":1,"
        "\"metadata\":{ \"cost\" : 70.0 , \"x\":{\"cost\":3}},\"transcript\":[1,{\"a\":[2,3]}, "
        "[]],\"status\":null}}\n";
    json_value_t values[9];
    assert_int_equal(json_read(reader, text, strlen(text), paths, 9, values, NULL), JSON_READ_OK);
    expect(&values[0], JSON_STRING, "a\\\"b");
    expect(&values[1], JSON_NUMBER, "70.0");
    expect(&values[2], JSON_OBJECT, "{ \"cost\" : 70.0 , \"x\":{\"cost\":3}}");
    assert_int_equal(values[2].count, 2);
    expect(&values[3], JSON_ARRAY, "[1,{\"a\":[2,3]}, []]");
    assert_int_equal(values[3].count, 3);
    expect(&values[4], JSON_NULL, "null");
    expect(&values[5], JSON_ABSENT, "");
    expect(&values[6], JSON_ABSENT, "");
    expect(&values[7], JSON_ABSENT, "");
    assert_int_equal(values[8].type, JSON_OBJECT);
    assert_int_equal(values[8].raw_bytes, strlen(text) - 2);
}

static void last_of_a_repeated_key_replaces_the_whole_value(void **state)
{
    (void)state;
    static const json_path_t paths[] = {
        {{"data", "id"}}, {{"data", "metadata", "cost"}}, {{"data"}}};
    static const struct {
        const char *text;
        json_type_t id, cost;
        const char *id_raw;
    } rows[] = {
        {"{\"data\":{\"id\":1,\"id\":\"x\"}}", JSON_STRING, JSON_ABSENT, "x"},
        {"{\"data\":{\"id\":1,\"metadata\":{\"cost\":2}},\"data\":{\"id\":3}}", JSON_NUMBER,
         JSON_ABSENT, "3"},
        {"{\"data\":{\"id\":1,\"metadata\":{\"cost\":2},\"metadata\":{}}}", JSON_NUMBER,
         JSON_ABSENT, "1"},
        {"{\"data\":{\"id\":1,\"metadata\":{\"cost\":2}},\"data\":null}", JSON_ABSENT, JSON_ABSENT,
         ""},
        {"{\"data\":{\"id\":1},\"\\u0064ata\":{\"\\u0069\\u0064\":4}}", JSON_NUMBER, JSON_ABSENT,
         "4"},
        {"{\"data\":{\"id\":1,\"metadata\":{\"cost\":2}},\"dat\":{\"id\":5},\"data\\u0000\":0,"
         "\"dataa\":0}",
         JSON_NUMBER, JSON_NUMBER, "1"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_value_t values[3];
        const char *text = rows[i].text;
        assert_int_equal(json_read(reader, text, strlen(text), paths, 3, values, NULL),
                         JSON_READ_OK);
        expect(&values[0], rows[i].id, rows[i].id_raw);
        assert_int_equal(values[1].type, rows[i].cost);
    }
}

static void refused_text_gives_no_values(void **state)
{
    (void)state;
    static const json_path_t path = {{"a"}};
    json_value_t value = {JSON_STRING, "old", 3, 0};
    fault_t fault;
    const char *text = "{\"a\":\"secret\",\"b\":\"secret\\q\"}";
    assert_int_equal(json_read(reader, text, strlen(text), &path, 1, &value, &fault),
                     JSON_READ_INVALID);
    assert_int_equal(value.type, JSON_ABSENT);
    assert_string_equal(fault.text, "not JSON: a bad escape at byte 25");
    assert_int_equal(json_read(reader, NULL, 0, &path, 1, &value, &fault), JSON_READ_INVALID);
}

/* One reader serves small and huge texts by turns, and the string that fills the huge one is not
 * copied. */
static void huge_text_is_read_like_a_small_one(void **state)
{
    (void)state;
    static const json_path_t paths[] = {{{"data", "full_audio"}}, {{"data", "id"}}};
    size_t audio = (size_t)24 << 20, bytes = 0;
    char *text = malloc(audio + 100);
    assert_non_null(text);
    bytes += (size_t)sprintf(text, "{\"data\":{\"full_audio\":\"");
    memset(text + bytes, 'A', audio);
    bytes += audio;
    bytes += (size_t)sprintf(text + bytes, "\",\"id\":\"c\"}}");
    size_t mapped = mallinfo2().hblkhd;
    for (int turn = 0; turn < 2; turn++) {
        json_value_t values[2];
        assert_int_equal(json_read(reader, text, bytes, paths, 2, values, NULL), JSON_READ_OK);
        assert_int_equal(values[0].raw_bytes, audio);
        expect(&values[1], JSON_STRING, "c");
        assert_true(mallinfo2().hblkhd <= mapped + 4 * JSON_READER_KEEPS_BYTES + 65536);
        assert_int_equal(json_read(reader, text, bytes - 1, paths, 2, values, NULL),
                         JSON_READ_INVALID);
        assert_int_equal(json_read(reader, "{}", 2, paths, 2, values, NULL), JSON_READ_OK);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whole_grammar_is_accepted, open_reader, close_reader),
        cmocka_unit_test_setup_teardown(everything_else_is_refused, open_reader, close_reader),
        cmocka_unit_test_setup_teardown(position_within_a_block_does_not_matter, open_reader,
                                        close_reader),
        cmocka_unit_test_setup_teardown(depth_has_a_limit, open_reader, close_reader),
        cmocka_unit_test_setup_teardown(width_has_no_limit, open_reader, close_reader),
        cmocka_unit_test_setup_teardown(paths_give_views_of_the_text, open_reader, close_reader),
        cmocka_unit_test_setup_teardown(last_of_a_repeated_key_replaces_the_whole_value,
                                        open_reader, close_reader),
        cmocka_unit_test_setup_teardown(refused_text_gives_no_values, open_reader, close_reader),
        cmocka_unit_test_setup_teardown(huge_text_is_read_like_a_small_one, open_reader,
                                        close_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
