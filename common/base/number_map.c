#include "common/base/number_map.h"

#include <assert.h>
#include <stdlib.h>

#define CAPACITY_MIN 64

static size_t home_of(const number_map_t *map, uint64_t key)
{
    return (size_t)((key * 0x9e3779b97f4a7c15u) >> 20) & (map->capacity - 1);
}

static size_t slot_of(const number_map_t *map, uint64_t key)
{
    size_t at = home_of(map, key);
    while (map->slots[at].key != 0 && map->slots[at].key != key)
        at = (at + 1) & (map->capacity - 1);
    return at;
}

void number_map_free(number_map_t *map)
{
    free(map->slots);
    *map = (number_map_t){0};
}

static int grow(number_map_t *map)
{
    number_map_t larger = {.capacity = map->capacity ? map->capacity * 2 : CAPACITY_MIN,
                           .count = map->count};
    larger.slots = calloc(larger.capacity, sizeof(*larger.slots));
    if (!larger.slots)
        return -1;
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->slots[i].key != 0)
            larger.slots[slot_of(&larger, map->slots[i].key)] = map->slots[i];
    }
    free(map->slots);
    *map = larger;
    return 0;
}

int number_map_put(number_map_t *map, uint64_t key, void *value)
{
    assert(key != 0);
    if ((map->count + 1) * 2 > map->capacity && grow(map) != 0)
        return -1;
    size_t at = slot_of(map, key);
    if (map->slots[at].key == 0)
        map->count++;
    map->slots[at].key = key;
    map->slots[at].value = value;
    return 0;
}

void *number_map_get(const number_map_t *map, uint64_t key)
{
    if (map->capacity == 0 || key == 0)
        return NULL;
    size_t at = slot_of(map, key);
    return map->slots[at].key == key ? map->slots[at].value : NULL;
}

void *number_map_take(number_map_t *map, uint64_t key)
{
    if (map->capacity == 0 || key == 0)
        return NULL;
    size_t hole = slot_of(map, key);
    if (map->slots[hole].key != key)
        return NULL;
    void *value = map->slots[hole].value;
    map->count--;
    /* Close the gap: move back every follower whose home is not behind the hole. */
    size_t mask = map->capacity - 1;
    for (size_t at = (hole + 1) & mask; map->slots[at].key != 0; at = (at + 1) & mask) {
        size_t home = home_of(map, map->slots[at].key);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            map->slots[hole] = map->slots[at];
            hole = at;
        }
    }
    map->slots[hole].key = 0;
    map->slots[hole].value = NULL;
    return value;
}
