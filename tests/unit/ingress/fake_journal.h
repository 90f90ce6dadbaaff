/* fake_journal: the part of common/journal/journal that the webhook port uses, in memory, told by
 * the test what to answer and when.  For one test program: it defines the journal's own functions.
 */
#ifndef POSTCALL_TESTS_FAKE_JOURNAL_H
#define POSTCALL_TESTS_FAKE_JOURNAL_H

#include "common/journal/journal.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define FAKE_EVENTS_MAX 256
#define FAKE_WAIT_MS    100000

/* What was stored. */
typedef struct {
    char type[64];
    char conversation_id[64];
    char tenant_key[64];
    char dead_reason[64];
    char body_file[64];
    char target[128];
    char signature[256];
    uint64_t body_bytes;
    uint8_t digest[32];
    uint8_t dedupe[JOURNAL_DEDUPE_BYTES];
} fake_event_t;

struct journal_t {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t writer;
    bool stopping;
    bool held;        /* nothing is completed */
    bool bodies_held; /* none is kept yet */
    journal_append_t *queue;
    journal_answer_t answer; /* JOURNAL_STORED, or what everything gets */
    size_t submitted;
    size_t stored;
    size_t duplicates;
    fake_event_t events[FAKE_EVENTS_MAX];

    atomic_bool cannot_store;
    atomic_int body_errno; /* of journal_body_write */
    atomic_bool keep_fails;
    atomic_int bodies_alive;
    atomic_int bodies_made;
    atomic_int bodies_kept;
    atomic_int bodies_discarded; /* kept, and deleted after all */
};

struct journal_body_t {
    journal_t *journal;
    FILE *file;
    size_t bytes;
    char *map;
    size_t map_bytes;
    char name[32];
};

static inline void fake_sleep(int ms)
{
    (void)nanosleep(&(struct timespec){ms / 1000, (ms % 1000) * 1000000L}, NULL);
}

#define FAKE_COPY(to, view)                                                                        \
    (void)snprintf((to), sizeof(to), "%.*s", (int)(view).length, (view).bytes ? (view).bytes : "")

/* With the lock held. */
static inline void fake_keep(journal_t *self, const journal_append_t *append)
{
    fake_event_t *event = &self->events[self->stored++ % FAKE_EVENTS_MAX];
    FAKE_COPY(event->type, append->event->event_type);
    FAKE_COPY(event->conversation_id, append->event->conversation_id);
    FAKE_COPY(event->tenant_key, append->event->tenant_key);
    FAKE_COPY(event->dead_reason, append->event->dead_reason);
    FAKE_COPY(event->body_file, append->event->body_file);
    FAKE_COPY(event->target, append->event->target);
    FAKE_COPY(event->signature, append->event->signature);
    event->body_bytes = append->event->body_bytes;
    memcpy(event->digest, append->event->digest.bytes, sizeof(event->digest));
    memcpy(event->dedupe, append->dedupe, JOURNAL_DEDUPE_BYTES);
}

static inline journal_answer_t fake_decide(journal_t *self, const journal_append_t *append)
{
    if (self->answer != JOURNAL_STORED)
        return self->answer;
    size_t known = self->stored < FAKE_EVENTS_MAX ? self->stored : FAKE_EVENTS_MAX;
    for (size_t i = 0; i < known; i++) {
        if (memcmp(self->events[i].dedupe, append->dedupe, JOURNAL_DEDUPE_BYTES) == 0) {
            self->duplicates++;
            return JOURNAL_DUPLICATE;
        }
    }
    fake_keep(self, append);
    return JOURNAL_STORED;
}

static inline void *fake_write(void *journal)
{
    journal_t *self = journal;
    pthread_mutex_lock(&self->lock);
    while (!self->stopping || self->queue) {
        if (!self->queue || (self->held && !self->stopping)) {
            pthread_cond_wait(&self->changed, &self->lock);
            continue;
        }
        journal_append_t *append = self->queue;
        self->queue = append->next;
        journal_answer_t answer = fake_decide(self, append);
        pthread_mutex_unlock(&self->lock);
        append->complete(append, answer);
        pthread_mutex_lock(&self->lock);
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

static inline journal_t *fake_journal_new(void)
{
    journal_t *self = calloc(1, sizeof(*self));
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    pthread_create(&self->writer, NULL, fake_write, self);
    return self;
}

static inline void fake_journal_destroy(journal_t *self)
{
    pthread_mutex_lock(&self->lock);
    self->stopping = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->writer, NULL);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

static inline void fake_journal_hold(journal_t *self, bool held)
{
    pthread_mutex_lock(&self->lock);
    self->held = held;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

/* From here on whoever keeps a body hangs, until it is let go. */
static inline void fake_journal_hold_bodies(journal_t *self, bool held)
{
    pthread_mutex_lock(&self->lock);
    self->bodies_held = held;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static inline void fake_journal_say(journal_t *self, journal_answer_t answer)
{
    pthread_mutex_lock(&self->lock);
    self->answer = answer;
    pthread_mutex_unlock(&self->lock);
}

static inline size_t fake_journal_read(journal_t *self, const size_t *figure)
{
    pthread_mutex_lock(&self->lock);
    size_t value = *figure;
    pthread_mutex_unlock(&self->lock);
    return value;
}

static inline size_t fake_journal_stored(journal_t *self)
{
    return fake_journal_read(self, &self->stored);
}

/* The event that was stored as number `index`. */
static inline fake_event_t fake_journal_event(journal_t *self, size_t index)
{
    pthread_mutex_lock(&self->lock);
    fake_event_t event = self->events[index];
    pthread_mutex_unlock(&self->lock);
    return event;
}

/* Waits until `count` appends have been submitted. */
static inline bool fake_journal_await(journal_t *self, size_t count)
{
    for (int i = 0; i < FAKE_WAIT_MS / 5; i++) {
        if (fake_journal_read(self, &self->submitted) >= count)
            return true;
        fake_sleep(5);
    }
    return false;
}

void journal_submit(journal_t *self, journal_append_t *append)
{
    pthread_mutex_lock(&self->lock);
    journal_append_t **last = &self->queue;
    while (*last)
        last = &(*last)->next;
    append->next = NULL;
    *last = append;
    self->submitted++;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

bool journal_can_store(const journal_t *self)
{
    return !self->cannot_store;
}

journal_body_t *journal_body_new(journal_t *self, fault_t *fault)
{
    (void)fault;
    journal_body_t *body = calloc(1, sizeof(*body));
    body->journal = self;
    body->file = tmpfile();
    self->bodies_alive++;
    self->bodies_made++;
    return body;
}

int journal_body_write(journal_body_t *body, const void *bytes, size_t length)
{
    if (body->journal->body_errno) {
        errno = body->journal->body_errno;
        return -1;
    }
    body->bytes += fwrite(bytes, 1, length, body->file);
    return 0;
}

const char *journal_body_map(journal_body_t *body, size_t padding, fault_t *fault)
{
    (void)fault;
    (void)fflush(body->file);
    body->map_bytes = body->bytes + padding;
    body->map = mmap(NULL, body->map_bytes, PROT_READ, MAP_PRIVATE, fileno(body->file), 0);
    return body->map == MAP_FAILED ? NULL : body->map;
}

const char *journal_body_keep(journal_body_t *body, fault_t *fault)
{
    journal_t *journal = body->journal;
    pthread_mutex_lock(&journal->lock);
    while (journal->bodies_held)
        pthread_cond_wait(&journal->changed, &journal->lock);
    pthread_mutex_unlock(&journal->lock);
    if (journal->keep_fails) {
        errno = EIO;
        fault_set(fault, "told to fail");
        return NULL;
    }
    (void)snprintf(body->name, sizeof(body->name), "%016x.body", journal->bodies_kept++);
    return body->name;
}

void journal_body_destroy(journal_body_t **body_p, bool discard)
{
    journal_body_t *body = *body_p;
    if (!body)
        return;
    body->journal->bodies_discarded += discard && body->name[0];
    if (body->map)
        munmap(body->map, body->map_bytes);
    (void)fclose(body->file);
    body->journal->bodies_alive--;
    free(body);
    *body_p = NULL;
}

#endif
