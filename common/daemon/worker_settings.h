/* worker_settings: the settings that every worker has, and the worker made of them. */
#ifndef POSTCALL_COMMON_DAEMON_WORKER_SETTINGS_H
#define POSTCALL_COMMON_DAEMON_WORKER_SETTINGS_H

#include "common/daemon/settings.h"
#include "common/daemon/vitals.h"
#include "common/link/worker.h"
#include "proto/timing.h"

typedef struct {
    settings_list_t connect;
    int64_t capacity_events;
    int64_t capacity_bytes;
    int64_t ping_interval_ms;
    int64_t peer_silence_ms;
    int64_t working_interval_ms;
    int64_t lookup_interval_ms;
    int64_t drain_seconds;
} worker_settings_t;

/* The rows for worker_settings_t, to stand in a daemon's table. */
/* clang-format off */
#define WORKER_SETTINGS_ROWS(prefix, connect_fallback, from, structure, member)                    \
    {.name = prefix "_CONNECT", SETTING_ADDRESSES(structure, member.connect),                      \
     .fallback = connect_fallback,                                                                 \
     .help = "Where " from " is, as ZeroMQ endpoints; several, separated by commas. A name "       \
             "stands for all addresses that it has."},                                             \
    {.name = prefix "_LOOKUP_INTERVAL_MS",                                                         \
     SETTING_INTEGER(structure, member.lookup_interval_ms),                                        \
     .fallback = TIMING_TEXT(TIMING_LOOKUP_INTERVAL_MS), .min = 10, .max = 3600000,                \
     .help = "How often the names of neighbours are looked up, in milliseconds."},                 \
    {.name = prefix "_PING_INTERVAL_MS", SETTING_INTEGER(structure, member.ping_interval_ms),      \
     .fallback = TIMING_TEXT(TIMING_PING_INTERVAL_MS), .min = 10, .max = 60000,                    \
     .help = "How often neighbours are pinged, in milliseconds."},                                 \
    {.name = prefix "_PEER_SILENCE_MS", SETTING_INTEGER(structure, member.peer_silence_ms),        \
     .fallback = TIMING_TEXT(TIMING_PEER_SILENCE_MS), .min = 100, .max = 600000,                   \
     .help = "A neighbour that says nothing for so long is taken for gone."},                      \
    {.name = prefix "_WORKING_INTERVAL_MS", SETTING_INTEGER(structure, member.working_interval_ms),\
     .fallback = TIMING_TEXT(TIMING_WORKING_INTERVAL_MS), .min = 10, .max = 600000,                \
     .help = "How often the leases of events that wait here are extended; less than half of the "  \
             "ingress's ack wait."},                                                               \
    {.name = prefix "_DRAIN_SECONDS", SETTING_INTEGER(structure, member.drain_seconds),            \
     .fallback = "8", .min = 0, .max = 3600,                                                       \
     .help = "How long to finish what is held after SIGTERM."}

#define WORKER_CAPACITY_ROWS(prefix, events_fallback, bytes_fallback, structure, member)           \
    {.name = prefix "_CAPACITY_EVENTS", SETTING_INTEGER(structure, member.capacity_events),        \
     .fallback = events_fallback, .min = 1, .max = 60000,                                          \
     .help = "Events that this process holds at once."},                                           \
    {.name = prefix "_CAPACITY_BYTES", SETTING_BYTES(structure, member.capacity_bytes),            \
     .fallback = bytes_fallback, .min = 1024,                                                      \
     .help = "Bytes of events that this process holds at once; a larger one comes alone."}
/* clang-format on */

/* Rules across these settings, whose names begin with `prefix`.  0, or -1 and a fault. */
int worker_settings_check(const worker_settings_t *settings, const char *prefix, fault_t *fault);

/* Connects as a sink's only worker_t: its stage is the sink's name.  `sink` is borrowed for the
 * worker's life: the name, then NULL; so are metrics and keys. */
worker_t *worker_settings_connect(const worker_settings_t *settings, const char *const *sink,
                                  const vitals_t *vitals, int64_t now_ms, fault_t *fault);

#endif
