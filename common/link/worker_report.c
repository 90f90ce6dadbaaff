#include "common/link/worker_private.h"

#include "common/base/log_event.h"
#include "proto/routes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void free_report(worker_report_t *report)
{
    free(report->reason);
    free(report->detail);
}

void worker_free_reports(worker_source_t *source)
{
    for (size_t i = 0; i < source->report_count; i++)
        free_report(&source->reports[i]);
    free(source->reports);
    source->reports = NULL;
    source->report_count = source->report_capacity = 0;
}

static worker_report_t *report_new(worker_source_t *source)
{
    if (source->report_count == source->report_capacity) {
        size_t capacity = source->report_capacity ? source->report_capacity * 2 : 64;
        worker_report_t *grown = realloc(source->reports, capacity * sizeof(*grown));
        if (!grown)
            return NULL;
        source->reports = grown;
        source->report_capacity = capacity;
    }
    return memset(&source->reports[source->report_count++], 0, sizeof(worker_report_t));
}

/* At most `limit` bytes of a text, and no character of it cut in two. */
static char *copy_cut(const char *text, size_t limit)
{
    if (!text)
        return NULL;
    size_t length = strnlen(text, limit + 1);
    if (length > limit) {
        for (length = limit; length > 0 && (text[length] & 0xc0) == 0x80;)
            length--;
    }
    return strndup(text, length);
}

static void add_report(worker_t *self, const worker_event_t *event, size_t sink,
                       const worker_outcome_t *outcome)
{
    worker_source_t *source = &self->sources[event->source];
    worker_report_t *report = source->hop ? report_new(source) : NULL;
    if (!report)
        return; /* it is gone, or sees in the next pong that the lease is not held */
    memcpy(report->incarnation, event->event.incarnation.bytes, sizeof(report->incarnation));
    memcpy(report->event_id, event->event.event_id.bytes, sizeof(report->event_id));
    report->sequence = event->event.sequence;
    report->number = event->numbers[sink];
    report->sink = sink;
    report->outcome = outcome->outcome;
    report->scope = outcome->scope;
    report->reason = copy_cut(outcome->reason, MESSAGE_REASON_BYTES_MAX);
    report->detail = copy_cut(outcome->detail, MESSAGE_DETAIL_BYTES_MAX);
    report->delay_ms = outcome->delay_ms;
}

static bool is_working(const char *outcome)
{
    return strcmp(outcome, OUTCOME_WORKING) == 0;
}

static void unlink_event(worker_t *self, worker_event_t *event)
{
    if (event->previous)
        event->previous->next = event->next;
    else
        self->first = event->next;
    if (event->next)
        event->next->previous = event->previous;
    else
        self->last = event->previous;
    self->held--;
    self->given--;
    if (event->event.alone)
        self->given_alone = false;
}

static void log_reported(const message_event_t *event, const char *sink,
                         const worker_outcome_t *outcome)
{
    log_line(LOG_LEVEL_DEBUG, "reported", LOG_EVENT_ID(event->event_id.bytes),
             LOG_TENANT(event->business_id, event->location_id), LOG_TEXT("sink", sink),
             LOG_TEXT("outcome", outcome->outcome), LOG_TEXT("reason", outcome->reason),
             LOG_TEXT("detail", outcome->detail), LOG_TEXT("scope", outcome->scope));
}

void worker_report(worker_t *self, worker_event_t **event_p, size_t sink,
                   const worker_outcome_t *outcome)
{
    worker_event_t *event = *event_p;
    assert(event->given && (event->sinks >> sink & 1));
    add_report(self, event, sink, outcome);
    if (is_working(outcome->outcome))
        return;
    log_reported(&event->event, self->options.sinks[sink], outcome);
    event->sinks &= ~(1u << sink);
    if (event->sinks == 0) {
        unlink_event(self, event);
        worker_free_event(event);
        *event_p = NULL;
    }
}

void worker_report_all(worker_t *self, worker_event_t **event_p, const worker_outcome_t *outcome)
{
    uint32_t sinks = (*event_p)->sinks;
    for (size_t sink = 0; *event_p && sink < self->sinks; sink++) {
        if (sinks >> sink & 1)
            worker_report(self, event_p, sink, outcome);
    }
}

void worker_extend_waiting(worker_t *self)
{
    const worker_outcome_t working = {.outcome = OUTCOME_WORKING};
    for (const worker_event_t *event = self->waiting; event; event = event->next) {
        for (size_t sink = 0; sink < self->sinks; sink++) {
            if (event->sinks >> sink & 1)
                add_report(self, event, sink, &working);
        }
    }
}

static bool say_outcomes(worker_t *self, worker_source_t *source, const worker_report_t *reports,
                         size_t count)
{
    static _Thread_local message_outcome_t batch[MESSAGE_BATCH_MAX];
    for (size_t i = 0; i < count; i++) {
        const worker_report_t *report = &reports[i];
        batch[i] = (message_outcome_t){
            .incarnation = {report->incarnation, sizeof(report->incarnation)},
            .sequence = report->sequence,
            .event_id = {report->event_id, sizeof(report->event_id)},
            .sink = wire_view(self->options.sinks[report->sink]),
            .number = report->number,
            .outcome = wire_view(report->outcome),
            .reason = wire_view(report->reason),
            .detail = wire_view(report->detail),
            .scope = wire_view(report->scope),
            .delay_ms = report->delay_ms,
        };
    }
    const message_outcomes_t message = {{batch, count}};
    worker_source_t *twin = source->known ? NULL : worker_twin(self, source);
    return worker_say(self, twin ? twin : source, MESSAGE_OUTCOME, &message_outcomes, &message);
}

/* Keeps what was not sent, no more than was leased: `working` means nothing later on. */
static void keep_unsent(worker_source_t *source, size_t sent)
{
    size_t kept = 0;
    for (size_t i = 0; i < source->report_count; i++) {
        worker_report_t *report = &source->reports[i];
        if (i < sent || is_working(report->outcome))
            free_report(report);
        else
            source->reports[kept++] = *report;
    }
    source->report_count = kept;
}

bool worker_flush_reports(worker_t *self, worker_source_t *source)
{
    size_t sent = 0;
    while (sent < source->report_count) {
        size_t count = source->report_count - sent;
        if (count > MESSAGE_BATCH_MAX)
            count = MESSAGE_BATCH_MAX;
        if (!say_outcomes(self, source, source->reports + sent, count))
            break;
        sent += count;
    }
    keep_unsent(source, sent);
    return source->report_count == 0;
}
