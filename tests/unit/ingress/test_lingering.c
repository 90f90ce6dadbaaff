#include "ingress/lingering.h"

#include "common/base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define LINGER_MS   300
#define PATIENCE_MS 60000

/* A TCP connection to ourselves: bytes can be thrown away unseen on TCP only. */
static void connect_pair(int *near, int *far)
{
    int listening = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    assert_int_equal(bind(listening, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &length), 0);
    *far = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(*far, (struct sockaddr *)&address, length), 0);
    *near = accept(listening, NULL, NULL);
    assert_true(*near >= 0);
    close(listening);
}

/* One connection that lingers, its near end closed as the library does. */
static lingering_t *linger_one(int64_t linger_ms, int *far)
{
    int near;
    connect_pair(&near, far);
    lingering_t *lingering = lingering_new(linger_ms, NULL);
    assert_non_null(lingering);
    assert_true(lingering_add(lingering, near));
    (void)shutdown(near, SHUT_WR);
    close(near);
    assert_int_equal(lingering_count(lingering), 1);
    return lingering;
}

static void what_still_comes_is_read_until_the_sender_closes(void **state)
{
    (void)state;
    int far;
    lingering_t *lingering = linger_one(60000, &far);
    static char bytes[1 << 20];
    size_t sent = 0;
    while (sent < 20 * sizeof(bytes)) { /* more than any buffer holds */
        ssize_t more = send(far, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL);
        assert_true(more > 0 || errno == EAGAIN);
        sent += more > 0 ? (size_t)more : 0;
        lingering_wait(lingering, 1);
    }
    assert_int_equal(lingering_count(lingering), 1);
    close(far);
    while (lingering_count(lingering) > 0)
        lingering_wait(lingering, PATIENCE_MS);
    lingering_destroy(&lingering);
    assert_null(lingering);
}

static void who_never_closes_has_its_time(void **state)
{
    (void)state;
    int far;
    int64_t start_ms = clock_now_ms();
    lingering_t *lingering = linger_one(LINGER_MS, &far);
    while (lingering_count(lingering) > 0)
        lingering_wait(lingering, PATIENCE_MS); /* it wakes for the guest's time, not for this */
    assert_in_range(clock_now_ms() - start_ms, LINGER_MS, PATIENCE_MS);
    close(far);
    lingering_destroy(&lingering);
}

static void there_are_never_more_than_the_limit(void **state)
{
    (void)state;
    int near, far;
    connect_pair(&near, &far);
    lingering_t *lingering = lingering_new(LINGER_MS, NULL);
    for (int i = 0; i < LINGERING_MAX; i++)
        assert_true(lingering_add(lingering, near));
    assert_false(lingering_add(lingering, near));
    close(near);
    close(far);
    while (lingering_count(lingering) > 0)
        lingering_wait(lingering, 100);
    lingering_destroy(&lingering);
}

static void it_can_be_woken(void **state)
{
    (void)state;
    lingering_t *lingering = lingering_new(LINGER_MS, NULL);
    lingering_wake(lingering);
    int64_t start_ms = clock_now_ms();
    lingering_wait(lingering, 2 * PATIENCE_MS);
    assert_true(clock_now_ms() - start_ms < PATIENCE_MS);
    start_ms = clock_now_ms();
    lingering_wait(lingering, 100); /* and only once */
    assert_true(clock_now_ms() - start_ms >= 90);
    lingering_destroy(&lingering);
    lingering_destroy(&lingering);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_still_comes_is_read_until_the_sender_closes),
        cmocka_unit_test(who_never_closes_has_its_time),
        cmocka_unit_test(there_are_never_more_than_the_limit),
        cmocka_unit_test(it_can_be_woken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
