#include "common/link/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a question and the threads share; the last of them frees it. */
typedef struct {
    pthread_mutex_t lock;
    struct question_t *answered; /* in no order */
    size_t users;                /* the lookup itself, and each question that is being asked */
    int fd;                      /* an eventfd; -1 once the lookup is gone */
} shared_t;

typedef struct question_t {
    struct question_t *next;
    shared_t *shared;
    lookup_resolve_t *resolve;
    void *context;
    size_t tag;
    char *host;
    lookup_answer_t *answer;
} question_t;

struct lookup_t {
    shared_t *shared;
    lookup_resolve_t *resolve;
    void *context;
};

/* The system. */

static void add_address(lookup_answer_t *answer, const struct addrinfo *found)
{
    char text[LOOKUP_ADDRESS_BYTES];
    if (getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof(text), NULL, 0,
                    NI_NUMERICHOST) != 0)
        return;
    for (size_t i = 0; i < answer->count; i++) {
        if (strcmp(answer->addresses[i], text) == 0)
            return;
    }
    if (answer->count == LOOKUP_ADDRESSES_MAX)
        answer->cut = true;
    else
        memcpy(answer->addresses[answer->count++], text, sizeof(text));
}

void lookup_system(void *context, const char *host, lookup_answer_t *answer)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    (void)context;
    int status = getaddrinfo(host, NULL, &hints, &found);
    if (status != 0) {
        fault_set(&answer->fault, "%s",
                  status == EAI_SYSTEM ? strerror(errno) : gai_strerror(status));
        return;
    }
    for (const struct addrinfo *next = found; next; next = next->ai_next)
        add_address(answer, next);
    freeaddrinfo(found);
}

/* Questions and threads. */

static void question_free(question_t *self)
{
    if (self) {
        free(self->host);
        free(self->answer);
        free(self);
    }
}

/* Unlocks it, and frees it after its last user. */
static void leave(shared_t *self)
{
    bool last = --self->users == 0;
    pthread_mutex_unlock(&self->lock);
    if (!last)
        return;
    while (self->answered) {
        question_t *question = self->answered;
        self->answered = question->next;
        question_free(question);
    }
    pthread_mutex_destroy(&self->lock);
    free(self);
}

/* The counter of an eventfd neither overflows nor blocks here: it goes up by one for each answer.
 */
static void *ask(void *asked)
{
    question_t *question = asked;
    shared_t *shared = question->shared;
    question->resolve(question->context, question->host, question->answer);
    pthread_mutex_lock(&shared->lock);
    question->next = shared->answered;
    shared->answered = question;
    if (shared->fd >= 0)
        (void)!write(shared->fd, &(uint64_t){1}, sizeof(uint64_t));
    leave(shared);
    return NULL;
}

/* All signals are blocked in the thread: they belong to the one that main gave them to. */
static int start(question_t *question)
{
    sigset_t all, before;
    pthread_t thread;
    pthread_attr_t detached;
    sigfillset(&all);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, &detached, ask, question);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&detached);
    return error;
}

lookup_t *lookup_new(lookup_resolve_t *resolve, void *context, fault_t *fault)
{
    lookup_t *self = calloc(1, sizeof(*self));
    shared_t *shared = calloc(1, sizeof(*shared));
    int fd = self && shared ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    if (fd < 0) {
        fault_set(fault, "cannot prepare to look names up");
        free(shared);
        free(self);
        return NULL;
    }
    pthread_mutex_init(&shared->lock, NULL);
    shared->users = 1;
    shared->fd = fd;
    *self = (lookup_t){.shared = shared, .resolve = resolve, .context = context};
    return self;
}

int lookup_ask(lookup_t *self, const char *host, size_t tag, fault_t *fault)
{
    shared_t *shared = self->shared;
    question_t *question = calloc(1, sizeof(*question));
    int error = ENOMEM;
    if (question) {
        *question = (question_t){.shared = shared,
                                 .resolve = self->resolve,
                                 .context = self->context,
                                 .tag = tag,
                                 .host = strdup(host),
                                 .answer = calloc(1, sizeof(lookup_answer_t))};
        pthread_mutex_lock(&shared->lock);
        shared->users++;
        pthread_mutex_unlock(&shared->lock);
        if (question->host && question->answer)
            error = start(question);
        if (error == 0)
            return 0;
        pthread_mutex_lock(&shared->lock);
        leave(shared);
        question_free(question);
    }
    return fault_set_errno(fault, error, "cannot look \"%.64s\" up", host);
}

lookup_answer_t *lookup_take(lookup_t *self, size_t *tag)
{
    shared_t *shared = self->shared;
    uint64_t count;
    pthread_mutex_lock(&shared->lock);
    question_t *question = shared->answered;
    if (question)
        shared->answered = question->next;
    if (!shared->answered)
        (void)!read(shared->fd, &count, sizeof(count)); /* nothing to read: it was not raised */
    pthread_mutex_unlock(&shared->lock);
    if (!question)
        return NULL;
    lookup_answer_t *answer = question->answer;
    *tag = question->tag;
    question->answer = NULL;
    question_free(question);
    return answer;
}

int lookup_fd(const lookup_t *self)
{
    return self->shared->fd;
}

void lookup_destroy(lookup_t **self_p)
{
    lookup_t *self = *self_p;
    if (!self)
        return;
    pthread_mutex_lock(&self->shared->lock);
    close(self->shared->fd);
    self->shared->fd = -1;
    leave(self->shared);
    free(self);
    *self_p = NULL;
}
