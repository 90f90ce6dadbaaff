/* fingerprint_map: a bounded memory of 16-byte keys with an 8-byte value each.
 *
 * When it is full the entry that was put longest ago is forgotten.  Memory grows by doubling, so an
 * idle process stays small: about 32 bytes an entry.  It is no cache: finding does not renew.
 * One owner, one thread at a time. */
#ifndef POSTCALL_COMMON_BASE_FINGERPRINT_MAP_H
#define POSTCALL_COMMON_BASE_FINGERPRINT_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FINGERPRINT_BYTES 16

typedef struct fingerprint_map_t fingerprint_map_t;

/* NULL when memory is out.  `entries_max` is at least 1 and at most 2^30. */
fingerprint_map_t *fingerprint_map_new(size_t entries_max);
void fingerprint_map_destroy(fingerprint_map_t **self_p);

/* Remembers `key` as the newest entry; an older entry of the same key is replaced.  When memory is
 * out it forgets the oldest entries instead of growing. */
void fingerprint_map_put(fingerprint_map_t *self, const uint8_t key[FINGERPRINT_BYTES],
                         uint64_t value);

/* True when `key` is remembered; then *value is its value and *serial the number of its put, which
 * counts up from 0.  Either may be NULL. */
bool fingerprint_map_find(const fingerprint_map_t *self, const uint8_t key[FINGERPRINT_BYTES],
                          uint64_t *value, uint64_t *serial);

/* The serial that the next put gets. */
uint64_t fingerprint_map_next_serial(const fingerprint_map_t *self);

/* Takes back every put from `serial` on.  What those puts replaced stays forgotten. */
void fingerprint_map_take_back(fingerprint_map_t *self, uint64_t serial);

/* Entries that can be found. */
size_t fingerprint_map_count(const fingerprint_map_t *self);

#endif
