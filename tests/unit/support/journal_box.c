#include "tests/unit/support/journal_box.h"

#include "common/base/clock.h"
#include "tests/unit/support/scratch.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const sinks[] = {"logger", "recorder", "resources-sink", NULL};

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "journal_box: %s\n", what);
    abort();
}

/* As ElevenLabs' events are routed: its audio goes to the second sink, its failures not. */
static uint32_t journal_box_route(wire_view_t provider, wire_view_t event_type,
                                  const char *const *names)
{
    uint32_t all = 0;
    if (!wire_equals(provider, "elevenlabs"))
        return 0;
    for (size_t i = 0; names[i]; i++)
        all |= 1u << i;
    if (wire_equals(event_type, "post_call_audio"))
        return all & 2u;
    if (wire_equals(event_type, "call_initiation_failure"))
        return all & ~2u;
    return wire_equals(event_type, "post_call_transcription") ? all : 0;
}

void journal_box_make(journal_box_t *self)
{
    *self = (journal_box_t){0};
    scratch_new(self->directory);
    self->options = (journal_options_t){
        .directory = self->directory,
        .segment_bytes = 1u << 20,
        .max_bytes = 1u << 30,
        .retention_ms = 86400000,
        .dedupe_entries_max = 1000000,
        .dedupe_ms = 86400000,
        .sinks = sinks,
        .route = journal_box_route,
    };
}

void journal_box_open(journal_box_t *self)
{
    fault_t fault = {{0}};
    self->options.directory = self->directory;
    self->journal = journal_open(&self->options, &self->found, &fault);
    must(self->journal != NULL, fault.text);
}

void journal_box_close(journal_box_t *self)
{
    journal_close(&self->journal);
}

void journal_box_remove(journal_box_t *self)
{
    journal_box_close(self);
    scratch_remove(self->directory);
}

const char *journal_box_path(const journal_box_t *self, const char *below)
{
    static char path[2 * PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", self->directory, below);
    return path;
}

void journal_box_event(journal_box_event_t *event, uint64_t number, size_t body_bytes)
{
    memset(event->event_id, 0, sizeof(event->event_id));
    memcpy(event->event_id, &number, sizeof(number));
    memset(event->digest, (int)(number & 0xff), sizeof(event->digest));
    memset(event->dedupe, 0, sizeof(event->dedupe));
    memcpy(event->dedupe + 4, &number, sizeof(number));
    snprintf(event->conversation_id, sizeof(event->conversation_id), "conv-%" PRIu64, number);
    int head = snprintf(event->body, sizeof(event->body), "{\"number\":%" PRIu64 "}", number);
    event->body_bytes = (size_t)head;
    while (event->body_bytes < body_bytes && event->body_bytes < sizeof(event->body))
        event->body[event->body_bytes++] = ' ';
    event->event = (disk_event_t){
        .event_id = {(char *)event->event_id, sizeof(event->event_id)},
        .provider = WIRE_VIEW("elevenlabs"),
        .event_type = WIRE_VIEW("post_call_transcription"),
        .conversation_id = wire_view(event->conversation_id),
        .received_us = (uint64_t)clock_unix_us(),
        .digest = {(char *)event->digest, sizeof(event->digest)},
        .body_bytes = event->body_bytes,
    };
}

uint64_t journal_box_number(const disk_event_t *event)
{
    uint64_t number;
    char conversation_id[32];
    must(event->event_id.length == 16 && event->digest.length == 32, "not an event of ours");
    memcpy(&number, event->event_id.bytes, sizeof(number));
    snprintf(conversation_id, sizeof(conversation_id), "conv-%" PRIu64, number);
    must(wire_equals(event->conversation_id, conversation_id), "a conversation was mixed up");
    /* Of a body in a file of its own some tests need the real one. */
    must(event->body_file.length > 0 || (uint8_t)event->digest.bytes[31] == (number & 0xff),
         "a digest was mixed up");
    return number;
}

/* An append that somebody waits for. */
typedef struct {
    journal_append_t append;
    journal_answer_t answer;
    pthread_mutex_t *lock;
    pthread_cond_t *ended;
    size_t *open;
} waiting_t;

static void complete(journal_append_t *append, journal_answer_t answer)
{
    waiting_t *waiting = (waiting_t *)append;
    pthread_mutex_lock(waiting->lock);
    waiting->answer = answer;
    --*waiting->open;
    pthread_cond_signal(waiting->ended);
    pthread_mutex_unlock(waiting->lock);
}

/* Submits all and waits for all. */
static void append_and_wait(journal_box_t *self, waiting_t *waiting,
                            const journal_box_event_t *events, size_t count)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
    size_t open = count;
    for (size_t i = 0; i < count; i++) {
        waiting[i] = (waiting_t){.lock = &lock, .ended = &ended, .open = &open};
        waiting[i].append = (journal_append_t){.event = &events[i].event,
                                               .body = events[i].body,
                                               .body_bytes = events[i].body_bytes,
                                               .complete = complete};
        if (events[i].event.body_file.length > 0)
            waiting[i].append.body = NULL;
        memcpy(waiting[i].append.dedupe, events[i].dedupe, JOURNAL_DEDUPE_BYTES);
        journal_submit(self->journal, &waiting[i].append);
    }
    pthread_mutex_lock(&lock);
    while (open > 0)
        pthread_cond_wait(&ended, &lock);
    pthread_mutex_unlock(&lock);
}

journal_answer_t journal_box_append_event(journal_box_t *self, const journal_box_event_t *event)
{
    waiting_t waiting;
    append_and_wait(self, &waiting, event, 1);
    return waiting.answer;
}

journal_answer_t journal_box_append(journal_box_t *self, uint64_t number, size_t body_bytes)
{
    journal_box_event_t *event = malloc(sizeof(*event));
    must(event != NULL, "no memory");
    journal_box_event(event, number, body_bytes);
    journal_answer_t answer = journal_box_append_event(self, event);
    free(event);
    return answer;
}

#define TOGETHER 64

size_t journal_box_append_many(journal_box_t *self, uint64_t from, uint64_t to, size_t body_bytes)
{
    journal_box_event_t *events = malloc(TOGETHER * sizeof(*events));
    waiting_t waiting[TOGETHER];
    size_t stored = 0;
    must(events != NULL, "no memory");
    for (uint64_t at = from; at < to;) {
        size_t count = to - at < TOGETHER ? (size_t)(to - at) : TOGETHER;
        for (size_t i = 0; i < count; i++)
            journal_box_event(&events[i], at + i, body_bytes);
        append_and_wait(self, waiting, events, count);
        for (size_t i = 0; i < count; i++)
            stored += waiting[i].answer == JOURNAL_STORED;
        at += count;
    }
    free(events);
    return stored;
}

size_t journal_box_read(journal_box_t *self, size_t sink, uint64_t *numbers, size_t capacity)
{
    fault_t fault = {{0}};
    journal_event_t event;
    size_t count = 0;
    journal_cursor_t *cursor = journal_cursor_new(self->journal);
    must(cursor != NULL, "no memory");
    journal_cursor_begin(cursor, sink);
    int status;
    while ((status = journal_read(cursor, &event, &fault)) == 1) {
        uint64_t number = journal_box_number(&event.event);
        if (event.settled >> sink & 1)
            continue;
        if (count < capacity)
            numbers[count] = number;
        count++;
    }
    must(status == 0, fault.text);
    journal_cursor_destroy(&cursor);
    return count;
}

bool journal_box_find(journal_box_t *self, uint64_t number, journal_event_t *event)
{
    bool found = false;
    journal_cursor_t *cursor = journal_cursor_new(self->journal);
    must(cursor != NULL, "no memory");
    journal_cursor_seek(cursor, (journal_position_t){0, 0});
    while (!found && journal_read(cursor, event, NULL) == 1)
        found = !event->event.erased && journal_box_number(&event->event) == number;
    journal_cursor_destroy(&cursor);
    event->event = (disk_event_t){0}; /* its views died with the cursor */
    return found;
}

void journal_box_settle(journal_box_t *self, const journal_event_t *event, size_t sink)
{
    disk_settlement_t settlement = {.sequence = event->sequence,
                                    .outcome = WIRE_VIEW("done"),
                                    .tries = 1,
                                    .at_us = (uint64_t)clock_unix_us()};
    journal_settle(self->journal, event->position, sink, &settlement);
}

/* Waits until a ticket comes back. */
static uint64_t wait_for_ticket(journal_box_t *self)
{
    uint64_t ticket;
    struct pollfd poller = {.fd = journal_fd(self->journal), .events = POLLIN};
    for (int tries = 0; tries < 1000; tries++) {
        if (journal_resolution_durable(self->journal, &ticket, 1) == 1)
            return ticket;
        (void)poll(&poller, 1, 100);
        journal_fd_clear(self->journal);
    }
    must(false, "a ticket never came back");
    return 0;
}

void journal_box_resolve(journal_box_t *self, const journal_event_t *event, uint64_t number,
                         const char *business, char *final_business)
{
    journal_box_event_t *named = malloc(sizeof(*named));
    fault_t fault = {{0}};
    disk_resolution_t final;
    must(named != NULL, "no memory");
    journal_box_event(named, number, 0);
    disk_resolution_t resolution = {
        .sequence = event->sequence,
        .event_id = named->event.event_id,
        .provider = named->event.provider,
        .conversation_id = named->event.conversation_id,
        .business_id = wire_view(business),
        .location_id = WIRE_VIEW("L0100001"),
        .record_calls = true,
        .transcript_key = WIRE_VIEW("transcripts/x.json"),
        .recording_key = WIRE_VIEW("recordings/x.mp3"),
        .at_us = (uint64_t)clock_unix_us(),
    };
    must(journal_resolve(self->journal, event->position, &resolution, &final, 7000 + number,
                         &fault) == 0,
         fault.text);
    if (final_business)
        snprintf(final_business, 64, "%.*s", WIRE_ARGUMENTS(final.business_id));
    must(wait_for_ticket(self) == 7000 + number, "another ticket came back");
    free(named);
}
