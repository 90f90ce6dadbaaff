#include "providers/secrets.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char *text;
    size_t length;
} secret_t;

typedef struct {
    secret_t secrets[SECRETS_MAX];
    size_t count;
} list_t;

struct secrets {
    pthread_rwlock_t lock;
    secrets_check_t *check;
    list_t current;
};

static void list_free(list_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        explicit_bzero(self->secrets[i].text, self->secrets[i].length);
        free(self->secrets[i].text);
    }
    self->count = 0;
}

static int list_add(list_t *self, const char *text, size_t length, fault_t *fault)
{
    if (self->count == SECRETS_MAX)
        return fault_set(fault, "more than %d secrets", SECRETS_MAX);
    char *copy = malloc(length);
    if (!copy)
        return fault_set(fault, "out of memory");
    memcpy(copy, text, length);
    self->secrets[self->count++] = (secret_t){copy, length};
    return 0;
}

static int list_read(list_t *self, const char *text, secrets_check_t *check, fault_t *fault)
{
    static const char blanks[] = " \t\r\n";
    for (;;) {
        text += strspn(text, blanks);
        size_t length = strcspn(text, ",\n");
        const char *next = text + length;
        while (length > 0 && strchr(blanks, text[length - 1]))
            length--;
        if (length > 0 && ((check && check(text, length, fault) != 0) ||
                           list_add(self, text, length, fault) != 0))
            return -1;
        if (*next == '\0')
            break;
        text = next + 1;
    }
    return self->count > 0 ? 0 : fault_set(fault, "no secret in it");
}

secrets_t *secrets_new(const char *text, secrets_check_t *check, fault_t *fault)
{
    secrets_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    pthread_rwlock_init(&self->lock, NULL);
    self->check = check;
    if (secrets_replace(self, text, fault) != 0)
        secrets_destroy(&self);
    return self;
}

int secrets_replace(secrets_t *self, const char *text, fault_t *fault)
{
    list_t fresh = {.count = 0};
    if (list_read(&fresh, text, self->check, fault) != 0) {
        list_free(&fresh);
        return -1;
    }
    pthread_rwlock_wrlock(&self->lock);
    list_t old = self->current;
    self->current = fresh;
    pthread_rwlock_unlock(&self->lock);
    list_free(&old);
    return 0;
}

size_t secrets_count(secrets_t *self)
{
    pthread_rwlock_rdlock(&self->lock);
    size_t count = self->current.count;
    pthread_rwlock_unlock(&self->lock);
    return count;
}

bool secrets_each(secrets_t *self, bool (*take)(void *context, const char *text, size_t length),
                  void *context)
{
    bool going = true;
    pthread_rwlock_rdlock(&self->lock);
    for (size_t i = 0; going && i < self->current.count; i++)
        going = take(context, self->current.secrets[i].text, self->current.secrets[i].length);
    pthread_rwlock_unlock(&self->lock);
    return going;
}

void secrets_destroy(secrets_t **self)
{
    secrets_t *secrets = *self;
    if (!secrets)
        return;
    list_free(&secrets->current);
    pthread_rwlock_destroy(&secrets->lock);
    free(secrets);
    *self = NULL;
}
