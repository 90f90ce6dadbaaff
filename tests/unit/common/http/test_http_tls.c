/* Certificates are verified, always: against a real server that has one of its own making. */
#include "common/http/http_client.h"
#include "tests/unit/support/child.h"
#include "tests/unit/support/fake_clock.h"
#include "tests/unit/support/scratch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* `openssl s_server` on a port of its choice, with a certificate for localhost. */
typedef struct {
    char directory[SCRATCH_PATH_BYTES];
    char certificate[SCRATCH_PATH_BYTES];
    char key[SCRATCH_PATH_BYTES];
    pid_t process;
    FILE *output;
    unsigned port;
} fixture_t;

static int make_certificate(const char *key, const char *certificate)
{
    const char *arguments[] = {
        "openssl", "req", "-x509", "-newkey",       "rsa:2048", "-nodes",
        "-days",   "2",   "-subj", "/CN=localhost", "-addext",  "subjectAltName=DNS:localhost",
        "-keyout", key,   "-out",  certificate,     NULL};
    int status = -1;
    pid_t process = child_start(arguments, -1);
    return process > 0 && waitpid(process, &status, 0) == process && status == 0 ? 0 : -1;
}

/* The server says "ACCEPT 127.0.0.1:PORT" once it listens. */
static int start_server(fixture_t *fixture)
{
    const char *arguments[] = {"openssl", "s_server",           "-accept", "127.0.0.1:0", "-www",
                               "-cert",   fixture->certificate, "-key",    fixture->key,  NULL};
    int ends[2];
    if (pipe(ends) != 0)
        return -1;
    fixture->process = child_start(arguments, ends[1]);
    close(ends[1]);
    fixture->output = fdopen(ends[0], "r");
    char line[200];
    while (fgets(line, sizeof(line), fixture->output)) {
        if (sscanf(line, "ACCEPT 127.0.0.1:%u", &fixture->port) == 1)
            return 0;
    }
    return -1;
}

static int open_fixture(void **state)
{
    static fixture_t fixture;
    scratch_new(fixture.directory);
    scratch_join(fixture.certificate, fixture.directory, "cert.pem");
    scratch_join(fixture.key, fixture.directory, "key.pem");
    *state = &fixture;
    return make_certificate(fixture.key, fixture.certificate) == 0 ? start_server(&fixture) : -1;
}

static int close_fixture(void **state)
{
    fixture_t *fixture = *state;
    if (fixture->process > 0) {
        kill(fixture->process, SIGKILL);
        waitpid(fixture->process, NULL, 0);
    }
    if (fixture->output)
        fclose(fixture->output);
    scratch_remove(fixture->directory);
    return 0;
}

static http_error_t outcome_with(http_client_t *client, const fixture_t *fixture, const char *host)
{
    char url[100];
    snprintf(url, sizeof(url), "https://%s:%u/", host, fixture->port);
    const http_request_t request = {.method = "GET", .url = url, .timeout_ms = 60000};
    assert_int_equal(http_client_submit(client, &request, NULL), 0);
    http_response_t response;
    while (!http_client_take(client, &response)) {
        http_client_wait(client, NULL, 0, 1000);
        http_client_perform(client);
    }
    http_error_t error = response.error;
    http_response_free(&response);
    return error;
}

static http_error_t outcome_of(const fixture_t *fixture, const char *host, const char *ca_file)
{
    http_client_t *client = http_client_new(&(http_client_options_t){.ca_file = ca_file}, NULL);
    assert_non_null(client);
    http_error_t error = outcome_with(client, fixture, host);
    http_client_destroy(&client);
    return error;
}

static void a_certificate_nobody_vouches_for_is_refused(void **state)
{
    assert_int_equal(outcome_of(*state, "localhost", NULL), HTTP_ERROR_TLS);
}

static void a_certificate_for_another_name_is_refused(void **state)
{
    const fixture_t *fixture = *state;
    assert_int_equal(outcome_of(fixture, "127.0.0.1", fixture->certificate), HTTP_ERROR_TLS);
}

/* s_server's page ends with the connection, so that it is as good as cut: the handshake was right.
 */
static void a_certificate_that_is_trusted_is_accepted(void **state)
{
    const fixture_t *fixture = *state;
    assert_int_equal(outcome_of(fixture, "localhost", fixture->certificate), HTTP_ERROR_TRUNCATED);
}

/* Puts a copy of the certificate in the place of `path`, as those who rotate one do. */
static void replace(const char *path, const char *certificate)
{
    char aside[SCRATCH_PATH_BYTES + 8];
    size_t length;
    char *text = scratch_read(certificate, &length);
    (void)snprintf(aside, sizeof(aside), "%s.new", path);
    scratch_write(aside, text, length);
    free(text);
    assert_int_equal(rename(aside, path), 0);
    fake_clock_advance_ms(2000); /* the file is not looked at for each request */
}

static void trust_that_is_replaced_counts_from_then_on(void **state)
{
    const fixture_t *fixture = *state;
    char other[SCRATCH_PATH_BYTES], key[SCRATCH_PATH_BYTES], bundle[SCRATCH_PATH_BYTES];
    scratch_join(other, fixture->directory, "other.pem");
    scratch_join(key, fixture->directory, "other-key.pem");
    scratch_join(bundle, fixture->directory, "bundle.pem");
    assert_int_equal(make_certificate(key, other), 0);
    replace(bundle, other);
    http_client_t *client = http_client_new(&(http_client_options_t){.ca_file = bundle}, NULL);
    assert_int_equal(outcome_with(client, fixture, "localhost"), HTTP_ERROR_TLS);
    replace(bundle, fixture->certificate);
    assert_int_equal(outcome_with(client, fixture, "localhost"), HTTP_ERROR_TRUNCATED);
    fake_clock_advance_ms(60000);
    assert_int_equal(outcome_with(client, fixture, "localhost"), HTTP_ERROR_TRUNCATED);
    replace(bundle, other);
    assert_int_equal(outcome_with(client, fixture, "localhost"), HTTP_ERROR_TLS);
    unlink(bundle);
    fake_clock_advance_ms(2000);
    assert_int_equal(outcome_with(client, fixture, "localhost"), HTTP_ERROR_TLS);
    http_client_destroy(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_nobody_vouches_for_is_refused),
        cmocka_unit_test(a_certificate_for_another_name_is_refused),
        cmocka_unit_test(a_certificate_that_is_trusted_is_accepted),
        cmocka_unit_test(trust_that_is_replaced_counts_from_then_on),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
