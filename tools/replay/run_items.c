/* What is open, and how far the replay has come. */
#include "proto/routes.h"
#include "providers/providers.h"
#include "tools/replay/run_private.h"

#include <stdlib.h>
#include <string.h>

#define TURN_EVENTS   256
#define BURST_SECONDS 0.1

run_item_t *run_item(const run_t *self, uint64_t number)
{
    return number_map_get(&self->items, number);
}

static void free_item(run_item_t *item)
{
    wire_output_free(&item->recorded);
    free(item);
}

void run_free_items(run_t *self)
{
    while (self->first) {
        run_item_t *item = self->first;
        self->first = item->following;
        free_item(item);
    }
    number_map_free(&self->items);
    free(self->dirty);
}

/* Entering. */

static run_item_t *item_new(run_t *self, const selection_event_t *event)
{
    run_item_t *item = calloc(1, sizeof(*item));
    if (!item)
        return NULL;
    item->number = self->last_number + 1;
    item->place = event->place;
    item->next = event->next;
    item->wanted = event->wanted;
    item->routed =
        provider_sink_bits(event->event.provider, event->event.event_type, route_sink_names);
    if ((event->resolved &&
         wire_encode(&item->recorded, NULL, &disk_resolution, &event->resolution) != 0) ||
        number_map_put(&self->items, item->number, item) != 0) {
        free_item(item);
        return NULL;
    }
    self->last_number = item->number;
    return item;
}

static void append(run_t *self, run_item_t *item)
{
    if (self->last)
        self->last->following = item;
    else
        self->first = item;
    self->last = item;
    self->item_count++;
}

/* The event as dispatch knows events. */
static journal_event_t as_journal_event(const run_t *self, const run_item_t *item,
                                        const selection_event_t *event)
{
    return (journal_event_t){
        .sequence = item->number,
        .event = event->event,
        .body_bytes = event->event.body_bytes,
        .settled = (uint32_t)((1ull << self->sinks) - 1) & ~item->wanted,
    };
}

static int enter(run_t *self, const selection_event_t *event, fault_t *fault)
{
    run_item_t *item = item_new(self, event);
    if (!item)
        return fault_set(fault, "out of memory");
    append(self, item);
    if (!item->wanted) {
        run_close_item(self, item, NULL); /* all of it is left to its ingress */
        return 0;
    }
    journal_event_t known = as_journal_event(self, item, event);
    dispatch_entry_t *entry = dispatch_enter(self->dispatch, &known);
    if (!entry)
        return fault_set(fault, "out of memory");
    for (size_t sink = 0; sink < self->sinks; sink++) {
        if (item->wanted >> sink & 1)
            dispatch_admit(self->dispatch, entry, sink);
    }
    return 0;
}

/* True when the rate allows one more. */
static bool take_token(run_t *self, int64_t now_ms)
{
    double rate = (double)self->options->run.rate;
    if (rate <= 0)
        return true;
    double most = rate * BURST_SECONDS > 1 ? rate * BURST_SECONDS : 1;
    self->tokens += rate * (double)(now_ms - self->tokens_ms) / 1000;
    self->tokens_ms = now_ms;
    if (self->tokens > most)
        self->tokens = most;
    if (self->tokens < 1)
        return false;
    self->tokens -= 1;
    return true;
}

int run_enter(run_t *self, int64_t now_ms, fault_t *fault)
{
    selection_event_t event;
    for (int i = 0; i < TURN_EVENTS && !self->at_end && !self->stopping; i++) {
        if (self->item_count == RUN_ITEMS_MAX || !take_token(self, now_ms))
            return 0;
        int found = selection_next(self->selection, &event, fault);
        if (found < 0 || (found == 1 && enter(self, &event, fault) != 0))
            return -1;
        self->at_end = found == 0;
    }
    return 0;
}

/* Done with. */

static void commit(run_t *self, const run_item_t *item)
{
    for (size_t sink = 0; sink < self->sinks; sink++) {
        self->committed.sinks[sink].done += item->done >> sink & 1;
        self->committed.sinks[sink].dead += item->dead >> sink & 1;
    }
    self->committed.events += item->wanted != 0;
    self->reached = item->next;
}

void run_close_item(run_t *self, run_item_t *item, dispatch_entry_t *entry)
{
    if (entry && !dispatch_release(self->dispatch, entry))
        return;
    item->closed = true;
    self->report.events += item->wanted != 0;
    number_map_take(&self->items, item->number);
    while (self->first && self->first->closed) {
        run_item_t *done = self->first;
        commit(self, done);
        self->first = done->following;
        self->item_count--;
        free_item(done);
    }
    if (!self->first)
        self->last = NULL;
}

/* The state. */

int run_save(run_t *self, file_durability_t durability, fault_t *fault)
{
    const capture_slot_t *slot = NULL;
    const walk_position_t *at = &self->reached.position;
    const wire_view_t event_id = {(const char *)self->reached.event_id,
                                  sizeof(self->reached.event_id)};
    state_sink_t sinks[MESSAGE_SINKS_MAX];
    if (at->slot < self->capture->count)
        slot = &self->capture->slots[at->slot];
    for (size_t sink = 0; sink < self->sinks; sink++)
        sinks[sink] = (state_sink_t){.sink = wire_view(route_sink_names[sink]),
                                     .done = self->committed.sinks[sink].done,
                                     .retried = self->report.sinks[sink].retried,
                                     .dead = self->committed.sinks[sink].dead};
    const state_t state = {
        .arguments = {(const char *)self->arguments, sizeof(self->arguments)},
        .slot = wire_view(slot ? slot->path : ""),
        .segment = slot && at->segment < slot->count && !self->reached.letters
                       ? slot->items[at->segment].ordinal
                       : 0,
        .offset = at->offset,
        .event_id = self->reached.letters ? event_id : (wire_view_t){0},
        .settled = self->committed.events,
        .marked = self->report.marked,
        .sinks = {sinks, self->sinks},
    };
    return state_save(self->options->run.state, &state, durability, fault);
}

/* Finds the place that a state names: a segment that is gone is passed over. */
static int find_place(const run_t *self, const state_t *state, selection_place_t *place,
                      fault_t *fault)
{
    const capture_t *capture = self->capture;
    size_t slot = 0;
    while (slot < capture->count && !wire_equals(state->slot, capture->slots[slot].path))
        slot++;
    if (slot == capture->count)
        return fault_set(fault, "--resume: %.*s, where it was stopped, is not there",
                         WIRE_ARGUMENTS(state->slot));
    *place = (selection_place_t){.position.slot = slot};
    if (state->event_id.length > 0) {
        memcpy(place->event_id, state->event_id.bytes, sizeof(place->event_id));
        place->letters = SELECTION_FOR_ALL; /* any: it says that there is a letter */
        return 0;
    }
    const capture_slot_t *at = &capture->slots[slot];
    while (place->position.segment < at->count &&
           at->items[place->position.segment].ordinal < state->segment)
        place->position.segment++;
    if (place->position.segment < at->count &&
        at->items[place->position.segment].ordinal == state->segment)
        place->position.offset = state->offset;
    return 0;
}

static void take_counts(run_t *self, const state_t *state)
{
    const state_sink_t *sinks = state->sinks.items;
    for (size_t i = 0; i < state->sinks.count; i++) {
        for (size_t sink = 0; sink < self->sinks; sink++) {
            if (!wire_equals(sinks[i].sink, route_sink_names[sink]))
                continue;
            self->report.sinks[sink].done = sinks[i].done;
            self->report.sinks[sink].retried = sinks[i].retried;
            self->report.sinks[sink].dead = sinks[i].dead;
        }
    }
    self->report.marked = state->marked;
    self->report.events = state->settled;
    self->committed = self->report;
}

int run_load(run_t *self, fault_t *fault)
{
    const char *path = self->options->run.state;
    state_t state;
    state_memory_t memory = {0};
    int status = state_load(path, &state, &memory, fault);
    if (status == 1)
        status = fault_set(fault, "--resume: there is no '%s': nothing was stopped", path);
    else if (status == 0 &&
             !digest_equal(state.arguments.bytes, self->arguments, sizeof(self->arguments)))
        status = fault_set(fault, "--resume: '%s' is of a replay with other arguments", path);
    if (status == 0)
        status = find_place(self, &state, &self->reached, fault);
    if (status == 0) {
        take_counts(self, &state);
        selection_seek(self->selection, &self->reached);
    }
    state_memory_free(&memory);
    return status;
}
