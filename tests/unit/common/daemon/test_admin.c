#include "common/daemon/admin.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const conditions[] = {"journal", "source", NULL};

static metrics_t *metrics;
static readiness_t *readiness;
static admin_t *admin;

static int start(void **state)
{
    (void)state;
    metrics = metrics_new();
    readiness = readiness_new(conditions);
    metric_add(metrics_counter(metrics, "postcall_x_total", "X.", NULL), 5);
    admin = admin_new("127.0.0.1:0", metrics, readiness, NULL);
    return metrics && readiness && admin && admin_port(admin) ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    admin_destroy(&admin);
    readiness_destroy(&readiness);
    metrics_destroy(&metrics);
    return 0;
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval patience = {.tv_sec = 100};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Sends `request` (its line) and returns the whole answer, which lives until the next call. */
static const char *ask(const char *request)
{
    static char answer[65536];
    int fd = connect_to(admin_port(admin));
    dprintf(fd, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", request);
    size_t length = 0;
    for (ssize_t got; (got = read(fd, answer + length, sizeof(answer) - 1 - length)) > 0;)
        length += (size_t)got;
    close(fd);
    answer[length] = '\0';
    return answer;
}

static const char *body_of(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");
    return end ? end + 4 : "";
}

static void metrics_are_served_as_prometheus_text(void **state)
{
    (void)state;
    const char *answer = ask("GET /metrics");
    assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
    assert_non_null(strstr(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert_string_equal(body_of(answer),
                        "# HELP postcall_x_total X.\n# TYPE postcall_x_total counter\n"
                        "postcall_x_total 5\n");
}

static void readiness_gives_its_reasons(void **state)
{
    (void)state;
    readiness_set(readiness, "journal", false, "disk full");
    const char *answer = ask("GET /readyz");
    assert_memory_equal(answer, "HTTP/1.1 503 ", 13);
    assert_string_equal(body_of(answer), "journal: disk full\nsource: starting\n");
    readiness_set(readiness, "journal", true, NULL);
    readiness_set(readiness, "source", true, NULL);
    answer = ask("GET /readyz");
    assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
    assert_string_equal(body_of(answer), "ready\n");
}

static const struct {
    const char *request, *status, *body;
} requests[] = {
    {"GET /healthz", "HTTP/1.1 200 ", "ok\n"},
    {"GET /healthz?verbose", "HTTP/1.1 200 ", "ok\n"},
    {"HEAD /healthz", "HTTP/1.1 200 ", ""},
    {"GET /", "HTTP/1.1 404 ", "not found\n"},
    {"GET /metrics/", "HTTP/1.1 404 ", "not found\n"},
    {"POST /", "HTTP/1.1 404 ", "not found\n"},
    {"POST /metrics", "HTTP/1.1 405 ", "method not allowed\n"},
    {"DELETE /readyz", "HTTP/1.1 405 ", "method not allowed\n"},
};

static void other_requests_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        const char *answer = ask(requests[i].request);
        if (strncmp(answer, requests[i].status, strlen(requests[i].status)) != 0)
            fail_msg("%s: %.40s", requests[i].request, answer);
        assert_string_equal(body_of(answer), requests[i].body);
        assert_int_equal(strstr(requests[i].status, "405") != NULL,
                         strstr(answer, "Allow: GET, HEAD\r\n") != NULL);
    }
}

static void a_body_is_not_waited_for(void **state)
{
    (void)state;
    int fd = connect_to(admin_port(admin));
    dprintf(fd, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
    char answer[256];
    ssize_t length = read(fd, answer, sizeof(answer));
    assert_true(length > 13);
    assert_memory_equal(answer, "HTTP/1.1 405 ", 13);
    close(fd);
}

static int open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    assert_non_null(directory);
    int count = 0;
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static void stopping_with_a_client_connected_leaves_nothing_open(void **state)
{
    (void)state;
    int before = open_descriptors();
    admin_t *other = admin_new("127.0.0.1:0", metrics, readiness, NULL);
    assert_non_null(other);
    int client = connect_to(admin_port(other));
    dprintf(client, "GET /met");
    admin_destroy(&other);
    assert_null(other);
    admin_destroy(&other);
    close(client);
    assert_int_equal(open_descriptors(), before);
}

static void off_serves_nowhere(void **state)
{
    (void)state;
    admin_t *off = admin_new("off", metrics, readiness, NULL);
    assert_non_null(off);
    assert_int_equal(admin_port(off), 0);
    admin_destroy(&off);
}

static void an_address_that_cannot_be_had_is_a_fault(void **state)
{
    (void)state;
    fault_t fault;
    int before = open_descriptors();
    char taken[32];
    snprintf(taken, sizeof(taken), "127.0.0.1:%u", admin_port(admin));
    assert_null(admin_new(taken, metrics, readiness, &fault));
    assert_non_null(strstr(fault.text, taken));
    assert_non_null(strstr(fault.text, "Address already in use"));
    assert_null(admin_new("nonsense", metrics, readiness, &fault));
    assert_non_null(strstr(fault.text, "nonsense"));
    assert_int_equal(open_descriptors(), before);
}

/* A server each: how soon it closes what it has answered is its own affair, and descriptors are
 * counted here. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(metrics_are_served_as_prometheus_text),
        TEST(readiness_gives_its_reasons),
        TEST(other_requests_are_refused),
        TEST(a_body_is_not_waited_for),
        TEST(stopping_with_a_client_connected_leaves_nothing_open),
        TEST(off_serves_nowhere),
        TEST(an_address_that_cannot_be_had_is_a_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
