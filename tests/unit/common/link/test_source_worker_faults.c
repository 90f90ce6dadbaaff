#include "proto/routes.h"
#include "proto/timing.h"
#include "tests/unit/support/cut_proxy.h"
#include "tests/unit/support/hop_sides.h"
#include "tests/unit/support/scratch.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define STAGE "tester"

static const char *const sinks[] = {"red", NULL};
enum { RED = 1 };

static const worker_outcome_t done = {.outcome = OUTCOME_DONE};
static const worker_outcome_t working = {.outcome = OUTCOME_WORKING};
static const worker_outcome_t retry = {.outcome = OUTCOME_RETRY, .scope = SCOPE_EVENT};

/* A source and a worker, with a connection between them that can be cut. */
typedef struct {
    sides_t sides;
    source_options_t source_options;
    side_source_t source;
    side_worker_t worker;
    char directory[SCRATCH_PATH_BYTES];
    char endpoint[SCRATCH_PATH_BYTES + 16];
    cut_proxy_t *proxy;
} couple_t;

static void open_source(couple_t *self)
{
    *self = (couple_t){.sides = {.now_ms = 1000}};
    scratch_new(self->directory);
    snprintf(self->endpoint, sizeof(self->endpoint), "ipc://%s/hop", self->directory);
    self->source_options = side_source_options(STAGE, sinks);
    self->source_options.endpoint = self->endpoint;
    side_source_open(&self->source, &self->source_options, &self->sides.now_ms);
    self->sides.sources[self->sides.source_count++] = &self->source;
    self->proxy = cut_proxy_new(self->endpoint + strlen("ipc://"));
}

static void open_worker(couple_t *self)
{
    char endpoint[64];
    snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%d", cut_proxy_port(self->proxy));
    const char *const endpoints[] = {endpoint, NULL};
    const worker_options_t options = side_worker_options(STAGE, sinks);
    side_worker_open(&self->worker, &options, endpoints, &self->sides.now_ms);
    worker_capacity(self->worker.worker, 0, 10, 100000);
    self->sides.workers[self->sides.worker_count++] = &self->worker;
}

static void meet(couple_t *self)
{
    open_source(self);
    open_worker(self);
    SIDES_UNTIL(&self->sides, worker_connected(self->worker.worker));
    self->source.count = 0;
}

static void part(couple_t *self)
{
    side_worker_close(&self->worker);
    side_source_close(&self->source);
    cut_proxy_destroy(&self->proxy);
    scratch_remove(self->directory);
}

static worker_event_t **give(couple_t *self, uint64_t sequence)
{
    size_t index = self->worker.count;
    assert_true(side_give(&self->source, sequence, RED, 10, false));
    SIDES_UNTIL(&self->sides, self->worker.count == index + 1);
    return &self->worker.events[index];
}

/* Connections that break. */

static void what_is_held_survives_a_cut(void **state)
{
    (void)state;
    couple_t couple;
    meet(&couple);
    give(&couple, 1);
    give(&couple, 2);
    cut_proxy_arm(couple.proxy, CUT_PROXY_REQUEST, "ping");
    SIDES_PASS_UNTIL(&couple.sides, cut_proxy_cuts(couple.proxy) == 1);
    SIDES_PASS_UNTIL(&couple.sides, couple.worker.agains > 0);
    sides_pass(&couple.sides, 5 * TIMING_PING_INTERVAL_MS);
    assert_int_equal(side_count(&couple.source, SOURCE_LOST), 0);
    assert_int_equal(source_workers(couple.source.source), 1);
    worker_report(couple.worker.worker, &couple.worker.events[0], 0, &done);
    worker_report(couple.worker.worker, &couple.worker.events[1], 0, &retry);
    SIDES_UNTIL(&couple.sides, side_count(&couple.source, SOURCE_OUTCOME) == 2);
    assert_int_equal(couple.worker.resets, 0);
    part(&couple);
}

static void an_outcome_that_a_cut_swallows_is_a_lost_lease(void **state)
{
    (void)state;
    couple_t couple;
    meet(&couple);
    give(&couple, 1);
    give(&couple, 2);
    cut_proxy_arm(couple.proxy, CUT_PROXY_REQUEST, "outcomes");
    worker_report(couple.worker.worker, &couple.worker.events[0], 0, &done);
    SIDES_PASS_UNTIL(&couple.sides, side_count(&couple.source, SOURCE_LOST) == 1);
    assert_int_equal(side_nth(&couple.source, SOURCE_LOST, 0)->tag, 1);
    sides_pass(&couple.sides, 5 * TIMING_PING_INTERVAL_MS);
    assert_int_equal(side_count(&couple.source, SOURCE_LOST), 1); /* what is held stays */
    assert_int_equal(side_count(&couple.source, SOURCE_OUTCOME), 0);
    part(&couple);
}

static void an_event_that_a_cut_swallows_is_a_lost_lease(void **state)
{
    (void)state;
    couple_t couple;
    meet(&couple);
    give(&couple, 1);
    cut_proxy_arm(couple.proxy, CUT_PROXY_ANSWER, "conversation_id");
    assert_true(side_give(&couple.source, 2, RED, 10, false));
    SIDES_PASS_UNTIL(&couple.sides, side_count(&couple.source, SOURCE_LOST) == 1);
    assert_int_equal(side_nth(&couple.source, SOURCE_LOST, 0)->tag, 2);
    assert_int_equal(couple.worker.count, 1);
    sides_pass(&couple.sides, 5 * TIMING_PING_INTERVAL_MS);
    assert_int_equal(side_count(&couple.source, SOURCE_LOST), 1);
    part(&couple);
}

static void a_hello_that_a_cut_swallows_is_said_again(void **state)
{
    (void)state;
    couple_t couple;
    open_source(&couple);
    cut_proxy_arm(couple.proxy, CUT_PROXY_REQUEST, "hello");
    open_worker(&couple);
    SIDES_PASS_UNTIL(&couple.sides, worker_connected(couple.worker.worker));
    assert_int_equal(cut_proxy_cuts(couple.proxy), 1);
    assert_true(couple.sides.now_ms < TIMING_PEER_SILENCE_MS);
    give(&couple, 1);
    part(&couple);
}

static void a_bye_that_a_cut_swallows_is_said_again(void **state)
{
    (void)state;
    static const cut_proxy_mode_t ways[] = {CUT_PROXY_REQUEST, CUT_PROXY_ANSWER};
    for (size_t way = 0; way < 2; way++) {
        couple_t couple;
        meet(&couple);
        give(&couple, 1);
        cut_proxy_arm(couple.proxy, ways[way], "bye");
        worker_drain(couple.worker.worker);
        SIDES_PASS_UNTIL(&couple.sides, cut_proxy_cuts(couple.proxy) == 1);
        worker_report(couple.worker.worker, &couple.worker.events[0], 0, &done);
        SIDES_PASS_UNTIL(&couple.sides, worker_drained(couple.worker.worker));
        assert_true(couple.sides.now_ms < TIMING_PEER_SILENCE_MS);
        part(&couple);
    }
}

static void a_lost_connection_answers_for_a_source(void **state)
{
    (void)state;
    couple_t couple;
    meet(&couple);
    couple.source.deaf = true;
    worker_drain(couple.worker.worker);
    assert_false(worker_drained(couple.worker.worker));
    side_source_close(&couple.source);
    SIDES_PASS_UNTIL(&couple.sides, worker_drained(couple.worker.worker));
    assert_true(couple.sides.now_ms < TIMING_PEER_SILENCE_MS);
    part(&couple);
}

static void a_strangers_bye_is_answered(void **state)
{
    (void)state;
    couple_t couple;
    side_bare_t bare;
    const message_empty_t nothing = {0};
    open_source(&couple);
    side_bare_connect(&bare, couple.endpoint);
    side_bare_say(&bare, MESSAGE_BYE, &message_empty, &nothing);
    SIDES_UNTIL(&couple.sides, side_bare_hears(&bare, MESSAGE_BYE, NULL, NULL, NULL));
    assert_int_equal(source_workers(couple.source.source), 0);
    side_bare_close(&bare);
    side_source_close(&couple.source);
    cut_proxy_destroy(&couple.proxy);
    scratch_remove(couple.directory);
}

static void outcomes_are_kept_while_there_is_no_connection(void **state)
{
    (void)state;
    couple_t couple;
    meet(&couple);
    give(&couple, 1);
    give(&couple, 2);
    side_source_close(&couple.source);
    SIDES_PASS_UNTIL(&couple.sides, !worker_connected(couple.worker.worker));
    worker_report(couple.worker.worker, &couple.worker.events[0], 0, &done);
    for (int i = 0; i < 1000; i++)
        worker_report(couple.worker.worker, &couple.worker.events[1], 0, &working);
    worker_drain(couple.worker.worker);
    sides_pass(&couple.sides, 3 * TIMING_PING_INTERVAL_MS);
    worker_report(couple.worker.worker, &couple.worker.events[1], 0, &retry);
    assert_false(worker_drained(couple.worker.worker)); /* there is something to say yet */
    side_source_open(&couple.source, &couple.source_options, &couple.sides.now_ms);
    SIDES_PASS_UNTIL(&couple.sides, worker_drained(couple.worker.worker));
    SIDES_UNTIL(&couple.sides, side_count(&couple.source, SOURCE_FOREIGN) == 2);
    assert_string_equal(side_nth(&couple.source, SOURCE_FOREIGN, 0)->outcome, OUTCOME_DONE);
    assert_string_equal(side_nth(&couple.source, SOURCE_FOREIGN, 1)->outcome, OUTCOME_RETRY);
    part(&couple);
}

/* Reconciliation, with a worker that says what the test likes. */

static void bare_meets(couple_t *couple, side_bare_t *bare)
{
    open_source(couple);
    side_bare_connect(bare, couple->endpoint);
    side_bare_hello(bare, "bareone1", STAGE, MESSAGE_VERSION);
    SIDES_UNTIL(&couple->sides, source_workers(couple->source.source) == 1);
}

static uint64_t next_ping(couple_t *couple, side_bare_t *bare)
{
    message_ping_t ping;
    wire_memory_t memory = {0};
    SIDES_PASS_UNTIL(&couple->sides,
                     side_bare_hears(bare, MESSAGE_PING, &message_ping, &ping, &memory));
    wire_memory_free(&memory);
    return ping.number;
}

static void pong(side_bare_t *bare, uint64_t number, const uint64_t *held, size_t count)
{
    const message_pong_t message = {number, {held, count}};
    side_bare_say(bare, MESSAGE_PONG, &message_pong, &message);
}

static void bare_part(couple_t *couple, side_bare_t *bare)
{
    side_bare_close(bare);
    part(couple);
}

static void a_pong_tells_what_is_lost_and_nothing_else(void **state)
{
    (void)state;
    couple_t couple;
    side_bare_t bare;
    bare_meets(&couple, &bare);
    for (uint64_t tag = 1; tag <= 3; tag++) /* leases 1 to 3 */
        assert_true(side_give(&couple.source, tag, RED, 1, false));
    uint64_t first = next_ping(&couple, &bare); /* said before the leases: tells nothing of them */
    pong(&bare, first, NULL, 0);
    uint64_t second;
    while ((second = next_ping(&couple, &bare)) == first)
        continue;
    assert_int_equal(side_count(&couple.source, SOURCE_LOST), 0);
    assert_true(side_give(&couple.source, 4, RED, 1, false)); /* lease 4, behind that ping */
    pong(&bare, second, (const uint64_t[]){1, 3}, 2);
    SIDES_PASS_UNTIL(&couple.sides, side_count(&couple.source, SOURCE_LOST) > 0);
    assert_int_equal(side_count(&couple.source, SOURCE_LOST), 1);
    assert_int_equal(side_nth(&couple.source, SOURCE_LOST, 0)->tag, 2);
    assert_int_equal(side_nth(&couple.source, SOURCE_LOST, 0)->number, 2);
    bare_part(&couple, &bare);
}

static void a_pong_counts_however_slow_it_is(void **state)
{
    (void)state;
    couple_t couple;
    side_bare_t bare;
    bare_meets(&couple, &bare);
    uint64_t number = next_ping(&couple, &bare);
    pong(&bare, number, NULL, 0);
    assert_true(side_give(&couple.source, 1, RED, 1, false));
    uint64_t late;
    while ((late = next_ping(&couple, &bare)) == number)
        continue;
    sides_pass(&couple.sides, 5 * TIMING_PING_INTERVAL_MS); /* more pings go meanwhile */
    pong(&bare, late, NULL, 0);
    SIDES_UNTIL(&couple.sides, side_count(&couple.source, SOURCE_LOST) == 1);
    bare_part(&couple, &bare);
}

static void another_workers_pong_says_nothing_of_my_leases(void **state)
{
    (void)state;
    couple_t couple;
    side_bare_t bare, other;
    bare_meets(&couple, &bare);
    assert_true(side_give(&couple.source, 1, RED, 1, false));
    side_bare_connect(&other, couple.endpoint);
    side_bare_hello(&other, "bareone2", STAGE, MESSAGE_VERSION);
    SIDES_UNTIL(&couple.sides, source_workers(couple.source.source) == 2);
    pong(&other, next_ping(&couple, &other), NULL, 0);
    pong(&other, next_ping(&couple, &other), (const uint64_t[]){1, 99, 0}, 3);
    pong(&bare, next_ping(&couple, &bare), (const uint64_t[]){1}, 1);
    pong(&bare, next_ping(&couple, &bare), (const uint64_t[]){1}, 1);
    sides_pass(&couple.sides, TIMING_PING_INTERVAL_MS);
    assert_int_equal(side_count(&couple.source, SOURCE_LOST), 0);
    side_bare_close(&other);
    bare_part(&couple, &bare);
}

/* What is reported and not yet sent when a ping comes: the pong must not overtake it. */
static void an_outcome_comes_before_the_pong_without_its_lease(void **state)
{
    (void)state;
    couple_t couple;
    meet(&couple);
    give(&couple, 1);
    couple.worker.deaf = true;
    couple.sides.now_ms += TIMING_PING_INTERVAL_MS;
    SIDES_UNTIL(&couple.sides, worker_ready(couple.worker.worker)); /* the ping is there */
    couple.worker.deaf = false;
    worker_report(couple.worker.worker, &couple.worker.events[0], 0, &retry);
    sides_pass(&couple.sides, 3 * TIMING_PING_INTERVAL_MS);
    SIDES_UNTIL(&couple.sides, side_count(&couple.source, SOURCE_OUTCOME) == 1);
    assert_int_equal(side_count(&couple.source, SOURCE_LOST), 0);
    part(&couple);
}

/* Outcomes that are not of the lease they name. */

static void an_outcome_counts_only_for_its_own_event(void **state)
{
    (void)state;
    couple_t couple;
    side_bare_t bare;
    bare_meets(&couple, &bare);
    assert_true(side_give(&couple.source, 1, RED, 1, false));
    message_outcome_t outcome = {
        .incarnation = source_incarnation(couple.source.source),
        .sequence = 1,
        .event_id = WIRE_VIEW("another event id"),
        .sink = WIRE_VIEW("red"),
        .number = 1,
        .outcome = WIRE_VIEW(OUTCOME_DONE),
    };
    const message_outcomes_t message = {{&outcome, 1}};
    side_bare_say(&bare, MESSAGE_OUTCOME, &message_outcomes, &message);
    SIDES_UNTIL(&couple.sides, side_count(&couple.source, SOURCE_FOREIGN) == 1);

    message_event_t event = side_event(1);
    outcome.event_id = event.event_id;
    outcome.incarnation = WIRE_VIEW("previous");
    side_bare_say(&bare, MESSAGE_OUTCOME, &message_outcomes, &message);
    SIDES_UNTIL(&couple.sides, side_count(&couple.source, SOURCE_FOREIGN) == 2);

    outcome.incarnation = source_incarnation(couple.source.source);
    outcome.sink = WIRE_VIEW("blue"); /* no sink of this source: nothing to tell */
    side_bare_say(&bare, MESSAGE_OUTCOME, &message_outcomes, &message);
    outcome.sink = WIRE_VIEW("red");
    side_bare_say(&bare, MESSAGE_OUTCOME, &message_outcomes, &message);
    SIDES_UNTIL(&couple.sides, side_count(&couple.source, SOURCE_OUTCOME) == 1);
    side_bare_say(&bare, MESSAGE_OUTCOME, &message_outcomes, &message); /* twice */
    SIDES_UNTIL(&couple.sides, side_count(&couple.source, SOURCE_FOREIGN) == 3);
    assert_int_equal(side_count(&couple.source, SOURCE_OUTCOME), 1);
    bare_part(&couple, &bare);
}

/* What is not the protocol. */

typedef struct {
    const char *bytes;
    size_t length;
} frame_t;

static const frame_t garbage[] = {
    {"", 0},
    {"\xff", 1},
    {"GET / HTTP/1.1\r\n\r\n", 18},
    {"\x81\xa4type\xa5hello", 12},   /* a hello without anything */
    {"\x81\xa4type\xa7outcome", 14}, /* as an outcome */
    {"\x81\xa4type\xa4pong", 11},    /* as a pong */
    {"\x81\xa4type\xa5"
     "event",
     12},                                           /* as an event */
    {"\x81\xa4type\xa2go", 9},                      /* as a go */
    {"\x81\xa4type\xa3who", 10},                    /* as a who */
    {"\xdf\xff\xff\xff\xff", 5},                    /* a map of four thousand million */
    {"\x82\xa4type\xa4ping\xa6number\xcf\xff", 20}, /* cut */
};

#define GARBAGE (sizeof(garbage) / sizeof(garbage[0]))

static void a_source_outlives_garbage(void **state)
{
    (void)state;
    couple_t couple;
    side_bare_t bare;
    meet(&couple);
    give(&couple, 1);
    side_bare_connect(&bare, couple.endpoint);
    for (size_t i = 0; i < GARBAGE; i++)
        side_bare_say_bytes(&bare, garbage[i].bytes, garbage[i].length);
    SIDES_UNTIL(&couple.sides, side_count(&couple.source, SOURCE_REFUSED) >= 6);
    assert_int_equal(source_workers(couple.source.source), 1);

    side_bare_hello(&bare, "bareone1", STAGE, MESSAGE_VERSION);
    SIDES_UNTIL(&couple.sides, source_workers(couple.source.source) == 2);
    for (size_t i = 0; i < GARBAGE; i++)
        side_bare_say_bytes(&bare, garbage[i].bytes, garbage[i].length);
    side_bare_say_bytes(&bare, "\x81\xa4type\xa6sing!!", 13); /* a word of a later version */
    SIDES_UNTIL(&couple.sides, side_count(&couple.source, SOURCE_REFUSED) >= 13);
    worker_report(couple.worker.worker, &couple.worker.events[0], 0, &done);
    SIDES_UNTIL(&couple.sides, side_count(&couple.source, SOURCE_OUTCOME) == 1);
    assert_int_equal(side_count(&couple.source, SOURCE_LOST), 0);
    bare_part(&couple, &bare);
}

static void a_worker_outlives_garbage(void **state)
{
    (void)state;
    sides_t sides = {.now_ms = 1000};
    side_bare_t bare;
    side_worker_t worker;
    side_bare_bind(&bare);
    const char *const endpoints[] = {hop_endpoint(bare.hop), NULL};
    const worker_options_t options = side_worker_options(STAGE, sinks);
    side_worker_open(&worker, &options, endpoints, &sides.now_ms);
    sides.workers[sides.worker_count++] = &worker;
    SIDES_UNTIL(&sides, side_bare_hears(&bare, MESSAGE_HELLO, NULL, NULL, NULL));
    for (size_t i = 0; i < GARBAGE; i++)
        side_bare_say_bytes(&bare, garbage[i].bytes, garbage[i].length);
    side_bare_say_bytes(&bare, "\x81\xa4type\xa6sing!!", 13);
    SIDES_UNTIL(&sides, worker.refused >= 7);

    /* An event of no sink of ours, and then one that is good. */
    message_sink_lease_t lease = {WIRE_VIEW("blue"), 1};
    message_event_t event = side_event(1);
    event.incarnation = WIRE_VIEW("abcdefgh");
    event.sinks = (wire_list_t){&lease, 1};
    side_bare_say(&bare, MESSAGE_EVENT, &message_event, &event);
    lease.sink = WIRE_VIEW("red");
    side_bare_say(&bare, MESSAGE_EVENT, &message_event, &event);
    SIDES_UNTIL(&sides, worker.count == 1);
    assert_false(worker.events[0]->has_body);
    assert_int_equal(zmq_msg_size(&worker.events[0]->body), 0);
    side_worker_close(&worker);
    side_bare_close(&bare);
}

static void messages_of_too_many_frames_are_dropped_whole(void **state)
{
    (void)state;
    couple_t couple;
    open_source(&couple);
    void *context = zmq_ctx_new();
    void *socket = zmq_socket(context, ZMQ_DEALER);
    assert_int_equal(zmq_connect(socket, couple.endpoint), 0);
    for (int i = 0; i < 6; i++)
        assert_int_equal(zmq_send(socket, "frame", 5, i < 5 ? ZMQ_SNDMORE : 0), 5);
    assert_int_equal(zmq_send(socket, "\x81\xa4type\xa5hello", 12, 0), 12);
    SIDES_UNTIL(&couple.sides, side_count(&couple.source, SOURCE_REFUSED) == 2);
    assert_string_equal(side_nth(&couple.source, SOURCE_REFUSED, 1)->detail,
                        "hello that cannot be read");
    zmq_close(socket);
    zmq_ctx_term(context);
    side_source_close(&couple.source);
    cut_proxy_destroy(&couple.proxy);
    scratch_remove(couple.directory);
}

static void read_whole(int fd, char *bytes, size_t length)
{
    for (size_t got = 0; got < length;) {
        ssize_t n = read(fd, bytes + got, length - got);
        assert_true(n > 0);
        got += (size_t)n;
    }
}

/* ZMTP 3.0 by hand (https://rfc.zeromq.org/spec/23/), since libzmq sends no such routing id. */
static void a_routing_id_over_the_limit_is_no_peer(void **state)
{
    (void)state;
    couple_t couple;
    char greeting[64] = {0}, command[8 + 1 + 6 + 12 + 10 + 4 + 7 + 9 + 4 + 300] = {0};
    unsigned port;
    open_source(&couple);
    side_source_close(&couple.source);
    couple.source_options.endpoint = "tcp://127.0.0.1:*";
    side_source_open(&couple.source, &couple.source_options, &couple.sides.now_ms);
    assert_int_equal(sscanf(strrchr(source_endpoint(couple.source.source), ':'), ":%u", &port), 1);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);

    memcpy(greeting, "\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL", 16);
    assert_int_equal(write(fd, greeting, sizeof(greeting)), sizeof(greeting));
    read_whole(fd, greeting, sizeof(greeting));
    size_t at = 0;
    at += 9; /* flags and length, below */
    memcpy(command + at,
           "\x05READY\x0bSocket-Type\0\0\0\x06"
           "DEALER\x08Identity\0\0\x01\x2c",
           41);
    at += 41;
    memset(command + at, 'i', 300);
    at += 300;
    command[0] = 0x06; /* a long command */
    command[7] = (char)((at - 9) >> 8);
    command[8] = (char)((at - 9) & 0xff);
    assert_int_equal(write(fd, command, at), at);
    assert_int_equal(write(fd, "\0\x0c\x81\xa4type\xa5hello", 14), 14);
    SIDES_UNTIL(&couple.sides, side_count(&couple.source, SOURCE_REFUSED) == 1);
    assert_string_equal(side_nth(&couple.source, SOURCE_REFUSED, 0)->detail,
                        "something that is not a message");
    close(fd);
    side_source_close(&couple.source);
    cut_proxy_destroy(&couple.proxy);
    scratch_remove(couple.directory);
}

/* Versions and admission. */

static void who_may_not_work_here_is_told_why(void **state)
{
    (void)state;
    static const struct {
        const char *stage;
        uint64_t version;
        const char *why;
    } cases[] = {
        {STAGE, MESSAGE_VERSION + 1, "no common protocol version"},
        {"stranger", MESSAGE_VERSION, "this source serves another stage"},
    };
    couple_t couple;
    open_source(&couple);
    for (size_t i = 0; i < 2; i++) {
        side_bare_t bare;
        message_refuse_t refuse;
        wire_memory_t memory = {0};
        side_bare_connect(&bare, couple.endpoint);
        side_bare_hello(&bare, "bareone1", cases[i].stage, cases[i].version);
        SIDES_UNTIL(&couple.sides,
                    side_bare_hears(&bare, MESSAGE_REFUSE, &message_refuse, &refuse, &memory));
        assert_true(wire_equals(refuse.reason, cases[i].why));
        assert_int_equal(refuse.versions.count, 1);
        assert_int_equal(refuse.versions.numbers[0], MESSAGE_VERSION);
        assert_string_equal(side_nth(&couple.source, SOURCE_REFUSED, i)->detail, cases[i].why);
        assert_int_equal(source_workers(couple.source.source), 0);
        wire_memory_free(&memory);
        side_bare_close(&bare);
    }
    side_source_close(&couple.source);
    cut_proxy_destroy(&couple.proxy);
    scratch_remove(couple.directory);
}

/* No worker does so, but then nothing would tell one that is wrong. */
static void a_known_worker_is_refused_too(void **state)
{
    (void)state;
    couple_t couple;
    uint64_t events, bytes;
    side_bare_t bare;
    open_source(&couple);
    side_bare_connect(&bare, couple.endpoint);
    side_bare_hello(&bare, "bareone1", STAGE, MESSAGE_VERSION);
    SIDES_UNTIL(&couple.sides, side_bare_hears(&bare, MESSAGE_PING, NULL, NULL, NULL));
    source_capacity(couple.source.source, 0, &events, &bytes);
    assert_int_not_equal(events, 0);
    side_bare_hello(&bare, "bareone1", STAGE, MESSAGE_VERSION + 1);
    SIDES_UNTIL(&couple.sides, side_bare_hears(&bare, MESSAGE_REFUSE, NULL, NULL, NULL));
    source_capacity(couple.source.source, 0, &events, &bytes);
    assert_int_equal(events, 0);
    side_bare_hello(&bare, "bareone1", STAGE, MESSAGE_VERSION);
    SIDES_UNTIL(&couple.sides, (source_capacity(couple.source.source, 0, &events, &bytes), events));
    side_bare_close(&bare);
    side_source_close(&couple.source);
    cut_proxy_destroy(&couple.proxy);
    scratch_remove(couple.directory);
}

static void a_refused_worker_backs_off(void **state)
{
    (void)state;
    sides_t sides = {.now_ms = 1000};
    side_bare_t bare;
    side_worker_t worker;
    side_bare_bind(&bare);
    const char *const endpoints[] = {hop_endpoint(bare.hop), NULL};
    const worker_options_t options = side_worker_options(STAGE, sinks);
    side_worker_open(&worker, &options, endpoints, &sides.now_ms);
    sides.workers[sides.worker_count++] = &worker;
    SIDES_UNTIL(&sides, side_bare_hears(&bare, MESSAGE_HELLO, NULL, NULL, NULL));
    const message_refuse_t refuse = {.reason = WIRE_VIEW("not today")};
    side_bare_say(&bare, MESSAGE_REFUSE, &message_refuse, &refuse);
    SIDES_UNTIL(&sides, worker.refused == 1);
    assert_false(worker_connected(worker.worker));
    worker_capacity(worker.worker, 0, 99, 99); /* not even for this */
    sides_pass(&sides, TIMING_REFUSED_RETRY_MS - TIMING_PING_INTERVAL_MS);
    assert_false(side_bare_hears(&bare, MESSAGE_HELLO, NULL, NULL, NULL));
    sides_pass(&sides, 2 * TIMING_PING_INTERVAL_MS);
    SIDES_UNTIL(&sides, side_bare_hears(&bare, MESSAGE_HELLO, NULL, NULL, NULL));
    side_worker_close(&worker);
    side_bare_close(&bare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_held_survives_a_cut),
        cmocka_unit_test(an_outcome_that_a_cut_swallows_is_a_lost_lease),
        cmocka_unit_test(an_event_that_a_cut_swallows_is_a_lost_lease),
        cmocka_unit_test(a_hello_that_a_cut_swallows_is_said_again),
        cmocka_unit_test(a_bye_that_a_cut_swallows_is_said_again),
        cmocka_unit_test(a_lost_connection_answers_for_a_source),
        cmocka_unit_test(a_strangers_bye_is_answered),
        cmocka_unit_test(outcomes_are_kept_while_there_is_no_connection),
        cmocka_unit_test(a_pong_tells_what_is_lost_and_nothing_else),
        cmocka_unit_test(a_pong_counts_however_slow_it_is),
        cmocka_unit_test(another_workers_pong_says_nothing_of_my_leases),
        cmocka_unit_test(an_outcome_comes_before_the_pong_without_its_lease),
        cmocka_unit_test(an_outcome_counts_only_for_its_own_event),
        cmocka_unit_test(a_source_outlives_garbage),
        cmocka_unit_test(a_worker_outlives_garbage),
        cmocka_unit_test(messages_of_too_many_frames_are_dropped_whole),
        cmocka_unit_test(a_routing_id_over_the_limit_is_no_peer),
        cmocka_unit_test(who_may_not_work_here_is_told_why),
        cmocka_unit_test(a_known_worker_is_refused_too),
        cmocka_unit_test(a_refused_worker_backs_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
