#include "common/daemon/readiness.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *name;
    bool met;
    char reason[READINESS_REASON_BYTES];
} condition_t;

struct readiness {
    pthread_mutex_t lock;
    condition_t conditions[READINESS_CONDITIONS_MAX];
    size_t count;
};

readiness_t *readiness_new(const char *const *conditions)
{
    readiness_t *self = calloc(1, sizeof(*self));
    if (!self)
        return NULL;
    pthread_mutex_init(&self->lock, NULL);
    for (; *conditions; conditions++) {
        assert(self->count < READINESS_CONDITIONS_MAX);
        self->conditions[self->count++] = (condition_t){.name = *conditions, .reason = "starting"};
    }
    return self;
}

void readiness_destroy(readiness_t **self)
{
    if (!*self)
        return;
    pthread_mutex_destroy(&(*self)->lock);
    free(*self);
    *self = NULL;
}

static condition_t *find(readiness_t *self, const char *name)
{
    for (size_t i = 0; i < self->count; i++) {
        if (strcmp(self->conditions[i].name, name) == 0)
            return &self->conditions[i];
    }
    return NULL;
}

static void write_reason(condition_t *condition, const char *reason)
{
    snprintf(condition->reason, sizeof(condition->reason), "%s", reason);
    for (char *at = condition->reason; *at; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    }
}

bool readiness_set(readiness_t *self, const char *condition, bool met, const char *reason)
{
    condition_t *found = find(self, condition);
    assert(found);
    pthread_mutex_lock(&self->lock);
    bool changed = found->met != met;
    found->met = met;
    if (!met)
        write_reason(found, reason);
    pthread_mutex_unlock(&self->lock);
    return changed;
}

bool readiness_ready(readiness_t *self)
{
    bool ready = true;
    pthread_mutex_lock(&self->lock);
    for (size_t i = 0; i < self->count; i++)
        ready = ready && self->conditions[i].met;
    pthread_mutex_unlock(&self->lock);
    return ready;
}

int readiness_render(readiness_t *self, buffer_t *out, bool *ready)
{
    int failed = 0;
    bool all_met = true;
    pthread_mutex_lock(&self->lock);
    for (size_t i = 0; i < self->count && !failed; i++) {
        const condition_t *condition = &self->conditions[i];
        if (condition->met)
            continue;
        all_met = false;
        failed = buffer_printf(out, "%s: %s\n", condition->name, condition->reason);
    }
    pthread_mutex_unlock(&self->lock);
    if (failed)
        return -1;
    *ready = all_met;
    return 0;
}
