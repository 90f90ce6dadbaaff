#include "resources-sink/spans.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *left, const void *right, void *context)
{
    size_t a = *(const size_t *)left, b = *(const size_t *)right;
    const postgres_row_t *rows = context;
    int by_id = strcmp(rows[a].id, rows[b].id);
    if (by_id != 0)
        return by_id;
    int by_version = strcmp(rows[b].version, rows[a].version);
    if (by_version != 0)
        return by_version;
    return (a > b) - (a < b);
}

int spans_open(spans_t *self, const postgres_row_t *rows, size_t count)
{
    *self = (spans_t){.count = count, .size = count};
    self->order = malloc((count + 1) * sizeof(*self->order));
    if (!self->order)
        return -1;
    for (size_t i = 0; i < count; i++)
        self->order[i] = i;
    qsort_r(self->order, count, sizeof(*self->order), compare, (void *)rows);
    return 0;
}

void spans_close(spans_t *self)
{
    free(self->order);
    *self = (spans_t){0};
}

size_t spans_length(const spans_t *self)
{
    size_t left = self->count - self->settled;
    return left < self->size ? left : self->size;
}

size_t spans_row(const spans_t *self, size_t position)
{
    assert(position < spans_length(self));
    return self->order[self->settled + position];
}

void spans_settle(spans_t *self)
{
    self->settled += spans_length(self);
    if (self->size < self->count)
        self->size *= 2;
}

/* Halves the span, down to one row. */
static void halve(spans_t *self)
{
    self->size = (spans_length(self) + 1) / 2;
    if (self->size == 0)
        self->size = 1;
}

void spans_take_out(spans_t *self, size_t position)
{
    assert(position < spans_length(self));
    size_t *out = &self->order[self->settled + position];
    memmove(out, out + 1, (self->count - self->settled - position - 1) * sizeof(*out));
    self->count--;
    halve(self);
}

bool spans_narrow(spans_t *self)
{
    if (spans_length(self) <= 1)
        return false;
    halve(self);
    return true;
}
