/* What a service manager hears, on a socket of ours in its place. */
#include "common/daemon/service.h"
#include "tests/unit/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct {
    service_t service;
    int manager;
    char directory[SCRATCH_PATH_BYTES];
} fixture_t;

static int bind_manager(const char *path, size_t length)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, length);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, bytes), 0);
    return fd;
}

static int open_manager(void **state)
{
    static fixture_t self;
    char path[SCRATCH_PATH_BYTES];
    scratch_new(self.directory);
    scratch_join(path, self.directory, "notify");
    self.manager = bind_manager(path, strlen(path));
    setenv("NOTIFY_SOCKET", path, 1);
    *state = &self;
    return 0;
}

static int close_manager(void **state)
{
    fixture_t *self = *state;
    service_close(&self->service);
    close(self->manager);
    scratch_remove(self->directory);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return 0;
}

/* The next thing that was said, or "" when nothing was. */
static const char *heard(const fixture_t *self)
{
    static char text[1024];
    ssize_t bytes = recv(self->manager, text, sizeof(text) - 1, 0);
    text[bytes > 0 ? bytes : 0] = '\0';
    return text;
}

static void it_says_what_it_is(void **state)
{
    fixture_t *self = *state;
    service_open(&self->service);
    service_ready(&self->service);
    assert_string_equal(heard(self), "READY=1");
    service_status(&self->service, "waits\nfor STATUS=1");
    assert_string_equal(heard(self), "STATUS=waits for STATUS=1");
    service_turn(&self->service, 1, false);
    assert_string_equal(heard(self), "");
    service_turn(&self->service, 2, true);
    assert_string_equal(heard(self), "STOPPING=1");
    service_turn(&self->service, 3, true);
    assert_string_equal(heard(self), "");
}

static void a_status_of_any_length_is_one_message(void **state)
{
    fixture_t *self = *state;
    char text[5000];
    memset(text, '\n', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    service_open(&self->service);
    service_status(&self->service, text);
    assert_null(strchr(heard(self), '\n'));
    assert_string_equal(heard(self), "");
}

static void it_is_alive_twice_in_the_time_of_the_watchdog(void **state)
{
    fixture_t *self = *state;
    setenv("WATCHDOG_USEC", "10000000", 1);
    service_open(&self->service);
    int signs = 0;
    for (int64_t now_ms = 70000; now_ms < 90000; now_ms += 100) {
        service_turn(&self->service, now_ms, false);
        signs += strcmp(heard(self), "WATCHDOG=1") == 0;
    }
    assert_int_equal(signs, 4);
}

static void the_watchdog_of_another_process_is_not_ours(void **state)
{
    fixture_t *self = *state;
    setenv("WATCHDOG_USEC", "10000000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    service_open(&self->service);
    service_turn(&self->service, 1, false);
    assert_string_equal(heard(self), "");
}

static void an_abstract_name_is_written_with_an_at_sign(void **state)
{
    fixture_t *self = *state;
    char name[64];
    int length = snprintf(name, sizeof(name), "@postcall-test-%d", (int)getpid());
    setenv("NOTIFY_SOCKET", name, 1);
    name[0] = '\0';
    close(self->manager);
    self->manager = bind_manager(name, (size_t)length);
    service_open(&self->service);
    service_ready(&self->service);
    assert_string_equal(heard(self), "READY=1");
}

static void without_a_manager_nothing_happens(void **state)
{
    fixture_t *self = *state;
    const char *const names[] = {NULL, "", "relative", "/nowhere/at/all", "vsock:2:1"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i])
            setenv("NOTIFY_SOCKET", names[i], 1);
        else
            unsetenv("NOTIFY_SOCKET");
        service_open(&self->service);
        assert_int_equal(self->service.fd, -1);
        service_ready(&self->service);
        service_turn(&self->service, 1, true);
        service_close(&self->service);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_manager, close_manager)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_says_what_it_is),
        TEST(a_status_of_any_length_is_one_message),
        TEST(it_is_alive_twice_in_the_time_of_the_watchdog),
        TEST(the_watchdog_of_another_process_is_not_ours),
        TEST(an_abstract_name_is_written_with_an_at_sign),
        TEST(without_a_manager_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
