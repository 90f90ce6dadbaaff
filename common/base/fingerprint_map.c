#include "common/base/fingerprint_map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SMALLEST_CAPACITY 64
#define ENTRIES_MAX       ((size_t)1 << 30)

typedef struct {
    uint8_t key[FINGERPRINT_BYTES];
    uint64_t value;
} entry_t;

/* Entries stand in a ring in the order of their puts: entry number `serial` at serial % capacity.
 * The index is an open-addressing table, twice as large, of ring places plus one (0 is free); an
 * entry that was replaced is still in the ring, but the index does not point to it. */
struct fingerprint_map_t {
    entry_t *ring;
    uint32_t *index;
    size_t capacity; /* of the ring, a power of two */
    size_t entries_max;
    size_t count;
    uint64_t oldest; /* serial */
    uint64_t next;   /* serial */
};

static size_t ring_place(const fingerprint_map_t *self, uint64_t serial)
{
    return (size_t)(serial & (self->capacity - 1));
}

static size_t index_mask(const fingerprint_map_t *self)
{
    return 2 * self->capacity - 1;
}

/* Where the search for a key begins.  Keys are digests already; the multiplication is for those
 * that are not. */
static size_t home(const fingerprint_map_t *self, const uint8_t *key)
{
    uint64_t head, tail;
    memcpy(&head, key, sizeof(head));
    memcpy(&tail, key + sizeof(head), sizeof(tail));
    uint64_t mixed = (head ^ (tail * 0x9e3779b97f4a7c15u)) * 0xff51afd7ed558ccdu;
    return (size_t)(mixed >> 32) & index_mask(self);
}

/* The index place that holds `key`, or the free one where it would go. */
static size_t search(const fingerprint_map_t *self, const uint8_t *key)
{
    size_t at = home(self, key);
    while (self->index[at] &&
           memcmp(self->ring[self->index[at] - 1].key, key, FINGERPRINT_BYTES) != 0)
        at = (at + 1) & index_mask(self);
    return at;
}

/* Frees an index place and moves back what had been pushed past it (Knuth, volume 3, algorithm
 * 6.4 R), so that searches never meet a tombstone. */
static void index_remove(fingerprint_map_t *self, size_t at)
{
    size_t hole = at;
    for (size_t next = (at + 1) & index_mask(self); self->index[next];
         next = (next + 1) & index_mask(self)) {
        size_t wanted = home(self, self->ring[self->index[next] - 1].key);
        if (((next - wanted) & index_mask(self)) >= ((next - hole) & index_mask(self))) {
            self->index[hole] = self->index[next];
            hole = next;
        }
    }
    self->index[hole] = 0;
}

/* Forgets the entry at a ring place, unless a later put has replaced it. */
static void forget(fingerprint_map_t *self, size_t place)
{
    size_t at = search(self, self->ring[place].key);
    if (self->index[at] == place + 1) {
        index_remove(self, at);
        self->count--;
    }
}

/* Sets the entry that the index points to; for a new key, one more counts. */
static void point_to(fingerprint_map_t *self, size_t place)
{
    size_t at = search(self, self->ring[place].key);
    self->count += self->index[at] == 0;
    self->index[at] = (uint32_t)place + 1;
}

static bool allocate(fingerprint_map_t *self, size_t capacity)
{
    entry_t *ring = malloc(capacity * sizeof(*ring));
    uint32_t *index = calloc(2 * capacity, sizeof(*index));
    if (!ring || !index) {
        free(ring);
        free(index);
        return false;
    }
    self->ring = ring;
    self->index = index;
    self->capacity = capacity;
    return true;
}

static void grow(fingerprint_map_t *self)
{
    fingerprint_map_t old = *self;
    if (!allocate(self, 2 * old.capacity))
        return;
    self->count = 0;
    for (uint64_t serial = old.oldest; serial < old.next; serial++) {
        size_t place = ring_place(self, serial);
        self->ring[place] = old.ring[ring_place(&old, serial)];
        point_to(self, place);
    }
    free(old.ring);
    free(old.index);
}

fingerprint_map_t *fingerprint_map_new(size_t entries_max)
{
    assert(entries_max >= 1 && entries_max <= ENTRIES_MAX);
    fingerprint_map_t *self = calloc(1, sizeof(*self));
    if (!self)
        return NULL;
    self->entries_max = entries_max;
    if (!allocate(self, SMALLEST_CAPACITY))
        fingerprint_map_destroy(&self);
    return self;
}

void fingerprint_map_destroy(fingerprint_map_t **self_p)
{
    if (!*self_p)
        return;
    free((*self_p)->ring);
    free((*self_p)->index);
    free(*self_p);
    *self_p = NULL;
}

void fingerprint_map_put(fingerprint_map_t *self, const uint8_t key[FINGERPRINT_BYTES],
                         uint64_t value)
{
    if (self->next - self->oldest == self->capacity && self->capacity < self->entries_max)
        grow(self);
    if (self->next - self->oldest == self->capacity ||
        self->next - self->oldest == self->entries_max)
        forget(self, ring_place(self, self->oldest++));
    size_t place = ring_place(self, self->next++);
    memcpy(self->ring[place].key, key, FINGERPRINT_BYTES);
    self->ring[place].value = value;
    point_to(self, place);
}

bool fingerprint_map_find(const fingerprint_map_t *self, const uint8_t key[FINGERPRINT_BYTES],
                          uint64_t *value, uint64_t *serial)
{
    uint32_t found = self->index[search(self, key)];
    if (!found)
        return false;
    if (value)
        *value = self->ring[found - 1].value;
    if (serial)
        *serial = self->oldest + ((found - 1 - self->oldest) & (self->capacity - 1));
    return true;
}

uint64_t fingerprint_map_next_serial(const fingerprint_map_t *self)
{
    return self->next;
}

void fingerprint_map_take_back(fingerprint_map_t *self, uint64_t serial)
{
    assert(serial <= self->next);
    while (self->next > serial && self->next > self->oldest)
        forget(self, ring_place(self, --self->next));
}

size_t fingerprint_map_count(const fingerprint_map_t *self)
{
    return self->count;
}
