/* hop_sides: the two sides of a hop for tests: a source and workers over real sockets of
 * 127.0.0.1, each with a list of what it heard, and a bare socket that says what it likes.
 *
 * Their clock is the test's: nothing pings or times out but by sides_pass.  Waiting is for sockets
 * alone: SIDES_UNTIL turns the sides until something holds, and fails the test after 100 s. */
#ifndef POSTCALL_TESTS_HOP_SIDES_H
#define POSTCALL_TESTS_HOP_SIDES_H

#include "common/link/source.h"
#include "common/link/worker.h"
#include "proto/timing.h"

#define SIDES_MAX 8
/* Turns of at most 2 ms for which the test's time stands still in SIDES_PASS_UNTIL. */
#define SIDES_TURNS_OF_A_PING 60

/* What a source said of a lease, copied. */
typedef struct {
    source_input_kind_t kind;
    source_peer_t peer;
    size_t sink;
    uint64_t number;
    uint64_t tag; /* sequence of the event that was leased */
    bool settles;
    uint64_t sequence; /* of an outcome, as the rest; of the first event of a resolution */
    uint64_t delay_ms;
    char outcome[16];
    char scope[16];
    char reason[MESSAGE_REASON_BYTES_MAX + 1];
    char detail[MESSAGE_DETAIL_BYTES_MAX + 1];
    size_t events;   /* in a resolution */
    char tenant[64]; /* business:location of its first event */
} side_heard_t;

typedef struct {
    source_t *source;
    int64_t *now_ms;
    side_heard_t *heard;
    size_t count, capacity;
    bool deaf; /* takes no turn: stopped, or hanging */
} side_source_t;

typedef struct {
    worker_t *worker;
    int64_t *now_ms;
    worker_event_t **events; /* given to us, in order; NULL when reported */
    size_t count, capacity;
    size_t gos, agains, resets, refused;
    uint64_t go_sequence; /* of the last go */
    char go_tenant[64];
    bool takes; /* calls worker_next */
    bool deaf;
} side_worker_t;

/* Options with the defaults of proto/timing.h. */
source_options_t side_source_options(const char *stage, const char *const *sinks);
worker_options_t side_worker_options(const char *stage, const char *const *sinks);

/* A source on any port, or at `endpoint`; a worker at one or several endpoints. */
void side_source_open(side_source_t *self, const source_options_t *options, int64_t *now_ms);
/* Restarts it at the same address: a new incarnation. */
void side_source_reopen(side_source_t *self, const source_options_t *options);
void side_source_close(side_source_t *self);
void side_worker_open(side_worker_t *self, const worker_options_t *options,
                      const char *const *endpoints, int64_t *now_ms);
void side_worker_close(side_worker_t *self);

/* One turn: hears all, flushes, ticks. */
void side_source_turn(side_source_t *self);
void side_worker_turn(side_worker_t *self);

/* How many inputs of a kind were heard. */
size_t side_count(const side_source_t *self, source_input_kind_t kind);
/* The nth (from 0) input of a kind, or NULL. */
const side_heard_t *side_nth(const side_source_t *self, source_input_kind_t kind, size_t n);

/* An event with everything that must be there; its id is made of the sequence. */
message_event_t side_event(uint64_t sequence);
/* Gives an event of `body_bytes` to whoever can take it for `mask`; false when nobody can. */
bool side_give(side_source_t *self, uint64_t sequence, uint32_t mask, size_t body_bytes,
               bool alone);

/* A bare socket, to say what a correct side never would: a worker's when connected, a source's when
 * bound. */
typedef struct {
    hop_t *hop;
    hop_message_t message; /* the last that was heard; its route is answered */
    bool held;
} side_bare_t;

void side_bare_connect(side_bare_t *self, const char *endpoint);
void side_bare_bind(side_bare_t *self);
void side_bare_close(side_bare_t *self);
void side_bare_say(side_bare_t *self, const char *type, const wire_table_t *table,
                   const void *message);
void side_bare_say_bytes(side_bare_t *self, const void *bytes, size_t length);
void side_bare_hello(side_bare_t *self, const char *instance, const char *stage, uint64_t version);
/* Hears one message; true when it was of this type, which then is decoded unless table is NULL. */
bool side_bare_hears(side_bare_t *self, const char *type, const wire_table_t *table, void *message,
                     wire_memory_t *memory);

/* Everything of a test that takes turns. */
typedef struct {
    int64_t now_ms;
    side_source_t *sources[SIDES_MAX];
    side_worker_t *workers[SIDES_MAX];
    size_t source_count, worker_count;
    void (*also)(void *context); /* another part that takes turns, or NULL */
    void *context;
} sides_t;

void sides_turn(sides_t *self);
/* Lets time pass in steps of a ping interval, each with some turns. */
void sides_pass(sides_t *self, int64_t ms);

int64_t sides_deadline(void);
/* Waits a moment for sockets; fails the test past the deadline. */
void sides_wait(sides_t *self, int64_t deadline, const char *what);

#define SIDES_UNTIL(sides, condition)                                                              \
    do {                                                                                           \
        int64_t deadline_ = sides_deadline();                                                      \
        sides_turn(sides);                                                                         \
        while (!(condition)) {                                                                     \
            sides_wait(sides, deadline_, #condition);                                              \
            sides_turn(sides);                                                                     \
        }                                                                                          \
    } while (0)

/* As SIDES_UNTIL, for what takes pings to find out: time passes as well, but slowly, since libzmq
 * takes its own time to notice and to connect again. */
#define SIDES_PASS_UNTIL(sides, condition)                                                         \
    do {                                                                                           \
        int64_t passing_ = sides_deadline();                                                       \
        for (int turn_ = 1; !(condition); turn_++) {                                               \
            sides_turn(sides);                                                                     \
            sides_wait(sides, passing_, #condition);                                               \
            if (turn_ % SIDES_TURNS_OF_A_PING == 0)                                                \
                sides_pass(sides, TIMING_PING_INTERVAL_MS);                                        \
        }                                                                                          \
    } while (0)

#endif
