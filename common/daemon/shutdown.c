#include "common/daemon/shutdown.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SIGNAL_EXIT_BASE 128 /* what a shell reports for a process that a signal ended */

static const int handled_signals[] = {SIGTERM, SIGINT, SIGHUP};

#define HANDLED_SIGNALS (sizeof(handled_signals) / sizeof(handled_signals[0]))

static atomic_bool stop_requested;
static atomic_bool reload_requested;
static atomic_int wake_fd = -1;

static void handle(int number)
{
    int interrupted_errno = errno;
    if (number == SIGHUP)
        atomic_store(&reload_requested, true);
    else if (atomic_exchange(&stop_requested, true))
        _exit(SIGNAL_EXIT_BASE + number);
    /* Fails only when the descriptor is readable already. */
    (void)!write(atomic_load(&wake_fd), &(uint64_t){1}, sizeof(uint64_t));
    errno = interrupted_errno;
}

static void set_handlers(void (*handler)(int), void (*write_handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < HANDLED_SIGNALS; i++)
        sigaddset(&action.sa_mask, handled_signals[i]);
    /* sigaction fails for numbers that are no signals. */
    for (size_t i = 0; i < HANDLED_SIGNALS; i++)
        (void)sigaction(handled_signals[i], &action, NULL);
    action.sa_handler = write_handler;
    (void)sigaction(SIGPIPE, &action, NULL);
    (void)sigaction(SIGXFSZ, &action, NULL);
}

int shutdown_open(fault_t *fault)
{
    assert(wake_fd < 0);
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return fault_set_errno(fault, errno, "cannot watch for signals");
    wake_fd = fd;
    set_handlers(handle, SIG_IGN);
    return 0;
}

void shutdown_close(void)
{
    if (wake_fd < 0)
        return;
    set_handlers(SIG_DFL, SIG_DFL);
    close(wake_fd);
    wake_fd = -1;
    stop_requested = false;
    reload_requested = false;
}

int shutdown_fd(void)
{
    return wake_fd;
}

void shutdown_clear(void)
{
    uint64_t count;
    /* Nothing to read means that it is unreadable already. */
    (void)!read(wake_fd, &count, sizeof(count));
}

bool shutdown_requested(void)
{
    return stop_requested;
}

bool shutdown_take_reload(void)
{
    return atomic_exchange(&reload_requested, false);
}
