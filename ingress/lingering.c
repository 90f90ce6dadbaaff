#include "ingress/lingering.h"

#include "common/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES      65536
#define READS_PER_ROUND 16 /* then it is another connection's turn */

typedef struct {
    int fd;
    int64_t until_ms;
} guest_t;

struct lingering {
    pthread_mutex_t lock; /* guests and count; only the waiting thread removes */
    guest_t guests[LINGERING_MAX];
    size_t count;
    int64_t linger_ms;
    int wake_fd;
};

lingering_t *lingering_new(int64_t linger_ms, fault_t *fault)
{
    lingering_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&self->lock, NULL);
    self->linger_ms = linger_ms;
    self->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->wake_fd < 0) {
        fault_set_errno(fault, errno, "eventfd");
        lingering_destroy(&self);
    }
    return self;
}

void lingering_destroy(lingering_t **self)
{
    lingering_t *lingering = *self;
    if (!lingering)
        return;
    for (size_t i = 0; i < lingering->count; i++)
        close(lingering->guests[i].fd);
    if (lingering->wake_fd >= 0)
        close(lingering->wake_fd);
    pthread_mutex_destroy(&lingering->lock);
    free(lingering);
    *self = NULL;
}

void lingering_wake(lingering_t *self)
{
    /* The counter cannot overflow: it is emptied at each round. */
    (void)!write(self->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
}

size_t lingering_count(lingering_t *self)
{
    pthread_mutex_lock(&self->lock);
    size_t count = self->count;
    pthread_mutex_unlock(&self->lock);
    return count;
}

bool lingering_add(lingering_t *self, int fd)
{
    bool added = false;
    pthread_mutex_lock(&self->lock);
    if (self->count < LINGERING_MAX) {
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        added = copy >= 0;
        if (added)
            self->guests[self->count++] = (guest_t){copy, clock_now_ms() + self->linger_ms};
    }
    pthread_mutex_unlock(&self->lock);
    if (added)
        lingering_wake(self);
    return added;
}

/* False once the sender has closed its side or the connection is broken. */
static bool read_away(int fd)
{
    static const int flags = MSG_DONTWAIT | MSG_TRUNC; /* TCP: dropped without a copy, tcp(7) */
    for (int i = 0; i < READS_PER_ROUND; i++) {
        ssize_t got = recv(fd, NULL, READ_BYTES, flags);
        if (got < 0)
            return errno == EAGAIN || errno == EINTR;
        if (got == 0)
            return false;
    }
    return true;
}

static void remove_guest(lingering_t *self, size_t index)
{
    close(self->guests[index].fd);
    pthread_mutex_lock(&self->lock);
    self->guests[index] = self->guests[--self->count];
    pthread_mutex_unlock(&self->lock);
}

/* Copies what is to be polled; returns when the first guest's time is over, or `timeout_ms`. */
static int64_t prepare(lingering_t *self, struct pollfd *polled, size_t *count, int64_t timeout_ms)
{
    int64_t now_ms = clock_now_ms();
    pthread_mutex_lock(&self->lock);
    *count = self->count;
    for (size_t i = 0; i < self->count; i++) {
        polled[i] = (struct pollfd){.fd = self->guests[i].fd, .events = POLLIN};
        int64_t left_ms = self->guests[i].until_ms - now_ms;
        if (left_ms < timeout_ms)
            timeout_ms = left_ms > 0 ? left_ms : 0;
    }
    pthread_mutex_unlock(&self->lock);
    return timeout_ms;
}

void lingering_wait(lingering_t *self, int64_t timeout_ms)
{
    struct pollfd polled[LINGERING_MAX + 1];
    size_t count;
    timeout_ms = prepare(self, polled, &count, timeout_ms);
    polled[count] = (struct pollfd){.fd = self->wake_fd, .events = POLLIN};
    if (poll(polled, count + 1, (int)timeout_ms) < 0)
        return;
    uint64_t wakes;
    if (polled[count].revents)
        (void)!read(self->wake_fd, &wakes, sizeof(wakes));
    int64_t now_ms = clock_now_ms();
    /* From the end: what is removed is replaced by the last, which was looked at already, or came
     * after the poll and is looked at next time. */
    for (size_t i = count; i-- > 0;) {
        bool stays = polled[i].revents == 0 || read_away(polled[i].fd);
        if (!stays || now_ms >= self->guests[i].until_ms)
            remove_guest(self, i);
    }
}
