#include "ingress/readers.h"

#include <pthread.h>
#include <stdlib.h>

#define IDLE_MAX 8 /* about as many as threads that read at once */

struct readers {
    pthread_mutex_t lock;
    json_reader_t *idle[IDLE_MAX];
    size_t count;
};

readers_t *readers_new(void)
{
    readers_t *self = calloc(1, sizeof(*self));
    if (self)
        pthread_mutex_init(&self->lock, NULL);
    return self;
}

void readers_destroy(readers_t **self)
{
    readers_t *readers = *self;
    if (!readers)
        return;
    while (readers->count > 0)
        json_reader_destroy(&readers->idle[--readers->count]);
    pthread_mutex_destroy(&readers->lock);
    free(readers);
    *self = NULL;
}

json_reader_t *readers_take(readers_t *self)
{
    json_reader_t *reader = NULL;
    pthread_mutex_lock(&self->lock);
    if (self->count > 0)
        reader = self->idle[--self->count];
    pthread_mutex_unlock(&self->lock);
    return reader ? reader : json_reader_new();
}

void readers_put(readers_t *self, json_reader_t *reader)
{
    pthread_mutex_lock(&self->lock);
    if (self->count < IDLE_MAX) {
        self->idle[self->count++] = reader;
        reader = NULL;
    }
    pthread_mutex_unlock(&self->lock);
    json_reader_destroy(&reader);
}
