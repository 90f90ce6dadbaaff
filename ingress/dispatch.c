#include "ingress/dispatch.h"

#include "common/number_map.h"
#include "proto/routes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Run-outs after which an event is a suspect. */
#define SUSPECT_RUN_OUTS 2

typedef struct {
    pair_t *first, *last;
    uint64_t count;
} pair_list_t;

typedef struct {
    pair_list_t lists[PAIR_SETTLED]; /* by state; none and settled have no list */
    uint64_t window_bytes;           /* of waiting and leased pairs */
    int64_t next_due_ms;             /* no deferred pair is due before this */
    bool paused;
    int64_t probe_at_ms;
    int64_t probe_wait_ms;
    uint64_t probe_number; /* the lease that probes, or 0 */
    pair_t *alone;         /* the suspect that is out, or NULL */
    bool suspect_turn;     /* a fresh event succeeded since the last suspect went */
    int64_t suspect_went_ms;
    bool stuck;
    uint64_t run_outs, retries, done, dead;
} sink_t;

struct dispatch_t {
    dispatch_options_t options;
    size_t sink_count;
    number_map_t entries;
    sink_t sinks[MESSAGE_SINKS_MAX];
};

dispatch_t *dispatch_new(const dispatch_options_t *options, size_t sinks, fault_t *fault)
{
    assert(sinks <= MESSAGE_SINKS_MAX);
    dispatch_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    self->options = *options;
    self->sink_count = sinks;
    return self;
}

static void free_entry(const dispatch_t *self, entry_t *entry)
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

entry_t *dispatch_find(const dispatch_t *self, uint64_t sequence)
{
    return number_map_get(&self->entries, sequence);
}

/* States. */

static bool in_window(pair_state_t state)
{
    return state == PAIR_WAITING || state == PAIR_LEASED;
}

static bool is_open(pair_state_t state)
{
    return state != PAIR_NONE && state != PAIR_SETTLED;
}

static void list_append(pair_list_t *list, pair_t *pair)
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

static void list_remove(pair_list_t *list, pair_t *pair)
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

static void move_to(dispatch_t *self, pair_t *pair, pair_state_t state)
{
    sink_t *sink = &self->sinks[pair->sink];
    entry_t *entry = pair->entry;
    if (is_open(pair->state)) {
        list_remove(&sink->lists[pair->state], pair);
        entry->open--;
    }
    if (in_window(pair->state))
        sink->window_bytes -= entry->bytes;
    if (sink->alone == pair && state != PAIR_LEASED)
        sink->alone = NULL;
    pair->state = state;
    if (is_open(state)) {
        list_append(&sink->lists[state], pair);
        entry->open++;
    }
    if (in_window(state))
        sink->window_bytes += entry->bytes;
}

static entry_t *entry_new(dispatch_t *self, const journal_event_t *event)
{
    entry_t *entry = calloc(1, sizeof(*entry) + self->sink_count * sizeof(pair_t));
    if (!entry)
        return NULL;
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

static entry_t *find_or_new(dispatch_t *self, const journal_event_t *event)
{
    entry_t *entry = dispatch_find(self, event->sequence);
    return entry ? entry : entry_new(self, event);
}

entry_t *dispatch_admit(dispatch_t *self, const journal_event_t *event, size_t sink)
{
    entry_t *entry = find_or_new(self, event);
    if (entry && entry->pairs[sink].state == PAIR_NONE)
        move_to(self, &entry->pairs[sink], PAIR_WAITING);
    return entry;
}

static void start_dying(dispatch_t *self, pair_t *pair, const char *reason, wire_view_t detail)
{
    self->sinks[pair->sink].dead++;
    pair->dead_reason = reason;
    free(pair->dead_detail);
    pair->dead_detail = detail.bytes ? strndup(detail.bytes, detail.length) : NULL;
    move_to(self, pair, PAIR_DYING);
}

entry_t *dispatch_admit_dying(dispatch_t *self, const journal_event_t *event, size_t sink,
                              const char *reason, const char *detail)
{
    entry_t *entry = find_or_new(self, event);
    if (entry && entry->pairs[sink].state == PAIR_NONE)
        start_dying(self, &entry->pairs[sink], reason, wire_view(detail));
    return entry;
}

bool dispatch_release(dispatch_t *self, entry_t *entry)
{
    if (entry->open > 0)
        return false;
    number_map_take(&self->entries, entry->sequence);
    free_entry(self, entry);
    return true;
}

/* What may be given. */

static bool window_has_room(const dispatch_t *self, const sink_t *sink, uint64_t bytes)
{
    uint64_t events = sink->lists[PAIR_WAITING].count + sink->lists[PAIR_LEASED].count;
    if (events == 0)
        return true; /* however large */
    return events < self->options.window_events &&
           sink->window_bytes + bytes <= self->options.window_bytes;
}

static bool held_apart_is_full(const dispatch_t *self, const sink_t *sink)
{
    return sink->lists[PAIR_DEFERRED].count >= self->options.deferred_max ||
           sink->lists[PAIR_SUSPECT].count >= self->options.suspects_max;
}

/* The suspect whose turn it is: the one that was tried alone least, in order. */
static pair_t *due_suspect(const sink_t *sink, int64_t now_ms)
{
    pair_t *best = NULL;
    for (pair_t *pair = sink->lists[PAIR_SUSPECT].first; pair; pair = pair->next) {
        if (pair->due_ms <= now_ms && (!best || pair->alone_run_outs < best->alone_run_outs))
            best = pair;
        if (best && best->alone_run_outs == 0)
            break;
    }
    return best;
}

/* True while fresh events may go at all. */
static bool is_flowing(const sink_t *sink, int64_t now_ms)
{
    if (sink->alone)
        return false;
    return !sink->paused || (now_ms >= sink->probe_at_ms && sink->probe_number == 0);
}

/* True when a suspect is to go as soon as nothing else is out: fresh events wait for that. */
static bool suspect_is_next(const dispatch_t *self, const sink_t *sink, int64_t now_ms,
                            bool fresh_waits)
{
    if (sink->lists[PAIR_SUSPECT].count == 0)
        return false;
    bool turn =
        sink->suspect_turn && now_ms - sink->suspect_went_ms >= self->options.suspect_interval_ms;
    return (turn || !fresh_waits) && due_suspect(sink, now_ms);
}

give_t dispatch_next(const dispatch_t *self, size_t index, int64_t now_ms, bool fresh_waits,
                     pair_t **pair)
{
    const sink_t *sink = &self->sinks[index];
    if (!is_flowing(sink, now_ms))
        return GIVE_NOTHING;
    bool waiting = sink->lists[PAIR_WAITING].count > 0;
    if (suspect_is_next(self, sink, now_ms, fresh_waits || waiting)) {
        if (sink->lists[PAIR_LEASED].count > 0)
            return GIVE_NOTHING;
        *pair = due_suspect(sink, now_ms);
        return GIVE_SUSPECT;
    }
    if (waiting) {
        *pair = sink->lists[PAIR_WAITING].first;
        return GIVE_WAITING;
    }
    return fresh_waits ? GIVE_FRESH : GIVE_NOTHING;
}

bool dispatch_may_give(const dispatch_t *self, const pair_t *pair, int64_t now_ms)
{
    const sink_t *sink = &self->sinks[pair->sink];
    return pair->state == PAIR_WAITING && is_flowing(sink, now_ms) &&
           !suspect_is_next(self, sink, now_ms, true);
}

bool dispatch_may_admit(const dispatch_t *self, size_t index, uint64_t bytes, int64_t now_ms)
{
    const sink_t *sink = &self->sinks[index];
    return is_flowing(sink, now_ms) && window_has_room(self, sink, bytes) &&
           !held_apart_is_full(self, sink) && !suspect_is_next(self, sink, now_ms, true);
}

void dispatch_leased(dispatch_t *self, pair_t *pair, uint64_t number, bool alone, int64_t now_ms)
{
    sink_t *sink = &self->sinks[pair->sink];
    move_to(self, pair, PAIR_LEASED);
    pair->tries++;
    pair->number = number;
    pair->alone = alone;
    pair->due_ms = now_ms + self->options.ack_wait_ms;
    if (sink->paused)
        sink->probe_number = number;
    if (alone) {
        sink->alone = pair;
        sink->suspect_turn = false;
        sink->suspect_went_ms = now_ms;
    }
}

/* Pausing. */

/* The lease that probed a paused sink is over without an answer about the sink. */
static void end_probe(sink_t *sink, const pair_t *pair)
{
    if (sink->probe_number == pair->number)
        sink->probe_number = 0;
}

static void resume(sink_t *sink)
{
    sink->paused = false;
    sink->probe_number = 0;
    sink->probe_wait_ms = 0;
}

/* The probe answered something about its own event: the sink itself works. */
static void heard_from(sink_t *sink, const pair_t *pair)
{
    if (sink->paused && sink->probe_number == pair->number)
        resume(sink);
}

static void pause_sink(const dispatch_t *self, sink_t *sink, const pair_t *pair, int64_t now_ms)
{
    if (sink->paused && sink->probe_number != pair->number)
        return; /* one of those that were out when it began: the probe decides */
    sink->probe_number = 0;
    sink->probe_wait_ms =
        sink->probe_wait_ms ? sink->probe_wait_ms * 2 : self->options.probe_base_ms;
    if (sink->probe_wait_ms > self->options.probe_max_ms)
        sink->probe_wait_ms = self->options.probe_max_ms;
    sink->paused = true;
    sink->probe_at_ms = now_ms + sink->probe_wait_ms;
}

/* What comes back. */

static bool is_current(const pair_t *pair, uint64_t number)
{
    return pair->state == PAIR_LEASED && pair->number == number;
}

static bool is_suspect(const pair_t *pair)
{
    return pair->run_outs >= SUSPECT_RUN_OUTS;
}

act_t dispatch_done(dispatch_t *self, pair_t *pair)
{
    sink_t *sink = &self->sinks[pair->sink];
    if (!is_open(pair->state))
        return ACT_NOTHING;
    if (!is_suspect(pair))
        sink->suspect_turn = true;
    sink->done++;
    sink->stuck = false;
    resume(sink);
    move_to(self, pair, PAIR_SETTLED);
    return ACT_SETTLE;
}

void dispatch_working(dispatch_t *self, pair_t *pair, uint64_t number, int64_t now_ms)
{
    if (!is_current(pair, number))
        return;
    move_to(self, pair, PAIR_LEASED); /* to the end: the list is in order of deadlines */
    pair->due_ms = now_ms + self->options.ack_wait_ms;
}

static act_t bury(dispatch_t *self, pair_t *pair, const char *reason, wire_view_t detail)
{
    start_dying(self, pair, reason, detail);
    return ACT_BURY;
}

static bool is_unknown_too_long(const dispatch_t *self, entry_t *entry,
                                const message_outcome_t *outcome, int64_t now_ms)
{
    if (!wire_equals(outcome->reason, DEAD_UNKNOWN_AGENT))
        return false;
    if (entry->unknown_since_ms == 0)
        entry->unknown_since_ms = now_ms;
    return now_ms - entry->unknown_since_ms >= self->options.unknown_agent_ms;
}

static int64_t defer_delay(const dispatch_t *self, const pair_t *pair,
                           const message_outcome_t *outcome)
{
    int64_t longest_ms = self->options.defer_max_ms;
    if (outcome->delay_ms > 0)
        return outcome->delay_ms < (uint64_t)longest_ms ? (int64_t)outcome->delay_ms : longest_ms;
    int64_t delay_ms = self->options.defer_base_ms;
    for (uint32_t i = 1; i < pair->tries && delay_ms < longest_ms; i++)
        delay_ms *= 2;
    return delay_ms < longest_ms ? delay_ms : longest_ms;
}

static void defer(dispatch_t *self, pair_t *pair, int64_t until_ms)
{
    sink_t *sink = &self->sinks[pair->sink];
    pair->due_ms = until_ms;
    if (is_suspect(pair)) {
        move_to(self, pair, PAIR_SUSPECT);
        return;
    }
    if (sink->lists[PAIR_DEFERRED].count == 0 || until_ms < sink->next_due_ms)
        sink->next_due_ms = until_ms;
    move_to(self, pair, PAIR_DEFERRED);
}

/* Back to where it came from, to be given again at once. */
static void hand_back(dispatch_t *self, pair_t *pair, int64_t now_ms)
{
    pair->due_ms = now_ms;
    move_to(self, pair, is_suspect(pair) ? PAIR_SUSPECT : PAIR_WAITING);
}

act_t dispatch_retry(dispatch_t *self, pair_t *pair, const message_outcome_t *outcome,
                     int64_t now_ms)
{
    sink_t *sink = &self->sinks[pair->sink];
    if (!is_current(pair, outcome->number))
        return ACT_NOTHING;
    sink->retries++;
    if (wire_equals(outcome->scope, SCOPE_SINK)) {
        pause_sink(self, sink, pair, now_ms);
        hand_back(self, pair, now_ms);
        return ACT_NOTHING;
    }
    heard_from(sink, pair);
    if (is_unknown_too_long(self, pair->entry, outcome, now_ms))
        return bury(self, pair, DEAD_UNKNOWN_AGENT, outcome->detail);
    defer(self, pair, now_ms + defer_delay(self, pair, outcome));
    return ACT_NOTHING;
}

act_t dispatch_dead(dispatch_t *self, pair_t *pair, const message_outcome_t *outcome)
{
    if (!is_current(pair, outcome->number))
        return ACT_NOTHING;
    heard_from(&self->sinks[pair->sink], pair);
    const char *reason = route_dead_reason(outcome->reason);
    return bury(self, pair, reason ? reason : DEAD_REJECTED, outcome->detail);
}

/* The only kind of run-out that says something about the event. */
static act_t run_out_alone(dispatch_t *self, pair_t *pair, int64_t now_ms)
{
    sink_t *sink = &self->sinks[pair->sink];
    if (pair->alone_run_outs++ == 0) {
        pair->suspect_since_ms = now_ms;
        pair->successes_before = sink->done;
    }
    bool used_up = pair->alone_run_outs >= self->options.max_deliver &&
                   now_ms - pair->suspect_since_ms >= self->options.max_deliver_ms;
    if (used_up && sink->done > pair->successes_before)
        return bury(self, pair, DEAD_MAX_DELIVER, (wire_view_t){0});
    if (used_up)
        sink->stuck = true;
    /* Spread the tries over the time, so that fresh events flow meanwhile. */
    pair->due_ms = now_ms + self->options.max_deliver_ms / (int64_t)self->options.max_deliver;
    move_to(self, pair, PAIR_SUSPECT);
    return ACT_NOTHING;
}

act_t dispatch_lost(dispatch_t *self, pair_t *pair, uint64_t number, int64_t now_ms)
{
    sink_t *sink = &self->sinks[pair->sink];
    if (!is_current(pair, number))
        return ACT_NOTHING;
    sink->run_outs++;
    pair->run_outs++;
    end_probe(sink, pair);
    if (pair->alone)
        return run_out_alone(self, pair, now_ms);
    hand_back(self, pair, now_ms);
    return ACT_NOTHING;
}

bool dispatch_buried(dispatch_t *self, pair_t *pair)
{
    if (pair->state != PAIR_DYING)
        return false;
    move_to(self, pair, PAIR_SETTLED);
    return true;
}

void dispatch_abandon(dispatch_t *self, pair_t *pair)
{
    move_to(self, pair, PAIR_SETTLED);
}

pair_t *dispatch_unburied(const dispatch_t *self, size_t sink)
{
    pair_t *pair = self->sinks[sink].lists[PAIR_DYING].first;
    while (pair && pair->burying)
        pair = pair->next;
    return pair;
}

static void wake_deferred(dispatch_t *self, sink_t *sink, int64_t now_ms)
{
    if (sink->lists[PAIR_DEFERRED].count == 0 || now_ms < sink->next_due_ms)
        return;
    sink->next_due_ms = INT64_MAX;
    for (pair_t *pair = sink->lists[PAIR_DEFERRED].first, *next; pair; pair = next) {
        next = pair->next;
        if (pair->due_ms <= now_ms)
            move_to(self, pair, PAIR_WAITING);
        else if (pair->due_ms < sink->next_due_ms)
            sink->next_due_ms = pair->due_ms;
    }
}

pair_t *dispatch_tick(dispatch_t *self, size_t index, int64_t now_ms)
{
    sink_t *sink = &self->sinks[index];
    wake_deferred(self, sink, now_ms);
    for (pair_t *pair = sink->lists[PAIR_LEASED].first; pair && pair->due_ms <= now_ms;
         pair = sink->lists[PAIR_LEASED].first) {
        if (dispatch_lost(self, pair, pair->number, now_ms) == ACT_BURY)
            return pair;
    }
    return NULL;
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
        .held_apart_full = held_apart_is_full(self, sink),
    };
    for (pair_state_t state = PAIR_WAITING; state < PAIR_SETTLED; state++)
        figures->oldest_received_us = older_of(&sink->lists[state], figures->oldest_received_us);
}
