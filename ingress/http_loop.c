#include "ingress/http_loop.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>

/* What is asked of the thread; it only moves on. */
enum { SERVE, QUIESCE, STOP };

struct http_loop {
    exchanges_t exchanges;
    struct MHD_Daemon *library;
    int library_fd; /* readable when the library has something to do */
    atomic_int asked;
    sem_t quiesced;
    pthread_t thread;
};

static struct MHD_Daemon *start_library(http_loop_t *self, const http_loop_options_t *options)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, exchange_on_accept, &self->exchanges,
        exchange_on_request, &self->exchanges, MHD_OPTION_LISTEN_SOCKET, options->listen_fd,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_CONNECTION_LIMIT, options->connections_max,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, options->head_bytes_max, MHD_OPTION_URI_LOG_CALLBACK,
        exchange_on_target, &self->exchanges, MHD_OPTION_NOTIFY_COMPLETED, exchange_on_completed,
        &self->exchanges, MHD_OPTION_NOTIFY_CONNECTION, exchange_on_connection, &self->exchanges,
        MHD_OPTION_END);
}

/* How long the library has nothing to do of itself; -1: for ever. */
static int patience_ms(struct MHD_Daemon *library)
{
    MHD_UNSIGNED_LONG_LONG ms;
    if (MHD_get_timeout(library, &ms) != MHD_YES)
        return -1;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

/* Serves until something else is asked than `now`. */
static void serve(http_loop_t *self, int now)
{
    struct pollfd fds[] = {{.fd = self->library_fd, .events = POLLIN},
                           {.fd = self->exchanges.stir_fd, .events = POLLIN}};
    while (atomic_load(&self->asked) == now) {
        int wait_ms = patience_ms(self->library);
        int ready = wait_ms == 0 ? 0 : poll(fds, 2, wait_ms);
        exchanges_resume(&self->exchanges, ready > 0 && fds[1].revents);
        (void)MHD_run(self->library);
    }
}

static void *run(void *loop)
{
    http_loop_t *self = loop;
    serve(self, SERVE);
    (void)MHD_quiesce_daemon(self->library); /* what it returns is the caller's socket */
    (void)sem_post(&self->quiesced);
    serve(self, QUIESCE);
    return NULL;
}

/* All signals stay with the thread that main gave them to; SIGPIPE would end the process. */
static int start_thread(http_loop_t *self)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&self->thread, NULL, run, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

/* 0 or an errno. */
static int start(http_loop_t *self, const http_loop_options_t *options, exchange_port_t *port)
{
    if (exchanges_open(&self->exchanges, port) != 0)
        return errno;
    self->library = start_library(self, options);
    if (!self->library)
        return errno ? errno : ENOMEM;
    self->library_fd = MHD_get_daemon_info(self->library, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    return start_thread(self);
}

static void free_loop(http_loop_t *self)
{
    if (self->library)
        MHD_stop_daemon(self->library);
    exchanges_close(&self->exchanges);
    sem_destroy(&self->quiesced);
    free(self);
}

http_loop_t *http_loop_new(const http_loop_options_t *options, exchange_port_t *port,
                           fault_t *fault)
{
    http_loop_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    (void)sem_init(&self->quiesced, 0, 0); /* fails only for what cannot be here */
    errno = 0;
    int error = start(self, options, port);
    if (error == 0)
        return self;
    fault_set_errno(fault, error, "cannot start the HTTP server");
    if (self->library)
        (void)MHD_quiesce_daemon(self->library); /* or it would close the socket */
    free_loop(self);
    return NULL;
}

static void ask(http_loop_t *self, int what)
{
    atomic_store(&self->asked, what);
    exchanges_stir(&self->exchanges);
}

void http_loop_quiesce(http_loop_t *self)
{
    ask(self, QUIESCE);
    while (sem_wait(&self->quiesced) != 0)
        continue; /* interrupted */
}

void http_loop_destroy(http_loop_t **self)
{
    if (!*self)
        return;
    ask(*self, STOP);
    pthread_join((*self)->thread, NULL);
    free_loop(*self);
    *self = NULL;
}
