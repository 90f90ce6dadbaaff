/* A connection that ends while its messages are being read: whole messages or none, and no abort in
 * libzmq. */
#include "common/link/hop.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* libzmq looks for news of its connections with every hundredth frame that is read. */
#define FRAMES_BETWEEN_LOOKS 100
#define MESSAGES             80
#define TEXT                 "a message"
#define PATIENCE_TURNS       10000

static void rest(int ms)
{
    (void)poll(NULL, 0, ms);
}

static void send_text(hop_t *hop, const hop_route_t *route, zmq_msg_t *body)
{
    wire_output_t output = {.bytes = TEXT, .length = strlen(TEXT)};
    hop_result_t result = HOP_UNREACHABLE;
    for (int turn = 0; turn < PATIENCE_TURNS && result == HOP_UNREACHABLE; turn++) {
        result = hop_send(hop, route, &output, body);
        if (result == HOP_UNREACHABLE)
            rest(1);
    }
    assert_int_equal(result, HOP_SENT);
}

static void receive_route(hop_t *source, hop_route_t *route)
{
    hop_message_t message;
    for (int turn = 0; hop_receive(source, &message) != 1; turn++) {
        assert_true(turn < PATIENCE_TURNS);
        rest(1);
    }
    *route = message.route;
    hop_message_free(&message);
}

/* 1, and the message is what was sent, or 0. */
static int receive_whole(hop_t *worker, bool with_body)
{
    hop_message_t message;
    int received = hop_receive(worker, &message);
    if (received == 1) {
        assert_int_equal(zmq_msg_size(&message.head), strlen(TEXT));
        assert_int_equal(message.has_body, with_body);
        hop_message_free(&message);
    }
    return received;
}

/* Reads `before` messages, of which the first `bare` have no body; the source goes; reads on. */
static void break_after(size_t before, size_t bare)
{
    fault_t fault;
    hop_route_t route;
    zmq_msg_t body;
    hop_t *source = hop_bind("tcp://127.0.0.1:*", NULL, &fault);
    assert_non_null(source);
    hop_t *worker = hop_connect(hop_endpoint(source), NULL, &fault);
    assert_non_null(worker);
    send_text(worker, NULL, NULL);
    receive_route(source, &route);
    assert_int_equal(zmq_msg_init_size(&body, 1), 0);
    for (size_t i = 0; i < MESSAGES; i++)
        send_text(source, &route, i < bare ? NULL : &body);
    zmq_msg_close(&body);
    rest(100); /* all should be there, so that nothing but the hundredth frame makes it look */
    size_t read = 0;
    for (int turn = 0; read < before; turn++) {
        assert_true(turn < PATIENCE_TURNS);
        if (receive_whole(worker, read >= bare) == 1)
            read++;
        else
            rest(1);
    }
    hop_destroy(&source);
    rest(100); /* it should be known, though not yet to the socket */
    while (receive_whole(worker, true) == 1)
        read++;
    assert_true(read <= MESSAGES);
    hop_destroy(&worker);
}

static void a_connection_that_ends_between_two_frames(void **state)
{
    (void)state;
    for (size_t bare = 0; bare <= 1; bare++)
        for (size_t off = 0; off <= 1; off++)
            break_after(FRAMES_BETWEEN_LOOKS / 2 - off, bare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_that_ends_between_two_frames),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    hop_shutdown();
    return failed;
}
