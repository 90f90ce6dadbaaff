/* number_map: from 64-bit numbers to pointers; open addressing, grows by doubling.
 * Own code and not a library's: Debian's choices are macro forests or string-keyed.
 * Thread rule: no locking. */
#ifndef POSTCALL_COMMON_BASE_NUMBER_MAP_H
#define POSTCALL_COMMON_BASE_NUMBER_MAP_H

#include <stddef.h>
#include <stdint.h>

/* Zero-initialise.  Keys are 1 and up. */
typedef struct {
    struct {
        uint64_t key;
        void *value;
    } * slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
} number_map_t;

void number_map_free(number_map_t *map);
/* 0, or -1 when out of memory.  Replaces the value of a key that is there. */
int number_map_put(number_map_t *map, uint64_t key, void *value);
void *number_map_get(const number_map_t *map, uint64_t key);
/* Removes the key; returns its value or NULL. */
void *number_map_take(number_map_t *map, uint64_t key);

#endif
