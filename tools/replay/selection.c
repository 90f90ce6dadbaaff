#include "tools/replay/selection.h"

#include "proto/routes.h"
#include "providers/providers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct selection_t {
    const capture_t *capture;
    const filter_t *filter;
    bool unsettled;
    bool every_sink;
    tenants_t *tenants;
    walk_t *walk, *again; /* NULL when it is about letters */
    letter_walk_t *letters, *letters_again;
    uint64_t homeless;
};

static bool make_walks(selection_t *self, bool dead, fault_t *fault)
{
    if (dead) {
        self->letters = letter_walk_new(self->capture, fault);
        self->letters_again = letter_walk_new(self->capture, fault);
        return self->letters && self->letters_again;
    }
    self->walk = walk_new(self->capture, WALK_WITH_OUTCOMES, fault);
    self->again = walk_new(self->capture, WALK_WITHOUT_OUTCOMES, fault);
    return self->walk && self->again;
}

selection_t *selection_new(const capture_t *capture, const selection_options_t *options,
                           fault_t *fault)
{
    selection_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    self->capture = capture;
    self->filter = options->filter;
    self->unsettled = options->unsettled;
    self->every_sink = options->every_sink;
    self->tenants = tenants_new(capture, options->loose_log, fault);
    if (!self->tenants || !make_walks(self, options->dead, fault))
        selection_destroy(&self);
    return self;
}

void selection_destroy(selection_t **self_p)
{
    selection_t *self = *self_p;
    if (!self)
        return;
    tenants_destroy(&self->tenants);
    walk_destroy(&self->walk);
    walk_destroy(&self->again);
    letter_walk_destroy(&self->letters);
    letter_walk_destroy(&self->letters_again);
    free(self);
    *self_p = NULL;
}

/* A name that sorts behind those of all letters of an event, and before those of the next. */
static void name_behind(const uint8_t event_id[MESSAGE_EVENT_ID_BYTES],
                        char name[DEAD_LETTER_NAME_BYTES])
{
    dead_letter_name(event_id, (wire_view_t){0}, name);
    snprintf(name + DEAD_LETTER_ID_HEX, DEAD_LETTER_NAME_BYTES - DEAD_LETTER_ID_HEX, "~");
}

void selection_seek(selection_t *self, const selection_place_t *place)
{
    char name[DEAD_LETTER_NAME_BYTES] = "";
    if (self->walk) {
        walk_seek(self->walk, place->position);
        return;
    }
    if (place->letters)
        name_behind(place->event_id, name);
    letter_walk_seek(self->letters, place->position.slot, name);
}

/* From the segments. */

/* Decides about one event; true when it is selected. */
static int select_event(selection_t *self, const walk_event_t *at, selection_event_t *event,
                        fault_t *fault)
{
    const disk_event_t *header = &at->event;
    const capture_slot_t *slot = &self->capture->slots[at->position.slot];
    *event = (selection_event_t){
        .place.position = at->position,
        .next.position = at->next,
        .event = *header,
        .body = at->body,
    };
    memcpy(event->place.event_id, header->event_id.bytes, sizeof(event->place.event_id));
    if (header->dead_reason.length > 0 || !filter_takes_event(self->filter, header))
        return 0;
    event->wanted = provider_sink_bits(header->provider, header->event_type, route_sink_names) &
                    self->filter->sinks;
    if (self->unsettled)
        event->wanted &= ~at->marks.settled;
    event->left = capture_left_to_owner(slot, at->sequence, event->wanted & ~at->marks.settled);
    event->wanted &= ~event->left;
    if (!event->wanted && !event->left)
        return 0;
    int known = tenants_find(self->tenants, WALK_QUESTION(at), &event->resolution, fault);
    event->resolved = known == 1;
    if (known < 0)
        return -1;
    return filter_takes_tenant(self->filter, event->resolved ? &event->resolution : NULL);
}

static int next_event(selection_t *self, selection_event_t *event, fault_t *fault)
{
    walk_event_t at;
    int found, selected = 0;
    while (selected == 0 && (found = walk_next(self->walk, &at, fault)) != 0) {
        if (found < 0)
            return -1;
        selected = select_event(self, &at, event, fault);
    }
    return selected;
}

/* From dead letters. */

/* The bit of the letter's sink, SELECTION_FOR_ALL, or 0 for one that nobody knows. */
static uint32_t letter_bit(const disk_letter_t *letter)
{
    if (letter->sink.length == 0)
        return SELECTION_FOR_ALL;
    for (size_t sink = 0; route_sink_names[sink]; sink++) {
        if (wire_equals(letter->sink, route_sink_names[sink]))
            return 1u << sink;
    }
    return 0;
}

/* Gathers the letters of the event whose first letter was just read; the views of *event are those
 * of the last one, so it is read again. */
static int gather(selection_t *self, letter_item_t *item, selection_place_t *place, fault_t *fault)
{
    int found = 1;
    *place = (selection_place_t){.position.slot = item->slot};
    memcpy(place->event_id, item->event.event_id.bytes, sizeof(place->event_id));
    while (found == 1 && item->slot == place->position.slot &&
           memcmp(item->event.event_id.bytes, place->event_id, sizeof(place->event_id)) == 0) {
        if (filter_takes_letter(self->filter, &item->letter->letter))
            place->letters |= letter_bit(&item->letter->letter);
        found = letter_walk_next(self->letters, item, fault);
    }
    char name[DEAD_LETTER_NAME_BYTES];
    name_behind(place->event_id, name);
    letter_walk_seek(self->letters, place->position.slot, name);
    return found < 0 ? -1 : 0;
}

/* The name of one of the letters of a place. */
static void name_of(const selection_place_t *place, char name[DEAD_LETTER_NAME_BYTES])
{
    wire_view_t sink = {0};
    if (!(place->letters & SELECTION_FOR_ALL))
        sink = wire_view(route_sink_names[__builtin_ctz(place->letters)]);
    dead_letter_name(place->event_id, sink, name);
}

static int read_letter(selection_t *self, const selection_place_t *place, selection_event_t *event)
{
    char name[DEAD_LETTER_NAME_BYTES];
    letter_item_t item;
    name_of(place, name);
    if (letter_walk_read(self->letters_again, place->position.slot, name, &item) != 1)
        return 0;
    *event = (selection_event_t){.place = *place,
                                 .next = *place,
                                 .event = item.event,
                                 .body = item.body,
                                 .resolved = item.resolved,
                                 .resolution = item.resolution};
    return 1;
}

static int select_letter(selection_t *self, const selection_place_t *place,
                         selection_event_t *event, fault_t *fault)
{
    if (!place->letters || read_letter(self, place, event) != 1 ||
        !filter_takes_event(self->filter, &event->event))
        return 0;
    uint32_t routed =
        provider_sink_bits(event->event.provider, event->event.event_type, route_sink_names);
    bool for_all = self->every_sink || place->letters & SELECTION_FOR_ALL;
    event->wanted = routed & (for_all ? self->filter->sinks : place->letters);
    self->homeless += !event->wanted;
    if (!event->wanted)
        return 0;
    if (!event->resolved) {
        const tenants_question_t question = {.event = &event->event, .slot = place->position.slot};
        int known = tenants_find(self->tenants, &question, &event->resolution, fault);
        if (known < 0)
            return -1;
        event->resolved = known == 1;
    }
    return filter_takes_tenant(self->filter, event->resolved ? &event->resolution : NULL);
}

static int next_letter(selection_t *self, selection_event_t *event, fault_t *fault)
{
    letter_item_t item;
    selection_place_t place;
    int found, selected = 0;
    while (selected == 0 && (found = letter_walk_next(self->letters, &item, fault)) != 0) {
        if (found < 0 || gather(self, &item, &place, fault) != 0)
            return -1;
        selected = select_letter(self, &place, event, fault);
    }
    return selected;
}

int selection_next(selection_t *self, selection_event_t *event, fault_t *fault)
{
    return self->walk ? next_event(self, event, fault) : next_letter(self, event, fault);
}

int selection_again(selection_t *self, const selection_place_t *place, selection_event_t *event,
                    fault_t *fault)
{
    walk_event_t at;
    if (!self->again)
        return read_letter(self, place, event);
    walk_seek(self->again, place->position);
    int found = walk_next(self->again, &at, fault);
    if (found != 1)
        return found;
    *event = (selection_event_t){.place = *place, .event = at.event, .body = at.body};
    return memcmp(at.event.event_id.bytes, place->event_id, sizeof(place->event_id)) == 0;
}

char *selection_read_body(const selection_t *self, const selection_event_t *event, fault_t *fault)
{
    char name[DEAD_LETTER_NAME_BYTES];
    bool letter = event->place.letters != 0;
    if (letter)
        name_of(&event->place, name);
    return capture_read_body(&self->capture->slots[event->place.position.slot], &event->event,
                             letter ? name : NULL, fault);
}

replayed_t *selection_replayed(const selection_t *self)
{
    return tenants_replayed(self->tenants);
}

selection_figures_t selection_figures(const selection_t *self)
{
    selection_figures_t figures = {.homeless = self->homeless};
    if (self->walk) {
        walk_figures_t walked = walk_figures(self->walk);
        figures.damaged = walked.damaged;
        figures.gone = walked.gone;
    } else {
        figures.damaged = letter_walk_damaged(self->letters);
    }
    return figures;
}
