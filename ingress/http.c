#include "ingress/http.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "ingress/http_loop.h"
#include "ingress/listener.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define SPARE_FILES      256 /* for the journal, the log, the other sockets */
#define KEPT_GRACE_MS    300 /* at a stop, for requests that are on their way on kept connections */
#define AFTER_CUT_MS     1000
#define POLL_INTERVAL_MS 5

struct http {
    http_options_t options;
    exchange_port_t port;
    http_loop_t *loops[HTTP_THREADS_MAX];
    size_t loop_count;
    int listen_fd;
    uint16_t port_number;
};

http_options_t http_options_default(void)
{
    return (http_options_t){
        .listen = "0.0.0.0:3003",
        .listen_fd = -1,
        .threads = 2,
        .offload_threads = 2,
        .body_bytes_max = INT64_C(128) << 20,
        .spill_bytes = INT64_C(1) << 20,
        .memory_bytes_max = INT64_C(256) << 20,
        .file_bytes_max = INT64_C(8) << 30,
        .head_bytes_max = 32768,
        .waiting_max = 8192,
        .connections_max = 8192,
        .connections_per_address_max = 0,
        .signature_tolerance_seconds = 3600,
        .head_ms = 15000,
        .keep_alive_ms = 75000,
        .silence_ms = 30000,
        .rate_grace_ms = 10000,
        .rate_bytes_per_second = 8192,
        .store_ms = 60000,
        .answer_ms = 30000,
        .linger_ms = 2000,
    };
}

/* Each connection is a descriptor and may have a body in a file: two each. */
static int64_t connections_that_fit(int64_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return wanted;
    rlim_t needed = 2 * (rlim_t)wanted + SPARE_FILES;
    if (limit.rlim_cur < needed) {
        limit.rlim_cur = limit.rlim_max < needed ? limit.rlim_max : needed;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* what it is then is read below */
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= needed)
        return wanted;
    int64_t fit = ((int64_t)limit.rlim_cur - SPARE_FILES) / 2;
    fit = fit > 16 ? fit : 16;
    log_line(LOG_LEVEL_WARN, "few open files are allowed, serving fewer connections",
             LOG_NUMBER("open_files", limit.rlim_cur), LOG_NUMBER("connections", fit));
    return fit;
}

static connections_options_t connections_options(const http_t *self)
{
    const http_options_t *options = &self->options;
    return (connections_options_t){
        .deadlines = {.head_ms = options->head_ms,
                      .keep_alive_ms = options->keep_alive_ms,
                      .silence_ms = options->silence_ms,
                      .rate_grace_ms = options->rate_grace_ms,
                      .rate_bytes_per_s = options->rate_bytes_per_second,
                      .store_ms = options->store_ms,
                      .answer_ms = options->answer_ms,
                      .linger_ms = options->linger_ms},
        .connections_max = connections_that_fit(options->connections_max),
        .connections_per_address_max = options->connections_per_address_max,
        .counts = self->port.counts,
        .give_up = exchange_give_up,
    };
}

static void fill_requests(http_t *self, journal_t *journal, const provider_keys_t *keys)
{
    const http_options_t *options = &self->options;
    requests_t *requests = &self->port.requests;
    requests->keys = *keys;
    requests->body_bytes_max = options->body_bytes_max;
    requests->tolerance_s = options->signature_tolerance_seconds;
    deposits_t *deposits = &requests->deposits;
    deposits->waiting_max = options->waiting_max;
    deposits->wake = exchange_wake;
    deposits->room.journal = journal;
    deposits->room.counts = self->port.counts;
    deposits->room.spill_bytes = options->spill_bytes;
    deposits->room.memory_bytes_max = options->memory_bytes_max;
    deposits->room.file_bytes_max = options->file_bytes_max;
}

/* All that serving needs but the library; 0, or -1 and a fault. */
static int make_parts(http_t *self, fault_t *fault)
{
    deposits_t *deposits = &self->port.requests.deposits;
    const http_options_t *options = &self->options;
    deposits->readers = readers_new();
    self->port.replies = replies_new();
    if (!deposits->readers || !self->port.replies)
        return fault_set(fault, "out of memory");
    deposits->offload =
        offload_new((size_t)options->offload_threads, deposit_work, deposits, fault);
    if (!deposits->offload)
        return -1;
    connections_options_t watched = connections_options(self);
    self->port.connections = connections_new(&watched, fault);
    return self->port.connections ? 0 : -1;
}

static int open_listener(http_t *self, fault_t *fault)
{
    self->listen_fd = self->options.listen_fd;
    if (self->listen_fd >= 0) {
        if (listener_adopt(self->listen_fd, fault) != 0)
            return -1;
    } else {
        self->listen_fd = listener_open(self->options.listen, fault);
        if (self->listen_fd < 0)
            return -1;
    }
    self->port_number = listener_port(self->listen_fd);
    return 0;
}

static int start(http_t *self, fault_t *fault)
{
    const http_options_t *options = &self->options;
    const http_loop_options_t loop = {
        .listen_fd = self->listen_fd,
        .head_bytes_max = (size_t)options->head_bytes_max,
        .connections_max = 4 * (unsigned)options->connections_max,
    };
    while (self->loop_count < (size_t)options->threads) {
        http_loop_t *started = http_loop_new(&loop, &self->port, fault);
        if (!started)
            return -1;
        self->loops[self->loop_count++] = started;
    }
    return 0;
}

http_t *http_new(const http_options_t *options, journal_t *journal, const provider_keys_t *keys,
                 metrics_t *metrics, fault_t *fault)
{
    http_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    self->options = *options;
    self->listen_fd = -1;
    self->port.counts = counts_new(metrics);
    fill_requests(self, journal, keys);
    if (!self->port.counts)
        fault_set(fault, "out of memory");
    if (!self->port.counts || make_parts(self, fault) != 0 || open_listener(self, fault) != 0 ||
        start(self, fault) != 0) {
        http_destroy(&self);
        return NULL;
    }
    log_line(LOG_LEVEL_INFO, "webhook port opens", LOG_NUMBER("port", self->port_number),
             LOG_TEXT("signatures", keys->allow_unsigned ? "not verified" : "verified"));
    return self;
}

uint16_t http_port(const http_t *self)
{
    return self->port_number;
}

static void pause_ms(long ms)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

/* How long a stop waits for what; times of clock_now_ms. */
typedef struct {
    int64_t kept_until; /* for requests that are on their way on idle connections */
    int64_t cut_at;     /* for requests in hand */
    int64_t leave_at;   /* for what was cut off */
} patience_t;

static bool may_leave(http_t *self, const patience_t *patience)
{
    connections_tally_t tally;
    connections_tally(self->port.connections, &tally);
    int64_t now_ms = clock_now_ms();
    if (now_ms >= patience->leave_at)
        return true;
    return tally.busy == 0 && (tally.open == 0 || now_ms >= patience->kept_until);
}

/* The library aborts the process if it is stopped with a suspended connection or while one is being
 * resumed, so both are waited for.  Giving a deposit up resumes it, whatever the journal does. */
static void drain(http_t *self, int64_t deadline_ms)
{
    int64_t now_ms = clock_now_ms();
    const patience_t patience = {
        .kept_until = now_ms + KEPT_GRACE_MS,
        .cut_at = now_ms + deadline_ms,
        .leave_at = now_ms + deadline_ms + AFTER_CUT_MS,
    };
    connections_t *connections = self->port.connections;
    while (!may_leave(self, &patience) || !connections_close(connections)) {
        if (clock_now_ms() >= patience.cut_at)
            connections_cut_all(connections, ANSWER_STOPPING);
        pause_ms(POLL_INTERVAL_MS);
    }
    while (atomic_load(&self->port.requests.deposits.inside) > 0)
        pause_ms(POLL_INTERVAL_MS);
}

void http_stop(http_t *self, int64_t deadline_ms)
{
    if (self->loop_count == 0)
        return;
    log_line(LOG_LEVEL_INFO, "webhook port closes", LOG_NUMBER("port", self->port_number));
    atomic_store(&self->port.requests.closing, true);
    for (size_t i = 0; i < self->loop_count; i++)
        http_loop_quiesce(self->loops[i]);
    close(self->listen_fd);
    self->listen_fd = -1;
    drain(self, deadline_ms);
    while (self->loop_count > 0)
        http_loop_destroy(&self->loops[--self->loop_count]);
}

void http_destroy(http_t **self)
{
    http_t *http = *self;
    if (!http)
        return;
    http_stop(http, 0);
    deposits_t *deposits = &http->port.requests.deposits;
    while (!deposits_are_over(deposits))
        pause_ms(POLL_INTERVAL_MS);
    if (http->listen_fd >= 0)
        close(http->listen_fd);
    connections_destroy(&http->port.connections);
    offload_destroy(&deposits->offload);
    replies_destroy(&http->port.replies);
    readers_destroy(&deposits->readers);
    counts_destroy(&http->port.counts);
    free(http);
    *self = NULL;
}
