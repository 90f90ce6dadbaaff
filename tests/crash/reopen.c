/* crash.reopen: starts a journal in each data directory whose path is read from standard input, and
 * says in one line of JSON what it finds there.
 *
 * For tests that make thousands of damaged or half-written directories (tests/crash).  What it says
 * is for them to judge; it ends early only by a signal, when an assertion of the journal fails.
 *
 * Usage: crash.reopen SINK... */
#include "common/base/digest.h"
#include "common/journal/dead_letters.h"
#include "common/journal/journal.h"
#include "common/journal/journal_record.h"
#include "proto/routes.h"
#include "providers/providers.h"

#include <limits.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A_CENTURY_MS ((int64_t)100 * 365 * 86400 * 1000)
#define HEX_BYTES    (2 * DIGEST_BYTES + 1)

static const char *hex(wire_view_t bytes, char text[HEX_BYTES])
{
    text[0] = '\0';
    if (bytes.length <= DIGEST_BYTES)
        digest_hex((const uint8_t *)bytes.bytes, bytes.length, text);
    return text;
}

static const char *digest_of(const char *bytes, uint64_t length, char text[HEX_BYTES])
{
    uint8_t digest[DIGEST_BYTES];
    text[0] = '\0';
    if (!bytes)
        return text;
    digest_sha256(bytes, length, digest);
    digest_hex(digest, DIGEST_BYTES, text);
    return text;
}

typedef struct {
    journal_append_t append;
    journal_answer_t answer;
    sem_t answered;
} waiting_t;

static void complete(journal_append_t *append, journal_answer_t answer)
{
    waiting_t *waiting = (waiting_t *)append;
    waiting->answer = answer;
    sem_post(&waiting->answered);
}

/* Stores an event that is there once more, as when its sender tries again. */
static journal_answer_t repeat(journal_t *journal, const journal_event_t *event, const char *body)
{
    waiting_t waiting = {
        .append = {.event = &event->event, .body = body, .complete = complete},
    };
    waiting.append.body_bytes = body ? event->body_bytes : 0;
    memcpy(waiting.append.dedupe, event->event.dedupe.bytes, JOURNAL_DEDUPE_BYTES);
    sem_init(&waiting.answered, 0, 0);
    journal_submit(journal, &waiting.append);
    while (sem_wait(&waiting.answered) != 0)
        ;
    sem_destroy(&waiting.answered);
    return waiting.answer;
}

static void print_event(journal_t *journal, const journal_event_t *event)
{
    disk_resolution_t resolution = {0};
    char id[HEX_BYTES], digest[HEX_BYTES], body_digest[HEX_BYTES];
    char *body = journal_body_read(journal, event, 0, NULL);
    bool resolved = journal_event_resolution(journal, event, &resolution, NULL) == 1;
    printf("{\"sequence\":%llu,\"segment\":%llu,\"id\":\"%s\",\"digest\":\"%s\",\"body\":\"%s\","
           "\"spilled\":%d,\"settled\":%u,\"business\":\"%.*s\"",
           (unsigned long long)event->sequence, (unsigned long long)event->position.segment,
           hex(event->event.event_id, id), hex(event->event.digest, digest),
           digest_of(body, event->body_bytes, body_digest), event->body == NULL, event->settled,
           resolved ? (int)resolution.business_id.length : 0,
           resolved ? resolution.business_id.bytes : "");
    journal_answer_t answer = repeat(journal, event, event->body ? body : NULL);
    printf(",\"duplicate\":%d}", answer == JOURNAL_DUPLICATE);
    free(body);
}

static void print_events(journal_t *journal)
{
    journal_event_t event;
    fault_t fault = {{0}};
    const char *comma = "";
    int status;
    journal_cursor_t *cursor = journal_cursor_new(journal);
    journal_cursor_seek(cursor, (journal_position_t){0, 0});
    printf(",\"events\":[");
    while ((status = journal_read(cursor, &event, &fault)) == 1) {
        printf("%s", comma);
        print_event(journal, &event);
        comma = ",";
    }
    printf("],\"readable\":%d", status == 0);
    journal_cursor_destroy(&cursor);
}

typedef struct {
    const char *slot;
    const char *comma;
} letters_t;

/* The digest of a body that stands beside the letter. */
static void digest_of_file(const char *slot, const char *name, char text[HEX_BYTES])
{
    char path[PATH_MAX];
    char *bytes = NULL;
    size_t length = 0;
    snprintf(path, sizeof(path), "%s/" DEAD_LETTERS_DIRECTORY "/%s", slot, name);
    FILE *file = fopen(path, "rb");
    FILE *memory = file ? open_memstream(&bytes, &length) : NULL;
    for (int byte; memory && (byte = fgetc(file)) != EOF;)
        (void)fputc(byte, memory);
    if (file)
        (void)fclose(file);
    if (memory)
        (void)fclose(memory);
    digest_of(bytes, length, text);
    free(bytes);
}

static int print_letter(void *context, const char *name, const dead_letter_t *letter)
{
    letters_t *self = context;
    journal_record_t record;
    char id[HEX_BYTES], body[HEX_BYTES] = "";
    (void)name;
    if (letter->body_file)
        digest_of_file(self->slot, letter->body_file, body);
    else if (journal_record_check(letter->event_record, letter->event_record_bytes, &record) == 0)
        digest_of(record.body, record.body_bytes, body);
    printf("%s{\"id\":\"%s\",\"sink\":\"%.*s\",\"reason\":\"%.*s\",\"body\":\"%s\"}", self->comma,
           hex(letter->letter.event_id, id), WIRE_ARGUMENTS(letter->letter.sink),
           WIRE_ARGUMENTS(letter->letter.reason), body);
    self->comma = ",";
    return 0;
}

static void print_letters(journal_t *journal)
{
    uint64_t damaged = 0;
    letters_t letters = {journal_slot_directory(journal), ""};
    printf(",\"letters\":[");
    int status = dead_letters_each(letters.slot, print_letter, &letters, &damaged, NULL);
    printf("],\"damaged_letters\":%llu,\"letters_readable\":%d", (unsigned long long)damaged,
           status == 0);
}

static void reopen(const char *directory, const char *const *sinks)
{
    const journal_options_t options = {
        .directory = directory,
        .segment_bytes = 1u << 20,
        .max_bytes = 1u << 30,
        .retention_ms = A_CENTURY_MS,
        .dedupe_entries_max = 1000000,
        .dedupe_ms = A_CENTURY_MS,
        .sinks = sinks,
        .route = provider_sink_bits,
    };
    journal_found_t found;
    fault_t fault = {{0}};
    journal_t *journal = journal_open(&options, &found, &fault);
    if (!journal) {
        printf("{\"failed\":\"%s\"}\n", strpbrk(fault.text, "\"\\") ? "(quoted)" : fault.text);
        return;
    }
    printf("{\"slot\":%u,\"damaged_records\":%llu,\"damaged_files\":%llu,\"hints_rebuilt\":%llu,"
           "\"torn_tail_bytes\":%llu",
           found.slot, (unsigned long long)found.damaged_records,
           (unsigned long long)found.damaged_files, (unsigned long long)found.hints_rebuilt,
           (unsigned long long)found.torn_tail_bytes);
    print_events(journal);
    print_letters(journal);
    printf("}\n");
    journal_close(&journal);
}

int main(int argc, char **argv)
{
    char line[PATH_MAX];
    if (argc < 2) {
        fprintf(stderr, "usage: crash.reopen SINK...\n");
        return 64;
    }
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        reopen(line, (const char *const *)argv + 1);
        fflush(stdout);
    }
    return 0;
}
