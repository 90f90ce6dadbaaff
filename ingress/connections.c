#include "ingress/connections.h"

#include "common/base/clock.h"
#include "ingress/lingering.h"

#include <assert.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SHED_AGE_MS 1000 /* younger connections are not the slowest, whatever they sent */

/* What counts as one address; zeros for what is none. */
typedef struct {
    uint8_t bytes[16];
} address_key_t;

struct connection {
    connection_t *previous;
    connection_t *next;
    int fd;
    address_key_t address;
    deadlines_pace_t pace;
    bool excused; /* a deadline of this phase was put off once */
    bool unread;  /* bytes may be unread when it is closed */
    bool shut;    /* both ways, by us: it only waits for its removal */
    void *waiter; /* in PHASE_STORING, until it is given up */
};

struct connections {
    connections_options_t options;
    lingering_t *lingering;
    pthread_mutex_t lock;
    connection_t *first;
    size_t open; /* not shut */
    bool closed; /* nothing may begin to store */
    atomic_bool stopping;
    bool watched; /* `watch` runs */
    pthread_t watch;
};

static address_key_t address_key(const struct sockaddr *address)
{
    address_key_t key = {{0}};
    if (address->sa_family == AF_INET) {
        memcpy(key.bytes + 12, &((const struct sockaddr_in *)address)->sin_addr, 4);
        memset(key.bytes + 10, 0xff, 2);
    } else if (address->sa_family == AF_INET6) {
        const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
        memcpy(key.bytes, v6, IN6_IS_ADDR_V4MAPPED(v6) ? 16 : 8);
    }
    return key;
}

/* Everything below, up to the thread, is called with the lock held. */

static void enter_phase(connection_t *connection, deadlines_phase_t phase)
{
    int64_t now_ms = clock_now_ms();
    connection->pace =
        (deadlines_pace_t){.phase = phase, .since_ms = now_ms, .last_byte_ms = now_ms};
    connection->excused = false;
    connection->waiter = NULL;
}

static void shut(connections_t *self, connection_t *connection)
{
    if (connection->shut)
        return;
    connection->shut = true;
    self->open--;
    (void)shutdown(connection->fd, SHUT_RDWR); /* the library finds it closed, and removes it */
}

static void cut(connections_t *self, connection_t *connection, answer_t answer)
{
    if (connection->pace.phase == PHASE_CUT || connection->shut)
        return;
    counts_answer(self->options.counts, answer);
    char text[ANSWER_TEXT_BYTES];
    size_t length = answer_write(answer, text);
    /* It fits an empty send buffer; a sender that lets it fill up can do without. */
    (void)send(connection->fd, text, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)shutdown(connection->fd, SHUT_WR);
    enter_phase(connection, PHASE_CUT);
}

static bool is_cut(const connection_t *connection)
{
    return connection->shut || connection->pace.phase == PHASE_CUT;
}

/* True when the delay was ours: the sender's bytes lie there unread. */
static bool excuse(connection_t *connection)
{
    int unread = 0;
    if (connection->excused || ioctl(connection->fd, FIONREAD, &unread) != 0 || unread == 0)
        return false;
    connection->pace.since_ms = connection->pace.last_byte_ms = clock_now_ms();
    connection->excused = true;
    return true;
}

static void give_up(connections_t *self, connection_t *connection, answer_t answer)
{
    if (connection->waiter)
        self->options.give_up(connection->waiter, answer);
    connection->waiter = NULL;
}

static void enforce(connections_t *self, connection_t *connection, deadline_t deadline)
{
    bool reading =
        deadline == DEADLINE_HEAD || deadline == DEADLINE_SILENCE || deadline == DEADLINE_RATE;
    if (reading && excuse(connection))
        return;
    counts_deadline(self->options.counts, deadline);
    if (reading)
        cut(self, connection, ANSWER_TOO_SLOW);
    else if (deadline == DEADLINE_STORE)
        give_up(self, connection, ANSWER_STORAGE_SLOW);
    else
        shut(self, connection);
}

static void look_at(connections_t *self, connection_t *connection, int64_t now_ms)
{
    bool given_up = connection->pace.phase == PHASE_STORING && !connection->waiter;
    if (connection->shut || given_up)
        return;
    deadline_t deadline = deadline_passed(&self->options.deadlines, &connection->pace, now_ms);
    if (deadline != DEADLINE_NONE)
        enforce(self, connection, deadline);
}

/* Lower is slower; negative when it must be left alone. */
static int64_t speed(const connection_t *connection, int64_t now_ms)
{
    const deadlines_pace_t *pace = &connection->pace;
    bool has_nothing = pace->phase == PHASE_HEAD || pace->phase == PHASE_KEPT;
    int64_t age_ms = now_ms - pace->since_ms;
    if (connection->shut || age_ms < SHED_AGE_MS || (!has_nothing && pace->phase != PHASE_BODY))
        return -1;
    return pace->body_bytes / (age_ms / 1000);
}

/* Of equals the one that has been as slow for longest. */
static connection_t *slowest(const connections_t *self, int64_t now_ms)
{
    connection_t *found = NULL;
    int64_t lowest = 0;
    for (connection_t *at = self->first; at; at = at->next) {
        int64_t of_this = speed(at, now_ms);
        if (of_this < 0 || (found && of_this > lowest))
            continue;
        if (found && of_this == lowest && at->pace.since_ms >= found->pace.since_ms)
            continue;
        found = at;
        lowest = of_this;
    }
    return found;
}

static int64_t count_address(const connections_t *self, const address_key_t *address)
{
    int64_t count = 0;
    for (const connection_t *at = self->first; at; at = at->next)
        count += !at->shut && memcmp(&at->address, address, sizeof(*address)) == 0;
    return count;
}

static bool admit(connections_t *self, const address_key_t *address)
{
    const connections_options_t *options = &self->options;
    int64_t per_address = options->connections_per_address_max;
    if (per_address > 0 && count_address(self, address) >= per_address) {
        counts_limit(options->counts, LIMIT_CONNECTIONS_PER_ADDRESS);
        return false;
    }
    if ((int64_t)self->open < options->connections_max)
        return true;
    counts_limit(options->counts, LIMIT_CONNECTIONS);
    connection_t *connection = slowest(self, clock_now_ms());
    if (connection)
        shut(self, connection);
    return connection != NULL;
}

/* The thread, and what others call. */

static void *watch(void *connections)
{
    connections_t *self = connections;
    int64_t tick_ms = deadlines_tick_ms(&self->options.deadlines);
    int64_t due_ms = clock_now_ms() + tick_ms;
    while (!atomic_load(&self->stopping)) {
        int64_t now_ms = clock_now_ms();
        lingering_wait(self->lingering, due_ms > now_ms ? due_ms - now_ms : 0);
        now_ms = clock_now_ms();
        if (now_ms < due_ms)
            continue;
        pthread_mutex_lock(&self->lock);
        for (connection_t *at = self->first; at; at = at->next)
            look_at(self, at, now_ms);
        pthread_mutex_unlock(&self->lock);
        due_ms = now_ms + tick_ms;
    }
    return NULL;
}

/* All signals stay with the thread that main gave them to. */
static int start_watch(connections_t *self)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&self->watch, NULL, watch, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    self->watched = error == 0;
    return error;
}

connections_t *connections_new(const connections_options_t *options, fault_t *fault)
{
    connections_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    self->options = *options;
    pthread_mutex_init(&self->lock, NULL);
    self->lingering = lingering_new(options->deadlines.linger_ms, fault);
    int error = self->lingering ? start_watch(self) : 0;
    if (error)
        fault_set_errno(fault, error, "cannot start a thread");
    if (!self->watched)
        connections_destroy(&self);
    return self;
}

void connections_destroy(connections_t **self)
{
    connections_t *connections = *self;
    if (!connections)
        return;
    atomic_store(&connections->stopping, true);
    if (connections->watched) {
        lingering_wake(connections->lingering);
        pthread_join(connections->watch, NULL);
    }
    assert(!connections->first);
    lingering_destroy(&connections->lingering);
    pthread_mutex_destroy(&connections->lock);
    free(connections);
    *self = NULL;
}

bool connections_admit(connections_t *self, const struct sockaddr *address)
{
    address_key_t key = address_key(address);
    pthread_mutex_lock(&self->lock);
    bool admitted = admit(self, &key);
    pthread_mutex_unlock(&self->lock);
    return admitted;
}

connection_t *connections_add(connections_t *self, int fd, const struct sockaddr *address)
{
    connection_t *connection = calloc(1, sizeof(*connection));
    if (!connection)
        return NULL;
    connection->fd = fd;
    connection->address = address_key(address);
    enter_phase(connection, PHASE_HEAD);
    pthread_mutex_lock(&self->lock);
    connection->next = self->first;
    if (self->first)
        self->first->previous = connection;
    self->first = connection;
    self->open++;
    pthread_mutex_unlock(&self->lock);
    counts_connections(self->options.counts, 1);
    return connection;
}

void connections_remove(connections_t *self, connection_t *connection)
{
    if (!connection)
        return;
    pthread_mutex_lock(&self->lock);
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        self->first = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    if (!connection->shut)
        self->open--;
    if (connection->unread && !connection->shut && !lingering_add(self->lingering, connection->fd))
        counts_limit(self->options.counts, LIMIT_LINGERING);
    pthread_mutex_unlock(&self->lock);
    counts_connections(self->options.counts, -1);
    free(connection);
}

static bool change_phase(connections_t *self, connection_t *connection, deadlines_phase_t phase)
{
    pthread_mutex_lock(&self->lock);
    bool goes_on = !is_cut(connection) && !(phase == PHASE_STORING && self->closed);
    if (goes_on)
        enter_phase(connection, phase);
    pthread_mutex_unlock(&self->lock);
    return goes_on;
}

bool connection_begin_head(connections_t *self, connection_t *connection)
{
    return change_phase(self, connection, PHASE_HEAD);
}

bool connection_begin_body(connections_t *self, connection_t *connection)
{
    return change_phase(self, connection, PHASE_BODY);
}

bool connection_begin_storing(connections_t *self, connection_t *connection)
{
    return change_phase(self, connection, PHASE_STORING);
}

void connection_await(connections_t *self, connection_t *connection, void *waiter)
{
    pthread_mutex_lock(&self->lock);
    connection->waiter = waiter;
    pthread_mutex_unlock(&self->lock);
}

bool connection_begin_answer(connections_t *self, connection_t *connection, bool unread)
{
    pthread_mutex_lock(&self->lock);
    bool goes_on = !is_cut(connection);
    if (goes_on)
        enter_phase(connection, PHASE_ANSWERING);
    connection->unread = unread;
    pthread_mutex_unlock(&self->lock);
    return goes_on;
}

void connection_end_request(connections_t *self, connection_t *connection)
{
    (void)change_phase(self, connection, PHASE_KEPT);
}

bool connection_received(connections_t *self, connection_t *connection, size_t bytes)
{
    pthread_mutex_lock(&self->lock);
    bool goes_on = !is_cut(connection);
    connection->pace.last_byte_ms = clock_now_ms();
    connection->pace.body_bytes += (int64_t)bytes;
    pthread_mutex_unlock(&self->lock);
    return goes_on;
}

void connection_cut(connections_t *self, connection_t *connection, answer_t answer)
{
    pthread_mutex_lock(&self->lock);
    cut(self, connection, answer);
    pthread_mutex_unlock(&self->lock);
}

void connections_tally(connections_t *self, connections_tally_t *tally)
{
    *tally = (connections_tally_t){.busy = lingering_count(self->lingering)};
    pthread_mutex_lock(&self->lock);
    for (const connection_t *at = self->first; at; at = at->next) {
        deadlines_phase_t phase = at->pace.phase;
        tally->open += !at->shut;
        tally->busy += phase == PHASE_STORING || (!at->shut && phase >= PHASE_BODY);
    }
    pthread_mutex_unlock(&self->lock);
}

void connections_cut_all(connections_t *self, answer_t answer)
{
    pthread_mutex_lock(&self->lock);
    for (connection_t *at = self->first; at; at = at->next) {
        if (at->pace.phase == PHASE_STORING)
            give_up(self, at, answer);
        else if (at->pace.phase == PHASE_BODY)
            cut(self, at, answer);
    }
    pthread_mutex_unlock(&self->lock);
}

bool connections_close(connections_t *self)
{
    bool storing = false;
    pthread_mutex_lock(&self->lock);
    for (const connection_t *at = self->first; at; at = at->next)
        storing |= at->pace.phase == PHASE_STORING;
    self->closed = !storing;
    pthread_mutex_unlock(&self->lock);
    return !storing;
}
