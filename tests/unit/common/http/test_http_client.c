#include "common/http/http_client.h"

#include <netdb.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "tests/unit/support/fake_clock.h"
#include "tests/unit/support/loopback.h"

/* Long enough for the slowest machine. */
#define PATIENCE_MS 60000

/* A look-up that takes until it is let go. */
static bool lookups_hang;
static sem_t let_go, ended;

/* Stands in for the C library's, as seen from libcurl. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    (void)node, (void)service, (void)hints, (void)result;
    if (lookups_hang) {
        sem_wait(&let_go);
        sem_post(&ended);
    }
    return EAI_NONAME;
}

/* One client and one server that gives each request the same raw answer. */
typedef struct {
    http_client_t *client;
    loopback_t *server;
    const char *answer;
    loopback_end_t end;
    char request[8192]; /* the last one */
    char url[256];
} fixture_t;

/* A stall takes as long as any request may. */
static void answer(void *context, size_t index, const char *request, loopback_reply_t *reply)
{
    (void)index;
    fixture_t *fixture = context;
    if (fixture->end == LOOPBACK_STALL)
        fake_clock_advance_ms(PATIENCE_MS);
    strncpy(fixture->request, request, sizeof(fixture->request) - 1);
    loopback_say_raw(reply, fixture->answer, fixture->end);
}

static void open_fixture(fixture_t *fixture, const char *text, loopback_end_t end)
{
    *fixture = (fixture_t){.answer = text, .end = end};
    fixture->server = loopback_new(answer, fixture);
    fixture->client = http_client_new(&(http_client_options_t){.max_in_flight = 4}, NULL);
    assert_non_null(fixture->client);
    strcpy(fixture->url, loopback_url(fixture->server));
    strcat(fixture->url, "/a/../b//%7e?q");
}

static void close_fixture(fixture_t *fixture)
{
    http_client_destroy(&fixture->client);
    loopback_destroy(&fixture->server);
}

static void await(http_client_t *client, http_response_t *response)
{
    while (!http_client_take(client, response)) {
        http_client_wait(client, NULL, 0, 50);
        http_client_perform(client);
    }
}

/* Sends one GET and returns the class of its end. */
static http_error_t outcome_of(const char *text, loopback_end_t end)
{
    fixture_t fixture;
    open_fixture(&fixture, text, end);
    http_request_t request = {
        .method = "GET", .url = fixture.url, .timeout_ms = PATIENCE_MS, .max_response_bytes = 10};
    assert_int_equal(http_client_submit(fixture.client, &request, NULL), 0);
    http_response_t response;
    await(fixture.client, &response);
    http_error_t error = response.error;
    assert_true(error == HTTP_ERROR_NONE || response.reason.text[0]);
    http_response_free(&response);
    close_fixture(&fixture);
    return error;
}

static void an_answer_comes_back_whole(void **state)
{
    (void)state;
    fixture_t fixture;
    open_fixture(&fixture,
                 "HTTP/1.1 100 Continue\r\nX-Interim: 1\r\n\r\n"
                 "HTTP/1.1 404 Not Here\r\nX-Amzn-ErrorType:  Gone \t\r\nEmpty:\r\n"
                 "Content-Length: 5\r\n\r\nhello",
                 LOOPBACK_KEEP);
    const http_header_t headers[] = {{"X-Amz-Target", "T"}, {"X-Empty", ""}};
    int tag;
    http_request_t request = {.method = "POST",
                              .url = fixture.url,
                              .headers = headers,
                              .header_count = 2,
                              .body = "a\0b",
                              .body_bytes = 3,
                              .tag = &tag};
    assert_int_equal(http_client_submit(fixture.client, &request, NULL), 0);
    assert_int_equal(http_client_room(fixture.client), 3);
    http_response_t response;
    await(fixture.client, &response);
    assert_int_equal(response.error, HTTP_ERROR_NONE);
    assert_int_equal(response.status, 404);
    assert_ptr_equal(response.tag, &tag);
    assert_int_equal(response.body.length, 5);
    assert_string_equal(response.body.bytes, "hello");
    assert_string_equal(http_response_header(&response, "x-amzn-errortype"), "Gone");
    assert_string_equal(http_response_header(&response, "empty"), "");
    assert_null(http_response_header(&response, "x-interim"));
    http_response_free(&response);
    assert_int_equal(http_client_room(fixture.client), 4);
    close_fixture(&fixture);
}

static void only_what_was_asked_for_is_sent(void **state)
{
    (void)state;
    fixture_t fixture;
    open_fixture(&fixture, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", LOOPBACK_KEEP);
    static char large[5000];
    memset(large, 'x', sizeof(large) - 1);
    const http_header_t headers[] = {{"X-Empty", ""}};
    http_request_t request = {.method = "PUT",
                              .url = fixture.url,
                              .headers = headers,
                              .header_count = 1,
                              .body = large,
                              .body_bytes = sizeof(large) - 1};
    assert_int_equal(http_client_submit(fixture.client, &request, NULL), 0);
    http_response_t response;
    await(fixture.client, &response);
    assert_int_equal(response.status, 200);
    http_response_free(&response);
    static const char start[] = "PUT /a/../b//%7e?q HTTP/1.1\r\nHost: 127.0.0.1:";
    assert_memory_equal(fixture.request, start, sizeof(start) - 1);
    assert_non_null(strstr(fixture.request, "\r\nX-Empty:\r\n"));
    assert_non_null(strstr(fixture.request, "\r\nContent-Length: 4999\r\n"));
    assert_null(strcasestr(fixture.request, "\r\nExpect:"));
    assert_null(strcasestr(fixture.request, "\r\nAccept:"));
    assert_null(strcasestr(fixture.request, "\r\nContent-Type:"));
    close_fixture(&fixture);
}

static void a_whole_answer_is_known_by_its_end(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        loopback_end_t end;
        http_error_t error;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", LOOPBACK_CLOSE, HTTP_ERROR_NONE},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", LOOPBACK_KEEP,
         HTTP_ERROR_NONE},
        {"HTTP/1.1 204 OK\r\n\r\n", LOOPBACK_KEEP, HTTP_ERROR_NONE},
        {"HTTP/1.1 302 OK\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", LOOPBACK_KEEP,
         HTTP_ERROR_NONE},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", LOOPBACK_CLOSE, HTTP_ERROR_TRUNCATED},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", LOOPBACK_STALL, HTTP_ERROR_TIMEOUT},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", LOOPBACK_CLOSE,
         HTTP_ERROR_TRUNCATED},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n", LOOPBACK_CLOSE,
         HTTP_ERROR_TRUNCATED},
        {"HTTP/1.1 200 OK\r\n\r\nhi", LOOPBACK_CLOSE, HTTP_ERROR_TRUNCATED},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhi", LOOPBACK_CLOSE,
         HTTP_ERROR_TRUNCATED},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", LOOPBACK_CLOSE, HTTP_ERROR_TRUNCATED},
        {"HTTP/1.1 200 OK\r\nConte", LOOPBACK_CLOSE, HTTP_ERROR_TRUNCATED},
        {"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world", LOOPBACK_KEEP,
         HTTP_ERROR_TOO_LARGE},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n",
         LOOPBACK_KEEP, HTTP_ERROR_TOO_LARGE},
        {"hello", LOOPBACK_CLOSE, HTTP_ERROR_PROTOCOL},
        {"", LOOPBACK_CLOSE, HTTP_ERROR_RESET},
        {"", LOOPBACK_RESET, HTTP_ERROR_RESET},
        {"", LOOPBACK_STALL, HTTP_ERROR_TIMEOUT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        http_error_t error = outcome_of(cases[i].text, cases[i].end);
        if (error != cases[i].error)
            print_error("case %zu gives %s\n", i, http_error_name(error));
        assert_int_equal(error, cases[i].error);
    }
}

static void endless_headers_are_too_large(void **state)
{
    (void)state;
    static char text[HTTP_RESPONSE_HEADER_BYTES + 4096] = "HTTP/1.1 200 OK\r\n";
    while (strlen(text) + 64 < sizeof(text))
        strcat(text, "X-Filler: 0123456789012345678901234567890\r\n");
    assert_int_equal(outcome_of(text, LOOPBACK_KEEP), HTTP_ERROR_TOO_LARGE);
}

static http_error_t outcome_at(http_client_t *client, const char *url, long timeout_ms)
{
    http_request_t request = {.method = "GET", .url = url, .timeout_ms = timeout_ms};
    assert_int_equal(http_client_submit(client, &request, NULL), 0);
    http_response_t response;
    await(client, &response);
    http_error_t error = response.error;
    http_response_free(&response);
    return error;
}

static void nobody_there_and_no_tls_there(void **state)
{
    (void)state;
    fixture_t fixture;
    open_fixture(&fixture, "HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n", LOOPBACK_CLOSE);
    char url[300] = "https";
    strcat(url, fixture.url + 4);
    assert_int_equal(outcome_at(fixture.client, url, PATIENCE_MS), HTTP_ERROR_TLS);
    loopback_destroy(&fixture.server);
    assert_int_equal(outcome_at(fixture.client, fixture.url, PATIENCE_MS), HTTP_ERROR_CONNECT);
    close_fixture(&fixture);
}

static void a_slow_look_up_does_not_stop_the_loop(void **state)
{
    (void)state;
    http_client_t *client = http_client_new(NULL, NULL);
    assert_int_equal(outcome_at(client, "http://nowhere.invalid/", PATIENCE_MS),
                     HTTP_ERROR_RESOLVE);
    lookups_hang = true;
    sem_init(&let_go, 0, 0);
    sem_init(&ended, 0, 0);
    assert_int_equal(outcome_at(client, "http://slow.invalid/", 300), HTTP_ERROR_TIMEOUT);
    http_client_destroy(&client); /* hangs if it waited for the look-up */
    sem_post(&let_go);
    sem_wait(&ended);
    lookups_hang = false;
}

static void a_forged_header_or_scheme_is_refused(void **state)
{
    (void)state;
    http_client_t *client = http_client_new(NULL, NULL);
    fault_t fault;
    const http_header_t header = {"Authorization", "a\r\nX-Evil: 1"};
    http_request_t request = {
        .method = "GET", .url = "http://127.0.0.1:1/", .headers = &header, .header_count = 1};
    assert_int_equal(http_client_submit(client, &request, &fault), -1);
    assert_null(strstr(fault.text, "Evil"));
    request = (http_request_t){.method = "GET", .url = "file:///etc/passwd"};
    assert_int_equal(http_client_submit(client, &request, &fault), -1);
    assert_int_equal(http_client_room(client), HTTP_CLIENT_IN_FLIGHT);
    http_client_destroy(&client);
}

static void requests_over_the_limit_are_refused(void **state)
{
    (void)state;
    fixture_t fixture;
    open_fixture(&fixture, "", LOOPBACK_STALL);
    http_request_t request = {.method = "GET", .url = fixture.url};
    for (int i = 0; i < 4; i++)
        assert_int_equal(http_client_submit(fixture.client, &request, NULL), 0);
    assert_int_equal(http_client_submit(fixture.client, &request, NULL), -1);
    http_client_perform(fixture.client);
    close_fixture(&fixture); /* with four in flight */
    http_client_destroy(&fixture.client);
}

static void another_descriptor_ends_the_wait(void **state)
{
    (void)state;
    http_client_t *client = http_client_new(NULL, NULL);
    int events = eventfd(1, 0);
    struct pollfd extra = {.fd = events, .events = POLLIN};
    int64_t start_ms = clock_now_ms();
    http_client_wait(client, &extra, 1, 2 * PATIENCE_MS);
    assert_true(clock_now_ms() - start_ms < PATIENCE_MS);
    assert_int_equal(extra.revents, POLLIN);
    eventfd_t value;
    eventfd_read(events, &value);
    http_client_wait(client, &extra, 1, 10);
    assert_int_equal(extra.revents, 0);
    close(events);
    http_client_destroy(&client);
}

/* Whether a GET of `url` comes to `proxy`, which answers everything itself. */
static bool comes_to_proxy(loopback_t *proxy, const http_proxy_options_t *options, const char *url,
                           bool is_direct)
{
    http_client_t *client = http_client_new(&(http_client_options_t){.proxy = *options}, NULL);
    size_t before = loopback_requests(proxy);
    const http_request_t request = {
        .method = "GET", .url = url, .is_direct = is_direct, .timeout_ms = PATIENCE_MS};
    assert_int_equal(http_client_submit(client, &request, NULL), 0);
    http_response_t response;
    await(client, &response);
    bool came = loopback_requests(proxy) > before;
    assert_int_equal(response.error == HTTP_ERROR_NONE, came);
    http_response_free(&response);
    http_client_destroy(&client);
    return came;
}

static void a_proxy_gets_what_it_is_for(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *none;
        bool is_direct, comes;
    } cases[] = {
        {"http://s3.test/k", NULL, false, true},
        {"http://s3.test/k", "other.test", false, true},
        {"http://s3.test/k", "other.test,s3.test", false, false},
        {"http://s3.test/k", ".test", false, false},
        {"http://s3.test/k", "*", false, false},
        {"http://s3.test/k", NULL, true, false},
        {"http://10.255.255.1/k", "192.168.0.0/16", false, true},
        {"http://127.0.0.2:1/", NULL, false, false},
        {"http://127.0.0.2:1/", "other.test", false, false},
        {"http://[::1]:1/", NULL, false, false},
        {"http://localhost:1/", NULL, false, false},
    };
    fixture_t fixture;
    open_fixture(&fixture, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", LOOPBACK_KEEP);
    const char *url = loopback_url(fixture.server);
    setenv("http_proxy", url, 1); /* is not read by the client itself */
    assert_false(comes_to_proxy(fixture.server, &(http_proxy_options_t){0}, cases[0].url, false));
    unsetenv("http_proxy");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const http_proxy_options_t options = {.http = url, .none = cases[i].none};
        if (comes_to_proxy(fixture.server, &options, cases[i].url, cases[i].is_direct) !=
            cases[i].comes)
            fail_msg("case %zu: %s", i, cases[i].url);
    }
    close_fixture(&fixture);
}

static void a_proxy_that_refuses_is_named_without_its_password(void **state)
{
    (void)state;
    fixture_t fixture;
    open_fixture(&fixture,
                 "HTTP/1.1 407 Who\r\nX-Proxy: 1\r\nProxy-Authenticate: Basic realm=\"p\"\r\n"
                 "Content-Length: 0\r\n\r\n",
                 LOOPBACK_CLOSE);
    char proxy[100];
    (void)snprintf(proxy, sizeof(proxy), "http://user:s3cret@%s",
                   loopback_url(fixture.server) + strlen("http://"));
    http_client_t *client = http_client_new(&(http_client_options_t){.proxy.https = proxy}, NULL);
    const http_request_t request = {
        .method = "GET", .url = "https://s3.test/k", .timeout_ms = PATIENCE_MS};
    assert_int_equal(http_client_submit(client, &request, NULL), 0);
    http_response_t response;
    await(client, &response);
    assert_int_equal(response.error, HTTP_ERROR_PROXY);
    assert_string_equal(response.reason.text, "the proxy answers 407 instead of connecting");
    assert_null(http_response_header(&response, "X-Proxy"));
    http_response_free(&response);
    http_client_destroy(&client);
    assert_non_null(strstr(fixture.request, "CONNECT s3.test:443 HTTP/1.1\r\n"));
    assert_non_null(strstr(fixture.request, "\r\nProxy-Authorization: Basic dXNlcjpzM2NyZXQ="));
    close_fixture(&fixture);
}

static void a_proxy_that_cannot_be_found_is_named(void **state)
{
    (void)state;
    http_client_t *client =
        http_client_new(&(http_client_options_t){.proxy.https = "http://u:s3cret@p.test"}, NULL);
    const http_request_t request = {
        .method = "GET", .url = "https://s3.test/k", .timeout_ms = PATIENCE_MS};
    assert_int_equal(http_client_submit(client, &request, NULL), 0);
    http_response_t response;
    await(client, &response);
    assert_int_equal(response.error, HTTP_ERROR_PROXY);
    assert_string_equal(response.reason.text, "Could not resolve proxy: p.test");
    http_response_free(&response);
    http_client_destroy(&client);
}

static void a_missing_ca_file_is_a_clear_error(void **state)
{
    (void)state;
    fault_t fault;
    assert_null(http_client_new(&(http_client_options_t){.ca_file = "/nowhere/ca.pem"}, &fault));
    assert_string_equal(fault.text, "CA file '/nowhere/ca.pem' cannot be read");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_comes_back_whole),
        cmocka_unit_test(only_what_was_asked_for_is_sent),
        cmocka_unit_test(a_whole_answer_is_known_by_its_end),
        cmocka_unit_test(endless_headers_are_too_large),
        cmocka_unit_test(nobody_there_and_no_tls_there),
        cmocka_unit_test(a_slow_look_up_does_not_stop_the_loop),
        cmocka_unit_test(a_forged_header_or_scheme_is_refused),
        cmocka_unit_test(requests_over_the_limit_are_refused),
        cmocka_unit_test(another_descriptor_ends_the_wait),
        cmocka_unit_test(a_proxy_gets_what_it_is_for),
        cmocka_unit_test(a_proxy_that_refuses_is_named_without_its_password),
        cmocka_unit_test(a_proxy_that_cannot_be_found_is_named),
        cmocka_unit_test(a_missing_ca_file_is_a_clear_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
