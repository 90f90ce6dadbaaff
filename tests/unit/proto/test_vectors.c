/* Golden messages: proto/vectors/NAME.bin is what a message looks like on the wire, NAME.txt what
 * it says.  Every later version must read them, and write them the same.  A new message is added to
 * the list and written once, by `unit.proto.vectors --write`; a file that is there is never
 * rewritten. */
#include "proto/disk.h"
#include "proto/messages.h"
#include "proto/routes.h"
#include "providers/elevenlabs/elevenlabs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VECTOR_BYTES_MAX 8192

#define INCARNATION WIRE_VIEW("\x01\x23\x45\x67\x89\xab\xcd\xef")
#define EVENT_ID    WIRE_VIEW("\x37\x04\x84\xce\x5c\x38\x52\xa4\x84\x52\x14\xf8\xca\x75\x6a\x23")
#define DIGEST      WIRE_VIEW("0123456789abcdef0123456789abcdef")

#define RESOLUTION                                                                                 \
    .business_id = WIRE_VIEW("B0100001"), .location_id = WIRE_VIEW("L0100001"),                    \
    .record_calls = true, .transcript_key = WIRE_VIEW("transcripts/B0100001/conv_1.json"),         \
    .recording_key = WIRE_VIEW("recordings/B0100001/L0100001/conv_1.mp3")

static const uint64_t versions[] = {1};
static const uint64_t held[] = {1, 127, 128, 70000, 9007199254740991};
static const message_capacity_t capacity[] = {{WIRE_VIEW(SINK_LOGGER), 1000, 67108864},
                                              {WIRE_VIEW(SINK_RECORDER), 0, 0}};
static const message_sink_lease_t leases[] = {{WIRE_VIEW(SINK_LOGGER), 41},
                                              {WIRE_VIEW(SINK_RECORDER), 42}};
static const message_resolution_t resolution = {
    .incarnation = INCARNATION, .sequence = 7, .event_id = EVENT_ID, RESOLUTION};
static const message_tenant_t former[] = {
    {WIRE_VIEW("B0100000"), WIRE_VIEW("L0100001"), WIRE_VIEW("transcripts/B0100000/conv_1.json"),
     WIRE_VIEW("recordings/B0100000/L0100001/conv_1.mp3")},
    {.business_id = WIRE_VIEW("B0100002"), .location_id = WIRE_VIEW("L0100002")},
};
static const message_resolution_t reassigned = {.incarnation = INCARNATION,
                                                .sequence = 7,
                                                .event_id = EVENT_ID,
                                                RESOLUTION,
                                                .former = {former, 2}};
static const message_outcome_t outcomes[] = {
    {.incarnation = INCARNATION,
     .sequence = 7,
     .event_id = EVENT_ID,
     .sink = WIRE_VIEW(SINK_LOGGER),
     .number = 41,
     .outcome = WIRE_VIEW(OUTCOME_DONE)},
    {.incarnation = INCARNATION,
     .sequence = 7,
     .event_id = EVENT_ID,
     .sink = WIRE_VIEW(SINK_RECORDER),
     .number = 42,
     .outcome = WIRE_VIEW(OUTCOME_RETRY),
     .reason = WIRE_VIEW("s3"),
     .detail = WIRE_VIEW("SlowDown: bucla \xc8\x99i at\xc3\xa2t"),
     .scope = WIRE_VIEW(SCOPE_SINK),
     .delay_ms = 1500},
};
static const disk_resolution_t recorded = {.sequence = 7,
                                           .event_id = EVENT_ID,
                                           .provider = WIRE_VIEW(PROVIDER_ELEVENLABS),
                                           .conversation_id = WIRE_VIEW("conv_1"),
                                           RESOLUTION,
                                           .at_us = 1795171397584850};

static const disk_resolution_t recorded_reassigned = {.sequence = 7,
                                                      .event_id = EVENT_ID,
                                                      .provider = WIRE_VIEW(PROVIDER_ELEVENLABS),
                                                      .conversation_id = WIRE_VIEW("conv_1"),
                                                      RESOLUTION,
                                                      .former = {former, 2},
                                                      .at_us = 1795171397584850};

static const message_hello_t hello = {
    .versions = {versions, 1},
    .stage = WIRE_VIEW(STAGE_TENANT_RESOLVER),
    .instance = INCARNATION,
    .capacity = {capacity, 2},
};
static const message_hello_t hello_minimal = {
    .versions = {versions, 1}, .stage = WIRE_VIEW(SINK_LOGGER), .instance = INCARNATION};
static const message_refuse_t refuse = {WIRE_VIEW("no common protocol version"), {versions, 1}};
static const message_refuse_t refuse_minimal = {.reason = WIRE_VIEW("too many workers")};
static const message_event_t event_minimal = {
    .incarnation = INCARNATION,
    .sequence = 7,
    .event_id = EVENT_ID,
    .sinks = {leases, 1},
    .provider = WIRE_VIEW(PROVIDER_ELEVENLABS),
    .event_type = WIRE_VIEW("post_call_transcription"),
    .conversation_id = WIRE_VIEW("conv_1"),
    .received_us = 1795171397584850,
    .digest = DIGEST,
};
static const message_event_t event_full = {
    .incarnation = INCARNATION,
    .sequence = 7,
    .event_id = EVENT_ID,
    .sinks = {leases, 2},
    .alone = true,
    .provider = WIRE_VIEW(PROVIDER_ELEVENLABS),
    .event_type = WIRE_VIEW("post_call_transcription"),
    .conversation_id = WIRE_VIEW("conv_1"),
    .tenant_key_kind = WIRE_VIEW("agent_id"),
    .tenant_key = WIRE_VIEW("agent_xyz123"),
    .event_time = WIRE_VIEW("1739537297"),
    .received_us = 1795171397584850,
    .digest = DIGEST,
    .resolved = true,
    RESOLUTION,
    .version = WIRE_VIEW("1739537297000000-1795171397584850-30313233"),
    .record = WIRE_VIEW("{\"resourceType\":\"agent-logs\"}"),
    .object_kind = WIRE_VIEW(OBJECT_TRANSCRIPT),
    .object_key = WIRE_VIEW("transcripts/B0100001/conv_1.json"),
};
static const message_event_t event_reassign = {
    .incarnation = INCARNATION,
    .sequence = 7,
    .event_id = EVENT_ID,
    .sinks = {leases, 2},
    .alone = true,
    .reassign = true,
    .provider = WIRE_VIEW(PROVIDER_ELEVENLABS),
    .event_type = WIRE_VIEW("post_call_transcription"),
    .conversation_id = WIRE_VIEW("conv_1"),
    .tenant_key_kind = WIRE_VIEW("agent_id"),
    .tenant_key = WIRE_VIEW("agent_xyz123"),
    .event_time = WIRE_VIEW("1739537297"),
    .received_us = 1795171397584850,
    .digest = DIGEST,
    .resolved = true,
    RESOLUTION,
    .former = {former, 2},
    .version = WIRE_VIEW("1739537297000000-1795171397584850-30313233"),
    .record = WIRE_VIEW("{\"resourceType\":\"agent-logs\"}"),
    .object_kind = WIRE_VIEW(OBJECT_TRANSCRIPT),
    .object_key = WIRE_VIEW("transcripts/B0100001/conv_1.json"),
};
static const message_event_t delete_object = {
    .deletes = true,
    .incarnation = INCARNATION,
    .sequence = 7,
    .event_id = EVENT_ID,
    .sinks = {leases + 1, 1},
    .provider = WIRE_VIEW(PROVIDER_ELEVENLABS),
    .event_type = WIRE_VIEW("post_call_transcription"),
    .conversation_id = WIRE_VIEW("conv_1"),
    .received_us = 1795171397584850,
    .digest = DIGEST,
    .resolved = true,
    .business_id = WIRE_VIEW("B0100000"),
    .location_id = WIRE_VIEW("L0100001"),
    .version = WIRE_VIEW("1739537297000000-1795171397584850-30313233"),
    .object_kind = WIRE_VIEW(OBJECT_TRANSCRIPT),
    .object_key = WIRE_VIEW("transcripts/B0100000/conv_1.json"),
};
static const message_resolutions_t resolutions = {{&resolution, 1}};
static const message_resolutions_t reassignments = {{&reassigned, 1}};
static const message_outcomes_t two_outcomes = {{outcomes, 2}};
static const message_outcomes_t one_outcome = {{outcomes, 1}};
static const message_ping_t ping_of_worker = {.number = 3};
static const message_ping_t ping_of_source = {.number = 3, .incarnation = INCARNATION};
static const message_pong_t pong = {.number = 3, .held = {held, 5}};
static const message_pong_t pong_minimal = {.number = 0};
static const message_who_t who = {INCARNATION};
static const message_empty_t bye = {0};
static const disk_event_t disk_event_full = {
    .event_id = EVENT_ID,
    .provider = WIRE_VIEW(PROVIDER_ELEVENLABS),
    .event_type = WIRE_VIEW("post_call_audio"),
    .conversation_id = WIRE_VIEW("conv_1"),
    .tenant_key_kind = WIRE_VIEW("agent_id"),
    .tenant_key = WIRE_VIEW("agent_xyz123"),
    .event_time = WIRE_VIEW("1739537297"),
    .received_us = 1795171397584850,
    .digest = DIGEST,
    .method = WIRE_VIEW("POST"),
    .target = WIRE_VIEW("/api/elevenlabs/webhook"),
    .content_type = WIRE_VIEW("application/json"),
    .signature = WIRE_VIEW("t=1739537297,v0=00"),
    .dead_reason = WIRE_VIEW(DEAD_STALE_SIGNATURE),
    .body_file = WIRE_VIEW("0123456789abcdef.body"),
    .body_bytes = 20000000,
    .dedupe = WIRE_VIEW("fedcba9876543210"),
};
/* Every field at once, as no program writes it. */
static const disk_event_t disk_event_every = {
    .event_id = EVENT_ID,
    .provider = WIRE_VIEW(PROVIDER_ELEVENLABS),
    .event_type = WIRE_VIEW("post_call_audio"),
    .conversation_id = WIRE_VIEW("conv_1"),
    .tenant_key_kind = WIRE_VIEW("agent_id"),
    .tenant_key = WIRE_VIEW("agent_xyz123"),
    .event_time = WIRE_VIEW("1739537297"),
    .received_us = 1795171397584850,
    .digest = DIGEST,
    .method = WIRE_VIEW("POST"),
    .target = WIRE_VIEW("/api/elevenlabs/webhook"),
    .content_type = WIRE_VIEW("application/json"),
    .signature = WIRE_VIEW("t=1739537297,v0=00"),
    .dead_reason = WIRE_VIEW(DEAD_STALE_SIGNATURE),
    .body_file = WIRE_VIEW("0123456789abcdef.body"),
    .body_bytes = 20000000,
    .dedupe = WIRE_VIEW("fedcba9876543210"),
    .erased = true,
};
static const disk_settlement_t settlement = {
    .sequence = 7,
    .sink = WIRE_VIEW(SINK_RECORDER),
    .outcome = WIRE_VIEW(OUTCOME_DEAD),
    .reason = WIRE_VIEW(DEAD_BAD_AUDIO),
    .detail = WIRE_VIEW("base64 breaks at byte 17"),
    .tries = 2,
    .at_us = 1795171397584850,
};
static const disk_event_t disk_event_minimal = {
    .event_id = EVENT_ID,
    .provider = WIRE_VIEW(PROVIDER_ELEVENLABS),
    .received_us = 1795171397584850,
    .digest = DIGEST,
    .body_bytes = 0,
};
static const disk_settlement_t settlement_minimal = {
    .sequence = 7, .outcome = WIRE_VIEW(OUTCOME_DONE), .at_us = 1795171397584850};
static const disk_event_t disk_event_erased = {
    .event_id = EVENT_ID,
    .provider = WIRE_VIEW(PROVIDER_ELEVENLABS),
    .received_us = 1795171397584850,
    .digest = WIRE_VIEW("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    .body_bytes = 20000000,
    .dedupe = WIRE_VIEW("fedcba9876543210"),
    .erased = true,
};
static const disk_erasure_t erasure = {
    .file = WIRE_VIEW("0000000001.journal"),
    .file_id = INCARNATION,
    .offset = 64,
    .provider = WIRE_VIEW(PROVIDER_ELEVENLABS),
    .conversation_id = WIRE_VIEW("conv_1"),
};
static const disk_erasure_t erasure_minimal = {.file = WIRE_VIEW("0123456789abcdef.body")};
static const disk_letter_t letter_minimal = {.event_id = EVENT_ID,
                                             .sequence = 7,
                                             .reason = WIRE_VIEW(DEAD_UNIDENTIFIED),
                                             .at_us = 1795171397584850};
static const disk_letter_t letter = {
    .event_id = EVENT_ID,
    .sequence = 7,
    .sink = WIRE_VIEW(SINK_RECORDER),
    .reason = WIRE_VIEW(DEAD_BAD_AUDIO),
    .detail = WIRE_VIEW("base64 breaks at byte 17"),
    .tries = 2,
    .at_us = 1795171397584850,
    .resolution = {&recorded, 1},
};

typedef struct {
    const char *name;
    const char *type; /* NULL: a header on disk */
    const wire_table_t *table;
    const void *message;
} vector_t;

static const vector_t vectors[] = {
    {"hello", MESSAGE_HELLO, &message_hello, &hello},
    {"hello-minimal", MESSAGE_HELLO, &message_hello, &hello_minimal},
    {"refuse", MESSAGE_REFUSE, &message_refuse, &refuse},
    {"refuse-minimal", MESSAGE_REFUSE, &message_refuse, &refuse_minimal},
    {"event", MESSAGE_EVENT, &message_event, &event_full},
    {"event-minimal", MESSAGE_EVENT, &message_event, &event_minimal},
    {"event-reassign", MESSAGE_EVENT, &message_event, &event_reassign},
    {"delete", MESSAGE_DELETE, &message_event, &delete_object},
    {"resolved", MESSAGE_RESOLVED, &message_resolutions, &resolutions},
    {"go", MESSAGE_GO, &message_resolutions, &resolutions},
    {"go-reassigned", MESSAGE_GO, &message_resolutions, &reassignments},
    {"outcome", MESSAGE_OUTCOME, &message_outcomes, &two_outcomes},
    {"outcome-minimal", MESSAGE_OUTCOME, &message_outcomes, &one_outcome},
    {"ping-of-worker", MESSAGE_PING, &message_ping, &ping_of_worker},
    {"ping-of-source", MESSAGE_PING, &message_ping, &ping_of_source},
    {"pong", MESSAGE_PONG, &message_pong, &pong},
    {"pong-minimal", MESSAGE_PONG, &message_pong, &pong_minimal},
    {"who", MESSAGE_WHO, &message_who, &who},
    {"bye", MESSAGE_BYE, &message_empty, &bye},
    {"disk-event", NULL, &disk_event, &disk_event_full},
    {"disk-event-minimal", NULL, &disk_event, &disk_event_minimal},
    {"disk-resolution", NULL, &disk_resolution, &recorded},
    {"disk-resolution-reassigned", NULL, &disk_resolution, &recorded_reassigned},
    {"disk-settlement", NULL, &disk_settlement, &settlement},
    {"disk-settlement-minimal", NULL, &disk_settlement, &settlement_minimal},
    {"disk-event-every", NULL, &disk_event, &disk_event_every},
    {"disk-event-erased", NULL, &disk_event, &disk_event_erased},
    {"disk-erasure", NULL, &disk_erasure, &erasure},
    {"disk-erasure-minimal", NULL, &disk_erasure, &erasure_minimal},
    {"disk-letter", NULL, &disk_letter, &letter},
    {"disk-letter-minimal", NULL, &disk_letter, &letter_minimal},
};
#define VECTORS (sizeof(vectors) / sizeof(vectors[0]))

static FILE *open_vector(const vector_t *vector, const char *ending, const char *mode)
{
    char path[512];
    snprintf(path, sizeof(path), SOURCE_DIR "/proto/vectors/%s.%s", vector->name, ending);
    return fopen(path, mode);
}

static size_t read_vector(const vector_t *vector, const char *ending, char *bytes)
{
    FILE *file = open_vector(vector, ending, "r");
    if (!file)
        fail_msg("no vector %s.%s", vector->name, ending);
    size_t length = fread(bytes, 1, VECTOR_BYTES_MAX - 1, file);
    fclose(file);
    bytes[length] = '\0';
    return length;
}

/* What a message says, as the text twin has it (malloc). */
static char *text_of(const vector_t *vector, const void *message)
{
    char *text = NULL;
    size_t length;
    FILE *stream = open_memstream(&text, &length);
    assert_non_null(stream);
    wire_print(stream, vector->table, message);
    fputc('\n', stream);
    fclose(stream);
    return text;
}

static void golden_messages_are_written_the_same(void **state)
{
    (void)state;
    char expected[VECTOR_BYTES_MAX];
    for (size_t i = 0; i < VECTORS; i++) {
        wire_output_t output = {0};
        size_t length = read_vector(&vectors[i], "bin", expected);
        assert_int_equal(
            wire_encode(&output, vectors[i].type, vectors[i].table, vectors[i].message), 0);
        if (output.length != length || memcmp(output.bytes, expected, length) != 0)
            fail_msg("%s is written differently", vectors[i].name);
        wire_output_free(&output);
    }
}

static void golden_messages_are_read(void **state)
{
    (void)state;
    char bytes[VECTOR_BYTES_MAX], expected[VECTOR_BYTES_MAX];
    union {
        message_event_t event; /* the largest of them */
        disk_event_t disk;
    } message;
    wire_memory_t memory = {0};
    for (size_t i = 0; i < VECTORS; i++) {
        size_t length = read_vector(&vectors[i], "bin", bytes);
        assert_true(vectors[i].table->struct_bytes <= sizeof(message));
        if (wire_decode(bytes, length, vectors[i].table, &message, &memory, NULL) != WIRE_OK)
            fail_msg("%s cannot be read", vectors[i].name);
        read_vector(&vectors[i], "txt", expected);
        char *text = text_of(&vectors[i], &message);
        assert_string_equal(text, expected);
        free(text);
    }
    wire_memory_free(&memory);
}

static bool says_something(const wire_field_t *field, const void *message)
{
    const void *at = (const char *)message + field->offset;
    switch (field->kind) {
    case WIRE_TEXT:
    case WIRE_BYTES:
        return ((const wire_view_t *)at)->length > 0;
    case WIRE_UINT:
        return *(const uint64_t *)at != 0;
    case WIRE_BOOL:
        return *(const bool *)at;
    case WIRE_NUMBERS:
        return ((const wire_numbers_t *)at)->count > 0;
    default:
        return ((const wire_list_t *)at)->count > 0;
    }
}

/* A field that is added later has to show in a golden message, and one that becomes required would
 * leave the messages of before unreadable. */
static void every_table_has_all_of_its_fields_and_none_too_many(void **state)
{
    (void)state;
    static const wire_table_t *const tables[] = {
        &message_hello,   &message_refuse,  &message_event, &message_resolutions, &message_outcomes,
        &message_ping,    &message_pong,    &message_who,   &message_empty,       &disk_event,
        &disk_resolution, &disk_settlement, &disk_letter,   &disk_erasure,
    };
    for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        size_t full = 0, minimal = 0;
        for (size_t i = 0; i < VECTORS; i++) {
            if (vectors[i].table != tables[t])
                continue;
            size_t said = 0, optional = 0;
            for (size_t f = 0; f < tables[t]->count; f++) {
                const wire_field_t *field = &tables[t]->fields[f];
                bool says = says_something(field, vectors[i].message);
                said += says;
                optional += says && !field->required;
            }
            full += said == tables[t]->count;
            minimal += optional == 0;
        }
        if (full == 0 || minimal == 0)
            fail_msg("%s: %zu full, %zu minimal", tables[t]->name, full, minimal);
    }
}

static int write_vectors(void)
{
    for (size_t i = 0; i < VECTORS; i++) {
        FILE *binary = open_vector(&vectors[i], "bin", "wx");
        FILE *twin = open_vector(&vectors[i], "txt", "wx");
        wire_output_t output = {0};
        if (binary && twin &&
            wire_encode(&output, vectors[i].type, vectors[i].table, vectors[i].message) == 0) {
            char *text = text_of(&vectors[i], vectors[i].message);
            fwrite(output.bytes, 1, output.length, binary);
            fputs(text, twin);
            free(text);
            printf("wrote %s\n", vectors[i].name);
        }
        wire_output_free(&output);
        if (binary)
            fclose(binary);
        if (twin)
            fclose(twin);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--write") == 0)
        return write_vectors();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_messages_are_written_the_same),
        cmocka_unit_test(golden_messages_are_read),
        cmocka_unit_test(every_table_has_all_of_its_fields_and_none_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
