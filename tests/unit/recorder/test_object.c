#include "recorder/object.h"

#include "common/base/base64.h"
#include "proto/routes.h"
#include "providers/elevenlabs/elevenlabs.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
    return 0;
}

static object_verdict_t read_object(object_t *object, const char *kind, const char *webhook,
                                    fault_t *fault)
{
    const message_event_t event = {.provider = WIRE_VIEW(PROVIDER_ELEVENLABS),
                                   .object_kind = wire_view(kind)};
    return object_read(object, reader, &event, wire_view(webhook), fault);
}

static void assert_bytes(const object_t *object, const char *expected)
{
    assert_int_equal(object->length, strlen(expected));
    assert_memory_equal(object->bytes, expected, object->length);
}

/* What comes of a webhook: the bytes to store, or else the reason why there are none. */
typedef struct {
    const char *webhook;
    object_verdict_t verdict;
    const char *expected;
} case_t;

static void check_cases(const char *kind, const case_t *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        object_t object;
        fault_t fault = {""};
        assert_int_equal(read_object(&object, kind, cases[i].webhook, &fault), cases[i].verdict);
        if (cases[i].verdict == OBJECT_TO_STORE)
            assert_bytes(&object, cases[i].expected);
        else
            assert_string_equal(object.reason, cases[i].expected);
        assert_int_equal(cases[i].verdict == OBJECT_NEVER, fault.text[0] != '\0');
        object_free(&object);
        assert_null(object.bytes);
    }
}

static void a_transcript_is_kept_byte_for_byte(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"{\"data\":{\"transcript\":[{\"m\":1}]}}", OBJECT_TO_STORE, "[{\"m\":1}]"},
        {"{\"data\" : { \"transcript\" : [ 1.50 ,\n\t\"\\u00e9\\/\" ]\r\n } } ", OBJECT_TO_STORE,
         "[ 1.50 ,\n\t\"\\u00e9\\/\" ]"},
        {"{\"data\":{\"transcript\":[null]}}", OBJECT_TO_STORE, "[null]"},
        {"{\"data\":{\"transcript\":[\"\\u0000\\ud800\"]}}", OBJECT_TO_STORE,
         "[\"\\u0000\\ud800\"]"},
        {"{\"data\":{\"transcript\":[1],\"transcript\":[2]}}", OBJECT_TO_STORE, "[2]"},
        {"{\"transcript\":[1],\"data\":{\"x\":{\"transcript\":[2]},\"transcript\":[3]}}",
         OBJECT_TO_STORE, "[3]"},
    };
    check_cases(OBJECT_TRANSCRIPT, cases, sizeof(cases) / sizeof(cases[0]));
}

static void without_a_transcript_there_is_nothing_to_store(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"{\"data\":{\"transcript\":[]}}", OBJECT_NOTHING, DONE_TRANSCRIPT_EMPTY},
        {"{\"data\":{\"transcript\":[ \n ]}}", OBJECT_NOTHING, DONE_TRANSCRIPT_EMPTY},
        {"{\"data\":{\"transcript\":null}}", OBJECT_NOTHING, DONE_TRANSCRIPT_EMPTY},
        {"{\"data\":{\"transcript\":\"[1]\"}}", OBJECT_NOTHING, DONE_TRANSCRIPT_EMPTY},
        {"{\"data\":{\"transcript\":{\"0\":1}}}", OBJECT_NOTHING, DONE_TRANSCRIPT_EMPTY},
        {"{\"data\":{\"transcript\":[1],\"transcript\":null}}", OBJECT_NOTHING,
         DONE_TRANSCRIPT_EMPTY},
        {"{\"data\":{}}", OBJECT_NOTHING, DONE_TRANSCRIPT_EMPTY},
        {"{\"data\":[[1]]}", OBJECT_NOTHING, DONE_TRANSCRIPT_EMPTY},
        {"[]", OBJECT_NOTHING, DONE_TRANSCRIPT_EMPTY},
    };
    check_cases(OBJECT_TRANSCRIPT, cases, sizeof(cases) / sizeof(cases[0]));
}

static void a_recording_is_what_its_base64_says(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"{\"data\":{\"full_audio\":\"SUQz\"}}", OBJECT_TO_STORE, "ID3"},
        {"{\"data\":{\"full_audio\":\"SUQzBA==\"}}", OBJECT_TO_STORE, "ID3\x04"},
        {"{\"data\":{\"full_audio\":\"+\\/\\u002f+\"}}", OBJECT_TO_STORE, "\xfb\xff\xfe"},
        {"{\"data\":{\"full_audio\":\"\\u0053\\u0055\\u0051\\u007a\"}}", OBJECT_TO_STORE, "ID3"},
        {"{\"data\":{\"full_audio\":\"Zm9vYm\\u0045\\u003d\"}}", OBJECT_TO_STORE, "fooba"},
        {"{\"data\":{\"full_audio\":\"!\",\"full_audio\":\"SUQz\"}}", OBJECT_TO_STORE, "ID3"},
    };
    check_cases(OBJECT_RECORDING, cases, sizeof(cases) / sizeof(cases[0]));
}

static void broken_audio_is_never_a_recording(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"{\"data\":{\"full_audio\":\"\"}}", OBJECT_NEVER, DEAD_BAD_AUDIO},
        {"{\"data\":{\"full_audio\":null}}", OBJECT_NEVER, DEAD_BAD_AUDIO},
        {"{\"data\":{\"full_audio\":[\"SUQz\"]}}", OBJECT_NEVER, DEAD_BAD_AUDIO},
        {"{\"data\":{\"full_audio\":17}}", OBJECT_NEVER, DEAD_BAD_AUDIO},
        {"{\"data\":{}}", OBJECT_NEVER, DEAD_BAD_AUDIO},
        {"{\"full_audio\":\"SUQz\"}", OBJECT_NEVER, DEAD_BAD_AUDIO},
        {"{\"data\":{\"full_audio\":\"SUQ\"}}", OBJECT_NEVER, DEAD_BAD_AUDIO},
        {"{\"data\":{\"full_audio\":\"SUQzBA=\"}}", OBJECT_NEVER, DEAD_BAD_AUDIO},
        {"{\"data\":{\"full_audio\":\"SU Qz\"}}", OBJECT_NEVER, DEAD_BAD_AUDIO},
        {"{\"data\":{\"full_audio\":\"SUQz\\n\"}}", OBJECT_NEVER, DEAD_BAD_AUDIO},
        {"{\"data\":{\"full_audio\":\"SUQz\\u0000\"}}", OBJECT_NEVER, DEAD_BAD_AUDIO},
        {"{\"data\":{\"full_audio\":\"SU-_\"}}", OBJECT_NEVER, DEAD_BAD_AUDIO},
        {"{\"data\":{\"full_audio\":\"\\ud800\"}}", OBJECT_NEVER, DEAD_BAD_AUDIO},
        {"{\"data\":{\"full_audio\":\"data:audio/mpeg;base64,SUQz\"}}", OBJECT_NEVER,
         DEAD_BAD_AUDIO},
        {"{\"data\":{\"full_audio\":\"SUQz\",\"full_audio\":null}}", OBJECT_NEVER, DEAD_BAD_AUDIO},
    };
    check_cases(OBJECT_RECORDING, cases, sizeof(cases) / sizeof(cases[0]));
}

static void what_cannot_be_read_at_all_is_dead(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"", OBJECT_NEVER, DEAD_UNPARSABLE},
        {"{\"data\":{\"transcript\":[1]}", OBJECT_NEVER, DEAD_UNPARSABLE},
        {"{\"data\":{\"transcript\":[1],\"full_audio\":\"SUQz\\q\"}}", OBJECT_NEVER,
         DEAD_UNPARSABLE},
        {"{\"data\":{\"transcript\":[1],\"full_audio\":\"SUQz\"}}tail", OBJECT_NEVER,
         DEAD_UNPARSABLE},
    };
    check_cases(OBJECT_TRANSCRIPT, cases, sizeof(cases) / sizeof(cases[0]));
    check_cases(OBJECT_RECORDING, cases, sizeof(cases) / sizeof(cases[0]));
    static const case_t known[] = {
        {"{\"data\":{\"transcript\":[1]}}", OBJECT_NEVER, DEAD_UNSUPPORTED_FORMAT},
    };
    check_cases("video", known, 1);
    check_cases("", known, 1);
}

static void a_fault_quotes_nothing_and_locates_the_break(void **state)
{
    (void)state;
    object_t object;
    fault_t fault;
    assert_int_equal(read_object(&object, OBJECT_RECORDING,
                                 "{\"data\":{\"full_audio\":\"SUQz\\u0021secret\"}}", &fault),
                     OBJECT_NEVER);
    assert_string_equal(fault.text, "its base64 breaks at character 4 of 11");
    object_free(&object);
    assert_int_equal(read_object(&object, OBJECT_RECORDING, "{}", NULL), OBJECT_NEVER);
    object_free(&object);
    object_free(NULL);
}

#define AUDIO_BYTES ((size_t)12 << 20)

/* A webhook with AUDIO_BYTES of audio whose base64 begins with `start`, which means "AAAA". */
static char *long_webhook(const char *start)
{
    static const char head[] = "{\"data\":{\"full_audio\":\"", tail[] = "\"}}";
    size_t text_bytes = BASE64_TEXT_BYTES(AUDIO_BYTES);
    char *webhook = malloc(sizeof(head) + strlen(start) + text_bytes + sizeof(tail));
    assert_non_null(webhook);
    char *at = stpcpy(stpcpy(webhook, head), start);
    memset(at, 'A', text_bytes - 4);
    strcpy(at + text_bytes - 4, tail);
    return webhook;
}

static void a_long_recording_takes_one_buffer_no_larger_than_its_text(void **state)
{
    (void)state;
    static const struct {
        const char *start;
        size_t buffer_bytes;
    } cases[] = {{"AAAA", AUDIO_BYTES + AUDIO_BYTES / 16},
                 {"\\u0041AAA", BASE64_TEXT_BYTES(AUDIO_BYTES) + AUDIO_BYTES / 16}};
    for (size_t i = 0; i < 2; i++) {
        char *webhook = long_webhook(cases[i].start);
        object_t object;
        assert_int_equal(read_object(&object, OBJECT_RECORDING, webhook, NULL), OBJECT_TO_STORE);
        assert_int_equal(object.length, AUDIO_BYTES);
        assert_ptr_equal(object.bytes, object.decoded);
        assert_int_equal(object.decoded[0] | object.decoded[AUDIO_BYTES - 1], 0);
        assert_true(malloc_usable_size(object.decoded) <= cases[i].buffer_bytes);
        object_free(&object);
        free(webhook);
    }
}

static void content_types_are_those_of_the_bytes(void **state)
{
    (void)state;
    static const char webhook[] = "{\"data\":{\"transcript\":[1],\"full_audio\":\"SUQz\"}}";
    object_t object;
    assert_int_equal(read_object(&object, OBJECT_RECORDING, webhook, NULL), OBJECT_TO_STORE);
    assert_string_equal(object.content_type, "audio/mpeg");
    object_free(&object);
    assert_int_equal(read_object(&object, OBJECT_TRANSCRIPT, webhook, NULL), OBJECT_TO_STORE);
    assert_string_equal(object.content_type, "application/json");
    assert_null(object.decoded);
    object_free(&object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transcript_is_kept_byte_for_byte),
        cmocka_unit_test(without_a_transcript_there_is_nothing_to_store),
        cmocka_unit_test(a_recording_is_what_its_base64_says),
        cmocka_unit_test(broken_audio_is_never_a_recording),
        cmocka_unit_test(what_cannot_be_read_at_all_is_dead),
        cmocka_unit_test(a_fault_quotes_nothing_and_locates_the_break),
        cmocka_unit_test(a_long_recording_takes_one_buffer_no_larger_than_its_text),
        cmocka_unit_test(content_types_are_those_of_the_bytes),
    };
    return cmocka_run_group_tests(tests, open_reader, close_reader);
}
