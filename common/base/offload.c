#include "common/base/offload.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct node {
    struct node *next;
    void *job;
} node_t;

typedef struct {
    node_t *first;
    node_t *last;
} queue_t;

struct offload {
    offload_run_t *run;
    void *context;
    int fd; /* an eventfd: not zero while `finished` is not empty */
    pthread_mutex_t lock;
    pthread_cond_t work; /* something is queued, or `stopping` */
    queue_t queued;
    queue_t finished;
    atomic_size_t pending; /* changed under the lock, read without */
    bool stopping;
    size_t started;
    pthread_t threads[];
};

static void queue_push(queue_t *self, node_t *node)
{
    node->next = NULL;
    if (self->first)
        self->last->next = node;
    else
        self->first = node;
    self->last = node;
}

static node_t *queue_pop(queue_t *self)
{
    node_t *node = self->first;
    if (node)
        self->first = node->next;
    return node;
}

static void queue_free(queue_t *self)
{
    for (node_t *node; (node = queue_pop(self));)
        free(node);
}

/* Called with the lock held.  The counter can neither overflow nor block: it goes from 0 to 1. */
static void raise_fd(offload_t *self)
{
    ssize_t written = write(self->fd, &(uint64_t){1}, sizeof(uint64_t));
    assert(written == sizeof(uint64_t));
}

static void lower_fd(offload_t *self)
{
    uint64_t count;
    ssize_t taken = read(self->fd, &count, sizeof(count));
    assert(taken == sizeof(count));
}

static void finish(offload_t *self, node_t *node)
{
    if (!self->finished.first)
        raise_fd(self);
    queue_push(&self->finished, node);
}

static void *work(void *offload)
{
    offload_t *self = offload;
    pthread_mutex_lock(&self->lock);
    for (;;) {
        node_t *node = queue_pop(&self->queued);
        if (node) {
            pthread_mutex_unlock(&self->lock);
            self->run(self->context, node->job);
            pthread_mutex_lock(&self->lock);
            finish(self, node);
        } else if (self->stopping) {
            break;
        } else {
            pthread_cond_wait(&self->work, &self->lock);
        }
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

/* Threads start with all signals blocked: they belong to the thread that main gave them to. */
static int start_threads(offload_t *self, size_t threads)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = 0;
    while (error == 0 && self->started < threads) {
        error = pthread_create(&self->threads[self->started], NULL, work, self);
        if (error == 0)
            self->started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

offload_t *offload_new(size_t threads, offload_run_t *run, void *context, fault_t *fault)
{
    assert(threads > 0);
    offload_t *self = calloc(1, sizeof(*self) + threads * sizeof(self->threads[0]));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    self->run = run;
    self->context = context;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->work, NULL);
    self->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int error = self->fd < 0 ? errno : start_threads(self, threads);
    if (error) {
        fault_set_errno(fault, error, "cannot start %zu threads", threads);
        offload_destroy(&self);
    }
    return self;
}

int offload_put(offload_t *self, void *job)
{
    assert(job);
    node_t *node = malloc(sizeof(*node));
    if (!node)
        return -1;
    node->job = job;
    pthread_mutex_lock(&self->lock);
    queue_push(&self->queued, node);
    self->pending++;
    pthread_cond_signal(&self->work);
    pthread_mutex_unlock(&self->lock);
    return 0;
}

void *offload_take(offload_t *self)
{
    pthread_mutex_lock(&self->lock);
    node_t *node = queue_pop(&self->finished);
    if (node) {
        self->pending--;
        if (!self->finished.first)
            lower_fd(self);
    }
    pthread_mutex_unlock(&self->lock);
    void *job = node ? node->job : NULL;
    free(node);
    return job;
}

int offload_fd(const offload_t *self)
{
    return self->fd;
}

size_t offload_pending(const offload_t *self)
{
    return self->pending;
}

void offload_destroy(offload_t **self)
{
    offload_t *offload = *self;
    if (!offload)
        return;
    pthread_mutex_lock(&offload->lock);
    offload->stopping = true;
    pthread_cond_broadcast(&offload->work);
    pthread_mutex_unlock(&offload->lock);
    for (size_t i = 0; i < offload->started; i++)
        pthread_join(offload->threads[i], NULL);
    queue_free(&offload->finished);
    if (offload->fd >= 0)
        close(offload->fd);
    pthread_cond_destroy(&offload->work);
    pthread_mutex_destroy(&offload->lock);
    free(offload);
    *self = NULL;
}
