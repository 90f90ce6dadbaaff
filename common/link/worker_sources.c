#include "common/link/worker_private.h"

#include "common/base/log.h"
#include "proto/endpoints.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A source is let go when so many look-ups in a row had other addresses but not its own: a server
 * may give only some of them, by turns. */
#define MISSED_MAX 3
/* A look-up that failed is made again sooner at first: the others of a stack may only be starting.
 */
#define FAILED_LOOKUP_MS 1000
/* "tcp://[", an address, "]:", a port */
#define ENDPOINT_BYTES (LOOKUP_ADDRESS_BYTES + 16)

worker_source_t *worker_next_source(const worker_t *self, const worker_source_t *source)
{
    size_t i = source ? (size_t)(source - self->sources) + 1 : 0;
    while (i < self->source_count && !self->sources[i].hop)
        i++;
    return i < self->source_count ? &self->sources[i] : NULL;
}

worker_source_t *worker_twin(const worker_t *self, const worker_source_t *source)
{
    worker_source_t *other = NULL;
    while ((other = worker_next_source(self, other))) {
        if (other != source && other->known && !other->leaving && source->incarnation_known &&
            memcmp(other->incarnation, source->incarnation, sizeof(source->incarnation)) == 0)
            return other;
    }
    return NULL;
}

/* Opening and closing. */

int worker_connect_source(worker_t *self, worker_source_t *source, fault_t *fault)
{
    const char *name =
        self->places[source->place].replay ? ENDPOINT_REPLAY_SOURCE : self->options.source;
    const curve_link_t link = {self->options.curve, name, source->attempt++};
    hop_t *hop = hop_connect(source->endpoint, &link, fault);
    if (!hop)
        return -1;
    hop_destroy(&source->hop);
    source->hop = hop;
    source->heard = false;
    source->connected_ms = self->now_ms;
    return 0;
}

static bool holds_of(const worker_t *self, const worker_source_t *source)
{
    size_t index = (size_t)(source - self->sources);
    for (const worker_event_t *event = self->first; event; event = event->next) {
        if (event->source == index)
            return true;
    }
    return false;
}

/* A place of the table that nobody refers to; NULL when there is none. */
static worker_source_t *free_place(worker_t *self)
{
    for (size_t i = 0; i < WORKER_SOURCES_MAX; i++) {
        if (!self->sources[i].hop && !holds_of(self, &self->sources[i]))
            return &self->sources[i];
    }
    return NULL;
}

static void close_source(worker_source_t *source)
{
    worker_free_reports(source);
    free(source->endpoint);
    hop_destroy(&source->hop);
    *source = (worker_source_t){.reset = source->reset};
}

/* NULL with a fault. */
static worker_source_t *add_source(worker_t *self, size_t place, const char *endpoint,
                                   fault_t *fault)
{
    worker_source_t *source = free_place(self);
    if (!source) {
        fault_set(fault, "more than %d addresses to connect to", WORKER_SOURCES_MAX);
        return NULL;
    }
    *source = (worker_source_t){
        .endpoint = strdup(endpoint),
        .place = place,
        .heard_ms = self->now_ms,
        .hello_due = true,
        .stranger = self->places[place].named,
    };
    if (!source->endpoint)
        fault_set(fault, "out of memory");
    if (!source->endpoint || worker_connect_source(self, source, fault) != 0) {
        close_source(source);
        return NULL;
    }
    size_t index = (size_t)(source - self->sources);
    if (index >= self->source_count)
        self->source_count = index + 1;
    return source;
}

static int open_place(worker_t *self, size_t index, fault_t *fault)
{
    worker_place_t *place = &self->places[index];
    const worker_options_t *options = &self->options;
    place->replay = index >= options->endpoint_count - options->replay_count;
    place->endpoint = strdup(options->endpoints[index]);
    if (!place->endpoint)
        return fault_set(fault, "out of memory");
    place->named = address_endpoint_name(place->endpoint, &place->name);
    place->next_ms = self->now_ms;
    if (!place->named)
        return add_source(self, index, place->endpoint, fault) ? 0 : -1;
    if (!self->lookup)
        self->lookup = lookup_new(options->resolve, options->resolve_context, fault);
    return self->lookup ? 0 : -1;
}

static void make_metrics(worker_t *self)
{
    char name[METRICS_NAME_BYTES];
    if (!self->options.metrics)
        return;
    metrics_name(self->options.stage, "source_addresses", name);
    self->addresses =
        metrics_gauge(self->options.metrics, name, "Addresses where events are taken from.", NULL);
    metrics_name(self->options.stage, "sources_connected", name);
    self->answering =
        metrics_gauge(self->options.metrics, name, "Those of them that answer.", NULL);
    metrics_name(self->options.stage, "source_addresses_ignored_total", name);
    self->ignored = metrics_counter(self->options.metrics, name,
                                    "Addresses in answers that were too many to connect to.", NULL);
    metrics_name(self->options.stage, "source_lookups_failed_total", name);
    self->lookups_failed = metrics_counter(self->options.metrics, name,
                                           "Look-ups of names that gave no address.", NULL);
}

int worker_open_sources(worker_t *self, fault_t *fault)
{
    size_t count = self->options.endpoint_count;
    if (count == 0 || count > WORKER_SOURCES_MAX)
        return fault_set(fault, "%zu addresses to connect to; 1 to %d would do", count,
                         WORKER_SOURCES_MAX);
    make_metrics(self);
    self->sources = calloc(WORKER_SOURCES_MAX, sizeof(*self->sources));
    self->places = calloc(count, sizeof(*self->places));
    if (!self->sources || !self->places)
        return fault_set(fault, "out of memory");
    for (; self->place_count < count; self->place_count++) {
        if (open_place(self, self->place_count, fault) != 0) {
            self->place_count++; /* it may own something already */
            return -1;
        }
    }
    worker_follow_names(self);
    return 0;
}

void worker_close_sources(worker_t *self)
{
    for (size_t i = 0; i < self->source_count; i++)
        close_source(&self->sources[i]);
    for (size_t i = 0; i < self->place_count; i++)
        free(self->places[i].endpoint);
    lookup_destroy(&self->lookup);
    free(self->sources);
    free(self->places);
}

/* Following names. */

static void log_source(const char *message, const worker_t *self, const worker_source_t *source)
{
    log_line(LOG_LEVEL_INFO, message, LOG_TEXT("name", self->places[source->place].name.host),
             LOG_TEXT("address", source->endpoint));
}

static void make_endpoint(const worker_place_t *place, const char *address,
                          char endpoint[ENDPOINT_BYTES])
{
    bool v6 = strchr(address, ':') != NULL;
    snprintf(endpoint, ENDPOINT_BYTES, "tcp://%s%s%s:%s", v6 ? "[" : "", address, v6 ? "]" : "",
             place->name.port);
}

static worker_source_t *source_at(const worker_t *self, const char *endpoint)
{
    worker_source_t *source = NULL;
    while ((source = worker_next_source(self, source))) {
        if (strcmp(source->endpoint, endpoint) == 0)
            break;
    }
    return source;
}

static void tell_of_ignored(worker_t *self, worker_place_t *place, size_t ignored,
                            const fault_t *fault)
{
    metric_add(self->ignored, (double)ignored);
    if (ignored > 0 && !place->full)
        log_line(LOG_LEVEL_WARN, "a name has addresses that are not connected to, ignoring them",
                 LOG_TEXT("name", place->name.host), LOG_NUMBER("ignored", ignored),
                 LOG_TEXT("reason", fault->text));
    place->full = ignored > 0;
}

/* Connects to what is new; what is known already begins to count again. */
static void take_addresses(worker_t *self, size_t index, const lookup_answer_t *answer)
{
    worker_place_t *place = &self->places[index];
    size_t ignored = 0;
    fault_t fault = {{0}};
    for (size_t i = 0; i < answer->count; i++) {
        char endpoint[ENDPOINT_BYTES];
        make_endpoint(place, answer->addresses[i], endpoint);
        worker_source_t *source = source_at(self, endpoint);
        if (source) {
            source->missed = 0; /* one that is leaving comes back when it has left */
        } else if ((source = add_source(self, index, endpoint, &fault))) {
            log_source("a source has appeared", self, source);
        } else {
            ignored++;
        }
    }
    tell_of_ignored(self, place, ignored, &fault);
}

static void miss_the_others(worker_t *self, size_t place)
{
    worker_source_t *source = NULL;
    while ((source = worker_next_source(self, source))) {
        if (source->place != place || source->leaving || ++source->missed < MISSED_MAX)
            continue;
        log_source("the address of a source has vanished", self, source);
        source->leaving = true;
        source->bye_heard = false;
        worker_say_bye(self, source);
    }
}

/* Nobody there is no reason to leave those who were. */
static void keep_all(worker_t *self, worker_place_t *place, const lookup_answer_t *answer)
{
    metric_add(self->lookups_failed, 1);
    if (place->failures == 0)
        log_line(LOG_LEVEL_WARN, "a name has no address, retrying",
                 LOG_TEXT("name", place->name.host),
                 LOG_TEXT("reason", answer->fault.text[0] ? answer->fault.text : NULL));
    int64_t sooner_ms = place->failures < 8 ? FAILED_LOOKUP_MS << place->failures : INT64_MAX;
    if (sooner_ms < self->options.lookup_interval_ms)
        place->next_ms = self->now_ms + sooner_ms;
    place->failures++;
}

static void take_answer(worker_t *self, size_t index, const lookup_answer_t *answer)
{
    worker_place_t *place = &self->places[index];
    place->asked = false;
    place->next_ms = self->now_ms + self->options.lookup_interval_ms;
    if (answer->count == 0) {
        keep_all(self, place, answer);
    } else {
        place->failures = 0;
        if (!answer->cut)
            miss_the_others(self, index);
        take_addresses(self, index, answer);
    }
}

static void ask(worker_t *self, size_t index)
{
    worker_place_t *place = &self->places[index];
    lookup_answer_t unasked = {0};
    if (!place->named || place->asked || self->now_ms < place->next_ms)
        return;
    place->asked = true;
    if (lookup_ask(self->lookup, place->name.host, index, &unasked.fault) != 0)
        take_answer(self, index, &unasked);
}

/* True once nothing is owed either way; what a source that is gone would have been told is kept
 * for as long as it might only be silent. */
static bool has_left(const worker_t *self, const worker_source_t *source)
{
    bool gone = !source->known && self->now_ms - source->heard_ms > self->options.source_silence_ms;
    return source->leaving && source->bye_heard &&
           (gone || (source->report_count == 0 && !holds_of(self, source)));
}

static void let_go(worker_t *self, worker_source_t *source)
{
    log_source("left a source", self, source);
    source->reset = holds_of(self, source); /* no `go` comes any more */
    if (source->known)
        worker_source_lost(self, source);
    close_source(source);
}

static void count_sources(worker_t *self)
{
    size_t count = 0, known = 0;
    const worker_source_t *source = NULL;
    while ((source = worker_next_source(self, source))) {
        count++;
        known += source->known;
    }
    metric_set(self->addresses, (double)count);
    metric_set(self->answering, (double)known);
}

void worker_follow_names(worker_t *self)
{
    lookup_answer_t *answer;
    size_t place;
    while (self->lookup && (answer = lookup_take(self->lookup, &place))) {
        if (!self->draining)
            take_answer(self, place, answer);
        free(answer);
    }
    for (size_t i = 0; i < self->place_count && !self->draining; i++)
        ask(self, i);
    worker_source_t *source = NULL;
    while ((source = worker_next_source(self, source))) {
        if (has_left(self, source))
            let_go(self, source);
    }
    count_sources(self);
}
