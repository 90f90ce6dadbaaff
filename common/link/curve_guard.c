#include "common/link/curve_guard.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/random.h"
#include "common/link/curve_keys.h"

#include <czmq.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Where libzmq asks (https://rfc.zeromq.org/spec/27/). */
#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define ZAP_VERSION  "1.0"
/* The parts of a request. */
enum {
    ZAP_AT_VERSION,
    ZAP_AT_ID,
    ZAP_AT_DOMAIN,
    ZAP_AT_ADDRESS,
    ZAP_AT_IDENTITY,
    ZAP_AT_MECHANISM,
    ZAP_AT_KEY,
    ZAP_PARTS
};

/* What the owner tells the thread. */
#define END             "END"
#define SERVE           "SERVE"
#define WATCH_BOUND     "WATCH BOUND"
#define WATCH_CONNECTED "WATCH CONNECTED"

/* Allowed keys are read from disk at most so often. */
#define FRESH_MS 1000
#define TELL_MS  1000
/* A tenant-resolver serves three stages. */
#define STAGES_MAX  8
#define WATCHES_MAX 256
#define WATCHED                                                                                    \
    (ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |                       \
     ZMQ_EVENT_MONITOR_STOPPED)

typedef struct {
    char stage[64];
    curve_keys_t keys;
    int64_t read_ms; /* 0: never */
} allowed_t;

typedef struct {
    zsock_t *events;
    bool bound;
} watch_t;

struct curve_guard_t {
    pthread_t thread;
    zsock_t *owner; /* the owner's end of `pipe` */
    const char *directory;
    atomic_size_t watched; /* sockets whose events somebody hears */
    metric_t *unknown_keys, *failed_in, *failed_out;
    /* The thread's from here on. */
    zsock_t *pipe;
    zsock_t *zap; /* NULL until it serves */
    allowed_t allowed[STAGES_MAX];
    size_t stages;
    watch_t watches[WATCHES_MAX];
    size_t watch_count;
    log_throttle_t told_unknown, told_failed_in, told_failed_out, told_unreadable;
};

/* Who is let in. */

static void refresh(curve_guard_t *self, allowed_t *allowed)
{
    fault_t fault = {{0}};
    int64_t now_ms = clock_now_ms();
    if (allowed->read_ms != 0 && now_ms - allowed->read_ms < FRESH_MS)
        return;
    allowed->read_ms = now_ms;
    int status = curve_keys_read_public(self->directory, CURVE_WORKERS, allowed->stage,
                                        &allowed->keys, &fault);
    bool wrong = status != 0 || allowed->keys.ignored > 0;
    if (wrong && log_allow(&self->told_unreadable, TELL_MS, NULL))
        log_line(LOG_LEVEL_WARN, "allowed keys cannot be read, ignoring them",
                 LOG_TEXT("stage", allowed->stage), LOG_NUMBER("files", allowed->keys.ignored),
                 LOG_TEXT("reason", status ? fault.text : NULL));
}

static allowed_t *allowed_of(curve_guard_t *self, const char *stage)
{
    for (size_t i = 0; i < self->stages; i++) {
        if (strcmp(self->allowed[i].stage, stage) == 0)
            return &self->allowed[i];
    }
    if (self->stages == STAGES_MAX || strlen(stage) >= sizeof(self->allowed[0].stage))
        return NULL;
    allowed_t *allowed = &self->allowed[self->stages++];
    snprintf(allowed->stage, sizeof(allowed->stage), "%s", stage);
    return allowed;
}

static bool lets_in(curve_guard_t *self, const char *stage, const uint8_t *key)
{
    allowed_t *allowed = allowed_of(self, stage);
    if (!allowed)
        return false;
    refresh(self, allowed);
    for (size_t i = 0; i < allowed->keys.count; i++) {
        if (memcmp(allowed->keys.keys[i], key, CURVE_KEY_BYTES) == 0)
            return true;
    }
    return false;
}

static void tell_of_unknown(curve_guard_t *self, const char *stage, const char *address,
                            const uint8_t *key)
{
    char fingerprint[CURVE_FINGERPRINT_BYTES];
    uint64_t more = 0;
    metric_add(self->unknown_keys, 1);
    if (!log_allow(&self->told_unknown, TELL_MS, &more))
        return;
    curve_fingerprint(key, fingerprint);
    log_line(LOG_LEVEL_WARN, "a connection was refused: its key is not allowed, ignoring it",
             LOG_TEXT("stage", stage), LOG_TEXT("address", address), LOG_TEXT("key", fingerprint),
             LOG_NUMBER("more", more));
}

static void copy_text(zframe_t *frame, char *text, size_t size)
{
    snprintf(text, size, "%.*s", (int)zframe_size(frame), (const char *)zframe_data(frame));
}

/* An IPv4 address as it is written, where an IPv6 socket took the connection. */
static const char *plain_address(const char *address)
{
    static const char mapped[] = "::ffff:";
    bool is_v4 = strncmp(address, mapped, strlen(mapped)) == 0 && strchr(address, '.');
    return is_v4 ? address + strlen(mapped) : address;
}

/* True when the request is to be granted. */
static bool judge(curve_guard_t *self, zframe_t *const parts[ZAP_PARTS])
{
    char stage[64], address[64];
    copy_text(parts[ZAP_AT_DOMAIN], stage, sizeof(stage));
    copy_text(parts[ZAP_AT_ADDRESS], address, sizeof(address));
    if (!zframe_streq(parts[ZAP_AT_MECHANISM], "CURVE") ||
        zframe_size(parts[ZAP_AT_KEY]) != CURVE_KEY_BYTES)
        return false;
    if (lets_in(self, stage, zframe_data(parts[ZAP_AT_KEY])))
        return true;
    tell_of_unknown(self, stage, plain_address(address), zframe_data(parts[ZAP_AT_KEY]));
    return false;
}

static void answer_zap(curve_guard_t *self)
{
    zframe_t *parts[ZAP_PARTS];
    zmsg_t *request = zmsg_recv(self->zap);
    if (!request)
        return;
    size_t count = 0;
    for (zframe_t *part = zmsg_first(request); part && count < ZAP_PARTS; part = zmsg_next(request))
        parts[count++] = part;
    bool whole = count == ZAP_PARTS && zframe_streq(parts[ZAP_AT_VERSION], ZAP_VERSION);
    bool granted = whole && judge(self, parts);
    zmsg_t *reply = zmsg_new();
    zmsg_addstr(reply, ZAP_VERSION);
    zmsg_addmem(reply, whole ? zframe_data(parts[ZAP_AT_ID]) : NULL,
                whole ? zframe_size(parts[ZAP_AT_ID]) : 0);
    zmsg_addstr(reply, granted ? "200" : "400");
    zmsg_addstr(reply, granted ? "OK" : "not allowed");
    zmsg_addstr(reply, ""); /* no user, no metadata */
    zmsg_addmem(reply, NULL, 0);
    zmsg_send(&reply, self->zap);
    zmsg_destroy(&request);
}

/* Handshakes that fail. */

static const char *reason_of(uint16_t event, uint32_t value)
{
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
        return "the key is not allowed there";
    if (value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
        return "the other end does not encrypt";
    if (value == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC)
        return "the other end expects another key here";
    return "the other end broke the handshake off";
}

static void tell_of_failed(curve_guard_t *self, const watch_t *watch, uint16_t event,
                           uint32_t value, const char *address)
{
    uint64_t more = 0;
    if (watch->bound && event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
        return; /* told by the one who refused it */
    metric_add(watch->bound ? self->failed_in : self->failed_out, 1);
    if (!log_allow(watch->bound ? &self->told_failed_in : &self->told_failed_out, TELL_MS, &more))
        return;
    log_line(LOG_LEVEL_WARN,
             watch->bound ? "a connection was refused: its handshake failed, ignoring it"
                          : "a source cannot be spoken to: the handshake failed, retrying",
             LOG_TEXT("endpoint", address), LOG_TEXT("reason", reason_of(event, value)),
             LOG_NUMBER("more", more));
}

/* False when the socket is gone. */
static bool hear_event(curve_guard_t *self, const watch_t *watch)
{
    zframe_t *what = zframe_recv(watch->events);
    char *address = what && zframe_more(what) ? zstr_recv(watch->events) : NULL;
    uint16_t event = ZMQ_EVENT_MONITOR_STOPPED;
    uint32_t value = 0;
    if (what && zframe_size(what) == sizeof(event) + sizeof(value)) {
        memcpy(&event, zframe_data(what), sizeof(event));
        memcpy(&value, zframe_data(what) + sizeof(event), sizeof(value));
    }
    if (event != ZMQ_EVENT_MONITOR_STOPPED)
        tell_of_failed(self, watch, event, value, address);
    zframe_destroy(&what);
    zstr_free(&address);
    return event != ZMQ_EVENT_MONITOR_STOPPED;
}

static void stop_watching(curve_guard_t *self, size_t index)
{
    zsock_destroy(&self->watches[index].events);
    self->watches[index] = self->watches[--self->watch_count];
    self->watched--;
}

/* The thread. */

/* False when the thread is to end. */
static bool obey(curve_guard_t *self)
{
    char *verb = NULL;
    void *events = NULL;
    int status = zsock_recv(self->pipe, "sp", &verb, &events);
    bool goes_on = status == 0 && strcmp(verb, END) != 0;
    if (goes_on && strcmp(verb, SERVE) == 0) {
        if (!self->zap)
            self->zap = zsock_new_rep("@" ZAP_ENDPOINT);
        zsock_signal(self->pipe, self->zap ? 0 : 1);
    } else if (goes_on) {
        self->watches[self->watch_count++] = (watch_t){events, strcmp(verb, WATCH_BOUND) == 0};
    }
    zstr_free(&verb);
    return goes_on;
}

static void wait_for_any(curve_guard_t *self, zmq_pollitem_t *items)
{
    size_t count = 0;
    items[count++] = (zmq_pollitem_t){.socket = zsock_resolve(self->pipe), .events = ZMQ_POLLIN};
    items[count++] =
        self->zap ? (zmq_pollitem_t){.socket = zsock_resolve(self->zap), .events = ZMQ_POLLIN}
                  : (zmq_pollitem_t){.fd = -1};
    for (size_t i = 0; i < self->watch_count; i++)
        items[count++] = (zmq_pollitem_t){.socket = zsock_resolve(self->watches[i].events),
                                          .events = ZMQ_POLLIN};
    (void)zmq_poll(items, (int)count, -1); /* interrupted: nothing is marked */
}

static void *guard(void *argument)
{
    curve_guard_t *self = argument;
    zmq_pollitem_t items[2 + WATCHES_MAX];
    bool goes_on = true;
    while (goes_on) {
        wait_for_any(self, items);
        /* Backwards, so that what takes the place of one that ends was looked at. */
        for (size_t i = self->watch_count; i-- > 0;) {
            if ((items[2 + i].revents & ZMQ_POLLIN) && !hear_event(self, &self->watches[i]))
                stop_watching(self, i);
        }
        if (items[1].revents & ZMQ_POLLIN)
            answer_zap(self);
        if (items[0].revents & ZMQ_POLLIN)
            goes_on = obey(self);
    }
    while (self->watch_count > 0)
        stop_watching(self, self->watch_count - 1);
    if (self->zap)
        (void)zsock_unbind(self->zap, ZAP_ENDPOINT); /* closing alone would do so later */
    zsock_destroy(&self->zap);
    zsock_destroy(&self->pipe);
    return NULL;
}

/* The owner's side. */

static void make_metrics(curve_guard_t *self, const char *daemon, metrics_t *metrics)
{
    char name[METRICS_NAME_BYTES];
    if (!metrics)
        return;
    metrics_name(daemon, "connections_refused_total", name);
    const char *help = "Connections of workers that were not let in.";
    self->unknown_keys =
        metrics_counter(metrics, name, help, METRIC_LABELS({"reason", "unknown_key"}));
    self->failed_in = metrics_counter(metrics, name, help, METRIC_LABELS({"reason", "handshake"}));
    metrics_name(daemon, "handshakes_failed_total", name);
    self->failed_out = metrics_counter(metrics, name,
                                       "Connections to sources that were not let in, or found "
                                       "another key than was known.",
                                       NULL);
}

/* All signals are blocked in the thread: they belong to the one that main gave them to. */
static int start(curve_guard_t *self)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&self->thread, NULL, guard, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

curve_guard_t *curve_guard_new(const char *directory, const char *name, metrics_t *metrics,
                               fault_t *fault)
{
    curve_guard_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    self->directory = directory;
    make_metrics(self, name, metrics);
    self->owner = zsys_create_pipe(&self->pipe);
    int error = start(self);
    if (error != 0) {
        fault_set_errno(fault, error, "cannot start a thread");
        zsock_destroy(&self->owner);
        zsock_destroy(&self->pipe);
        free(self);
        return NULL;
    }
    return self;
}

void curve_guard_destroy(curve_guard_t **self_p)
{
    curve_guard_t *self = *self_p;
    if (!self)
        return;
    (void)zsock_send(self->owner, "sp", END, NULL);
    pthread_join(self->thread, NULL);
    zsock_destroy(&self->owner);
    free(self);
    *self_p = NULL;
}

int curve_guard_serve(curve_guard_t *self, fault_t *fault)
{
    if (zsock_send(self->owner, "sp", SERVE, NULL) == 0 && zsock_wait(self->owner) == 0)
        return 0;
    return fault_set(fault, "somebody else in this process decides who is let in");
}

/* The reader is there before the first event, takes any number, and stays until the last: else the
 * one who writes them would wait, and that is libzmq's own thread. */
static zsock_t *hear_of(void *socket, int what)
{
    char endpoint[64];
    /* A name of its own: that of a guard which is gone may be held for a while by libzmq. */
    snprintf(endpoint, sizeof(endpoint), "inproc://curve-guard-%016llx",
             (unsigned long long)random_bits());
    zsock_t *events = zsock_new(ZMQ_PAIR);
    if (!events)
        return NULL;
    zsock_set_rcvhwm(events, 0);
    if (zmq_socket_monitor(socket, endpoint, what) == 0) {
        if (zsock_connect(events, "%s", endpoint) == 0)
            return events;
        curve_guard_unwatch(socket);
    }
    zsock_destroy(&events);
    return NULL;
}

void curve_guard_watch(curve_guard_t *self, void *socket, bool bound)
{
    if (self->watched == WATCHES_MAX)
        return;
    /* A worker is told nothing but that the other end has closed the connection. */
    zsock_t *events = hear_of(socket, WATCHED | (bound ? 0 : ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL));
    if (!events)
        return;
    self->watched++;
    (void)zsock_send(self->owner, "sp", bound ? WATCH_BOUND : WATCH_CONNECTED, events);
}

void curve_guard_unwatch(void *socket)
{
    (void)zmq_socket_monitor(socket, NULL, 0);
}
