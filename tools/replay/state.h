/* state: the file that a replay leaves when it is stopped, so that it can be resumed.
 *
 * It says how far the replay is, with nothing open before that place, and what it did up to there.
 * It is written as a whole, so that it holds the last state or the one before.  Blocks for the
 * disk, briefly.  One owner, one thread. */
#ifndef POSTCALL_TOOLS_REPLAY_STATE_H
#define POSTCALL_TOOLS_REPLAY_STATE_H

#include "common/base/digest.h"
#include "common/base/fault.h"
#include "common/base/file_io.h"
#include "proto/wire.h"

typedef struct {
    wire_view_t sink;
    uint64_t done;
    uint64_t retried;
    uint64_t dead;
} state_sink_t;

typedef struct {
    wire_view_t arguments; /* DIGEST_BYTES of what the replay was asked for */
    wire_view_t slot;      /* path */
    uint64_t segment;      /* ordinal; 0: of letters */
    uint64_t offset;
    wire_view_t event_id; /* of letters: the last event that is done with, or empty */
    uint64_t settled;     /* events */
    uint64_t marked;      /* dead letters */
    wire_list_t sinks;    /* state_sink_t */
} state_t;

/* 0, or -1: the file is as it was. */
int state_save(const char *path, const state_t *state, file_durability_t durability,
               fault_t *fault);

typedef struct {
    char *bytes;
    wire_memory_t memory;
} state_memory_t;

/* 0; *state has views into `memory`.  1: there is no such file; -1: it is none of ours. */
int state_load(const char *path, state_t *state, state_memory_t *memory, fault_t *fault);
void state_memory_free(state_memory_t *memory);

/* The replay has come to its end. */
void state_remove(const char *path);

#endif
