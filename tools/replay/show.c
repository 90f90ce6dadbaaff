#include "tools/replay/show.h"

#include "common/base/digest.h"
#include "proto/routes.h"
#include "tools/replay/letter_walk.h"
#include "tools/replay/tenants.h"
#include "tools/replay/text.h"
#include "tools/replay/walk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    const options_t *options;
    const capture_t *capture;
    filter_t wanted; /* the event or the conversation */
    tenants_t *tenants;
    buffer_t line;
    wire_memory_t memory;
    uint64_t shown;
    bool terminal;
} show_t;

/* An event, wherever it was found. */
typedef struct {
    const capture_slot_t *slot;
    const disk_event_t *event;
    const char *body;               /* NULL when it was spilled */
    const disk_resolution_t *whose; /* NULL: nobody knows */
    uint64_t sequence;
    uint64_t ordinal;            /* of its segment */
    const letter_item_t *letter; /* or NULL */
} shown_t;

/* Life. */

/* What is wanted of an outcome file: all that it says of one event. */
typedef struct {
    show_t *self;
    uint64_t sequence;
    bool first;
} life_t;

static void print_resolution(const disk_resolution_t *resolution)
{
    text_put_time(stdout, resolution->at_us);
    fputs("  resolved to ", stdout);
    text_put_tenant(stdout, resolution, 0);
    puts(resolution->record_calls ? "" : ", which does not record calls");
}

static void print_settlement(const disk_settlement_t *settlement)
{
    text_put_time(stdout, settlement->at_us);
    fputs("  ", stdout);
    text_put(stdout, settlement->sink.length > 0 ? settlement->sink : WIRE_VIEW("all sinks"), 0);
    fputs(": ", stdout);
    text_put(stdout, settlement->outcome, 0);
    if (settlement->tries > 0)
        printf(" at try %" PRIu64, settlement->tries);
    if (settlement->reason.length > 0) {
        fputs(", ", stdout);
        text_put(stdout, settlement->reason, 0);
    }
    if (settlement->detail.length > 0) {
        fputs(": ", stdout);
        text_put(stdout, settlement->detail, 0);
    }
    putchar('\n');
}

static int life_json(life_t *life, const disk_resolution_t *resolution,
                     const disk_settlement_t *settlement)
{
    buffer_t *line = &life->self->line;
    int status = buffer_append_text(line, life->first ? "{" : ",{");
    life->first = false;
    if (resolution)
        status = status || text_json_time(line, "at", resolution->at_us) ||
                 text_json(line, "what", WIRE_VIEW("resolved")) ||
                 text_json_tenant(line, resolution);
    if (settlement)
        status = status || text_json_time(line, "at", settlement->at_us) ||
                 text_json(line, "what", settlement->outcome) ||
                 text_json(line, "sink", settlement->sink) ||
                 text_json_number(line, "tries", settlement->tries) ||
                 text_json(line, "reason", settlement->reason) ||
                 text_json(line, "detail", settlement->detail);
    return status || buffer_append_text(line, "}") ? -1 : 0;
}

static int tell_record(void *context, const journal_record_t *record, uint64_t offset)
{
    life_t *life = context;
    show_t *self = life->self;
    disk_resolution_t resolution;
    disk_settlement_t settlement;
    (void)offset;
    if (record->sequence != life->sequence)
        return 0;
    bool resolved = record->kind == DISK_RESOLUTION &&
                    wire_decode(record->header, record->header_bytes, &disk_resolution, &resolution,
                                &self->memory, NULL) == WIRE_OK;
    bool settled = record->kind == DISK_SETTLEMENT &&
                   wire_decode(record->header, record->header_bytes, &disk_settlement, &settlement,
                               &self->memory, NULL) == WIRE_OK;
    if (self->options->json)
        return resolved || settled
                   ? life_json(life, resolved ? &resolution : NULL, settled ? &settlement : NULL)
                   : 0;
    if (resolved)
        print_resolution(&resolution);
    if (settled)
        print_settlement(&settlement);
    return 0;
}

static int tell_life(show_t *self, const shown_t *shown, fault_t *fault)
{
    life_t life = {.self = self, .sequence = shown->sequence, .first = true};
    if (!self->options->json) {
        text_put_time(stdout, shown->event->received_us);
        puts("  received");
    }
    if (!shown->letter)
        return outcomes_each(shown->slot, shown->ordinal, tell_record, &life, fault);
    const disk_letter_t *letter = &shown->letter->letter->letter;
    const disk_settlement_t settlement = {.sink = letter->sink,
                                          .outcome = WIRE_VIEW(OUTCOME_DEAD),
                                          .reason = letter->reason,
                                          .detail = letter->detail,
                                          .tries = letter->tries,
                                          .at_us = letter->at_us};
    if (self->options->json)
        return life_json(&life, NULL, &settlement);
    print_settlement(&settlement);
    return 0;
}

/* Header and body. */

static void print_field(const char *name, wire_view_t value)
{
    if (value.length == 0)
        return;
    printf("%-14s ", name);
    text_put(stdout, value, 0);
    putchar('\n');
}

static void print_header(const shown_t *shown)
{
    const disk_event_t *event = shown->event;
    char digest[DIGEST_HEX_BYTES];
    printf("%-14s ", "event");
    text_put_event_id(stdout, event->event_id);
    printf("\n%-14s %s, sequence %" PRIu64 "%s\n", "in", shown->slot->path, shown->sequence,
           shown->letter ? ", a dead letter" : "");
    print_field("provider", event->provider);
    print_field("type", event->event_type);
    print_field("conversation", event->conversation_id);
    print_field("agent", event->tenant_key);
    print_field("event time", event->event_time);
    print_field("content type", event->content_type);
    print_field("dead", event->dead_reason);
    printf("%-14s ", "tenant");
    text_put_tenant(stdout, shown->whose, 0);
    digest_hex((const uint8_t *)event->digest.bytes, DIGEST_BYTES, digest);
    printf("\n%-14s %" PRIu64 " bytes, SHA-256 %s\n", "webhook", event->body_bytes, digest);
}

/* The webhook; a spilled one is read and owned by *owned. */
static const char *body_of(const shown_t *shown, char **owned, fault_t *fault)
{
    *owned = NULL;
    if (shown->body)
        return shown->body;
    *owned = capture_read_body(shown->slot, shown->event,
                               shown->letter ? shown->letter->name : NULL, fault);
    return *owned;
}

static int show_text(show_t *self, const shown_t *shown, fault_t *fault)
{
    char *owned;
    if (self->shown > 0)
        putchar('\n');
    print_header(shown);
    if (tell_life(self, shown, fault) != 0)
        return -1;
    if (self->options->no_body)
        return 0;
    const char *body = body_of(shown, &owned, fault);
    if (body) {
        putchar('\n');
        text_put_body(stdout, body, shown->event->body_bytes, self->terminal);
        putchar('\n');
    } else {
        fprintf(stderr, "postcall-replay: %s\n", fault->text);
    }
    free(owned);
    return 0;
}

static int show_json(show_t *self, const shown_t *shown, fault_t *fault)
{
    buffer_t *line = &self->line;
    char *owned = NULL;
    buffer_clear(line);
    int status = buffer_append_text(line, "{") || text_json_event(line, shown->event) ||
                 text_json_tenant(line, shown->whose) ||
                 text_json(line, "slot", wire_view(shown->slot->path)) ||
                 text_json_number(line, "sequence", shown->sequence) ||
                 text_json(line, "content_type", shown->event->content_type) ||
                 text_json(line, "dead_reason", shown->event->dead_reason) ||
                 buffer_append_text(line, ",\"life\":[");
    if (status == 0 && tell_life(self, shown, fault) != 0)
        return -1;
    status = status || buffer_append_text(line, "]");
    const char *body = self->options->no_body ? NULL : body_of(shown, &owned, NULL);
    if (!self->options->no_body)
        status = status ||
                 text_json(line, "body", (wire_view_t){body, body ? shown->event->body_bytes : 0});
    free(owned);
    if (status || buffer_append_text(line, "}\n") != 0)
        return fault_set(fault, "out of memory");
    (void)fwrite(line->bytes, 1, line->length, stdout);
    return 0;
}

static int show(show_t *self, const shown_t *shown, fault_t *fault)
{
    int status =
        self->options->json ? show_json(self, shown, fault) : show_text(self, shown, fault);
    self->shown++;
    return status;
}

/* Finding. */

static int show_events(show_t *self, fault_t *fault)
{
    walk_t *walk = walk_new(self->capture, WALK_WITH_OUTCOMES, fault);
    walk_event_t at;
    int found = walk ? 0 : -1;
    while (walk && (found = walk_next(walk, &at, fault)) == 1) {
        const capture_slot_t *slot = &self->capture->slots[at.position.slot];
        disk_resolution_t whose;
        if (!filter_takes_event(&self->wanted, &at.event))
            continue;
        int known = tenants_find(self->tenants, WALK_QUESTION(&at), &whose, fault);
        const shown_t shown = {.slot = slot,
                               .event = &at.event,
                               .body = at.body,
                               .whose = known == 1 ? &whose : NULL,
                               .sequence = at.sequence,
                               .ordinal = slot->items[at.position.segment].ordinal};
        if (known < 0 || show(self, &shown, fault) != 0) {
            found = -1;
            break;
        }
    }
    walk_destroy(&walk);
    return found;
}

/* Of events whose segment is no more, letters are all that is left. */
static int show_letters(show_t *self, fault_t *fault)
{
    letter_walk_t *walk = letter_walk_new(self->capture, fault);
    letter_item_t item;
    int found = walk ? 0 : -1;
    while (walk && (found = letter_walk_next(walk, &item, fault)) == 1) {
        const shown_t shown = {.slot = &self->capture->slots[item.slot],
                               .event = &item.event,
                               .body = item.body,
                               .whose = item.resolved ? &item.resolution : NULL,
                               .sequence = item.letter->letter.sequence,
                               .letter = &item};
        if (filter_takes_event(&self->wanted, &item.event) && show(self, &shown, fault) != 0) {
            found = -1;
            break;
        }
    }
    letter_walk_destroy(&walk);
    return found;
}

int show_run(const options_t *options, const capture_t *capture, fault_t *fault)
{
    show_t self = {.options = options, .capture = capture, .terminal = isatty(STDOUT_FILENO) == 1};
    if (filter_read_event_id(options->wanted, self.wanted.event_id, NULL) == 0)
        self.wanted.one_event = true;
    else
        self.wanted.conversation = options->wanted;
    self.tenants = tenants_new(capture, NULL, fault);
    int status = self.tenants ? show_events(&self, fault) : -1;
    if (status == 0 && self.shown == 0)
        status = show_letters(&self, fault);
    if (status == 0 && self.shown == 0)
        fputs("postcall-replay: there is no such event or conversation\n", stderr);
    tenants_destroy(&self.tenants);
    buffer_free(&self.line);
    wire_memory_free(&self.memory);
    return status == 0 && self.shown == 0 ? 1 : status;
}
