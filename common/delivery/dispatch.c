#include "common/delivery/dispatch_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

dispatch_t *dispatch_new(const dispatch_options_t *options, size_t sinks, fault_t *fault)
{
    assert(sinks <= MESSAGE_SINKS_MAX);
    dispatch_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    assert(options->max_deliver > 0);
    self->options = *options;
    self->sink_count = sinks;
    return self;
}

static void free_entry(const dispatch_t *self, dispatch_entry_t *entry)
{
    for (size_t sink = 0; entry && sink < self->sink_count; sink++)
        free(entry->pairs[sink].dead_detail);
    free(entry);
}

void dispatch_destroy(dispatch_t **self_p)
{
    dispatch_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->entries.capacity; i++)
        free_entry(self, self->entries.slots[i].value);
    number_map_free(&self->entries);
    free(self);
    *self_p = NULL;
}

dispatch_entry_t *dispatch_find(const dispatch_t *self, uint64_t sequence)
{
    return number_map_get(&self->entries, sequence);
}

/* States. */

static bool in_window(dispatch_state_t state)
{
    return state == PAIR_WAITING || state == PAIR_LEASED;
}

static void list_append(pair_list_t *list, dispatch_pair_t *pair)
{
    pair->next = NULL;
    pair->previous = list->last;
    if (list->last)
        list->last->next = pair;
    else
        list->first = pair;
    list->last = pair;
    list->count++;
}

static void list_remove(pair_list_t *list, dispatch_pair_t *pair)
{
    if (pair->previous)
        pair->previous->next = pair->next;
    else
        list->first = pair->next;
    if (pair->next)
        pair->next->previous = pair->previous;
    else
        list->last = pair->previous;
    pair->next = pair->previous = NULL;
    list->count--;
}

/* The heap of the pairs of this state that wait for their time, or NULL. */
static due_heap_t *heap_of(sink_t *sink, dispatch_state_t state)
{
    if (state == PAIR_DEFERRED)
        return &sink->due_deferred;
    return state == PAIR_SUSPECT ? &sink->due_suspects : NULL;
}

static void leave_state(sink_t *sink, dispatch_pair_t *pair)
{
    due_heap_t *heap = heap_of(sink, pair->state);
    if (!dispatch_is_open(pair->state))
        return;
    list_remove(&sink->lists[pair->state], pair);
    pair->entry->open--;
    if (heap)
        due_drop(heap, &pair->due);
    if (in_window(pair->state))
        sink->window_bytes -= pair->entry->bytes;
}

static void enter_state(sink_t *sink, dispatch_pair_t *pair, dispatch_state_t state)
{
    due_heap_t *heap = heap_of(sink, state);
    pair->state = state;
    if (!dispatch_is_open(state))
        return;
    list_append(&sink->lists[state], pair);
    pair->entry->open++;
    if (heap)
        due_put(heap, &pair->due, pair->due_ms);
    if (in_window(state))
        sink->window_bytes += pair->entry->bytes;
}

void dispatch_move(dispatch_t *self, dispatch_pair_t *pair, dispatch_state_t state)
{
    sink_t *sink = &self->sinks[pair->sink];
    leave_state(sink, pair);
    if (sink->alone == pair && state != PAIR_LEASED)
        sink->alone = NULL;
    enter_state(sink, pair, state);
}

/* Copies what is viewed to *at, and moves on. */
static wire_view_t keep(wire_view_t view, char **at)
{
    char *copy = *at;
    if (view.length == 0)
        return (wire_view_t){0};
    *at += view.length;
    return (wire_view_t){memcpy(copy, view.bytes, view.length), view.length};
}

static dispatch_entry_t *entry_new(dispatch_t *self, const journal_event_t *event)
{
    const disk_event_t *header = &event->event;
    size_t pairs_end = sizeof(dispatch_entry_t) + self->sink_count * sizeof(dispatch_pair_t);
    dispatch_entry_t *entry =
        calloc(1, pairs_end + header->provider.length + header->conversation_id.length);
    if (!entry)
        return NULL;
    char *texts = (char *)entry + pairs_end;
    entry->provider = keep(header->provider, &texts);
    entry->conversation_id = keep(header->conversation_id, &texts);
    entry->sequence = event->sequence;
    entry->position = event->position;
    memcpy(entry->event_id, event->event.event_id.bytes, sizeof(entry->event_id));
    entry->bytes = event->body_bytes;
    entry->received_us = event->event.received_us;
    for (size_t sink = 0; sink < self->sink_count; sink++) {
        entry->pairs[sink].entry = entry;
        entry->pairs[sink].sink = sink;
        if (event->settled >> sink & 1)
            entry->pairs[sink].state = PAIR_SETTLED;
    }
    if (number_map_put(&self->entries, entry->sequence, entry) != 0) {
        free(entry);
        return NULL;
    }
    return entry;
}

dispatch_entry_t *dispatch_enter(dispatch_t *self, const journal_event_t *event)
{
    dispatch_entry_t *entry = dispatch_find(self, event->sequence);
    return entry ? entry : entry_new(self, event);
}

void dispatch_admit(dispatch_t *self, dispatch_entry_t *entry, size_t sink)
{
    if (entry->pairs[sink].state == PAIR_NONE)
        dispatch_move(self, &entry->pairs[sink], PAIR_WAITING);
}

void dispatch_start_dying(dispatch_t *self, dispatch_pair_t *pair, const char *reason,
                          wire_view_t detail)
{
    pair->dead_reason = reason;
    free(pair->dead_detail);
    pair->dead_detail = detail.bytes ? strndup(detail.bytes, detail.length) : NULL;
    dispatch_move(self, pair, PAIR_DYING);
}

void dispatch_condemn(dispatch_t *self, dispatch_pair_t *pair, const char *reason,
                      const char *detail)
{
    if (dispatch_is_open(pair->state))
        dispatch_start_dying(self, pair, reason, wire_view(detail));
}

bool dispatch_release(dispatch_t *self, dispatch_entry_t *entry)
{
    if (entry->open > 0)
        return false;
    number_map_take(&self->entries, entry->sequence);
    free_entry(self, entry);
    return true;
}

/* Lists are nearly in order of arrival; the exact minimum is not worth a walk. */
static uint64_t older_of(const pair_list_t *list, uint64_t oldest)
{
    if (list->first && (oldest == 0 || list->first->entry->received_us < oldest))
        return list->first->entry->received_us;
    return oldest;
}

void dispatch_figures(const dispatch_t *self, size_t index, dispatch_figures_t *figures)
{
    const sink_t *sink = &self->sinks[index];
    *figures = (dispatch_figures_t){
        .waiting = sink->lists[PAIR_WAITING].count,
        .leased = sink->lists[PAIR_LEASED].count,
        .deferred = sink->lists[PAIR_DEFERRED].count,
        .suspects = sink->lists[PAIR_SUSPECT].count,
        .dying = sink->lists[PAIR_DYING].count,
        .run_outs = sink->run_outs,
        .retries = sink->retries,
        .done = sink->done,
        .dead = sink->dead,
        .paused = sink->paused,
        .stuck = sink->stuck,
        .held_apart_full = dispatch_held_apart_full(self, sink),
    };
    for (dispatch_state_t state = PAIR_WAITING; state < PAIR_SETTLED; state++)
        figures->oldest_received_us = older_of(&sink->lists[state], figures->oldest_received_us);
}
