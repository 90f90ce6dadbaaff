#include "common/base/number_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static int values[4096];

static void what_is_put_is_found_until_it_is_taken(void **state)
{
    (void)state;
    number_map_t map = {0};
    assert_null(number_map_get(&map, 1));
    assert_null(number_map_take(&map, 1));
    for (uint64_t key = 1; key <= 4096; key++)
        assert_int_equal(number_map_put(&map, key, &values[key - 1]), 0);
    assert_int_equal(map.count, 4096);
    for (uint64_t key = 1; key <= 4096; key++)
        assert_ptr_equal(number_map_get(&map, key), &values[key - 1]);
    assert_null(number_map_get(&map, 4097));
    assert_null(number_map_get(&map, 0)); /* is no key */
    for (uint64_t key = 1; key <= 4096; key += 2)
        assert_ptr_equal(number_map_take(&map, key), &values[key - 1]);
    for (uint64_t key = 1; key <= 4096; key++)
        assert_ptr_equal(number_map_get(&map, key), key % 2 ? NULL : &values[key - 1]);
    assert_int_equal(map.count, 2048);
    assert_null(number_map_take(&map, 1));
    number_map_free(&map);
    assert_int_equal(map.count, 0);
    assert_null(number_map_get(&map, 2));
}

static void putting_again_replaces(void **state)
{
    (void)state;
    number_map_t map = {0};
    assert_int_equal(number_map_put(&map, UINT64_MAX, &values[0]), 0);
    assert_int_equal(number_map_put(&map, UINT64_MAX, &values[1]), 0);
    assert_int_equal(map.count, 1);
    assert_ptr_equal(number_map_get(&map, UINT64_MAX), &values[1]);
    number_map_free(&map);
}

static void half_of_it_stays_free(void **state)
{
    (void)state;
    number_map_t map = {0};
    for (uint64_t key = 1; key <= 1000; key++) {
        assert_int_equal(number_map_put(&map, key * 7919, &values[0]), 0);
        assert_true(map.count * 2 <= map.capacity);
    }
    number_map_free(&map);
}

static uint64_t roll(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

enum { KEYS = 40, CROWD = 31 /* as many as the smallest table takes */ };

typedef struct {
    number_map_t map;
    uint64_t keys[KEYS];
    void *expected[KEYS];
    size_t count;
} crowd_t;

static void step(crowd_t *crowd, uint64_t *seed)
{
    size_t at = roll(seed) % KEYS;
    void *value = &values[roll(seed) % 4096], **expected = &crowd->expected[at];
    uint64_t key = crowd->keys[at];
    if (roll(seed) % 2 && (*expected || crowd->count < CROWD)) {
        crowd->count += *expected == NULL;
        *expected = value;
        assert_int_equal(number_map_put(&crowd->map, key, value), 0);
    } else {
        crowd->count -= *expected != NULL;
        assert_ptr_equal(number_map_take(&crowd->map, key), *expected);
        *expected = NULL;
    }
    assert_int_equal(crowd->map.count, crowd->count);
}

/* Against an array, with keys that stand in each other's way, around the end of the table too. */
static void it_behaves_as_an_array(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252u;
    for (int set = 0; set < 100; set++) {
        crowd_t crowd = {0};
        for (size_t i = 0; i < KEYS; i++)
            crowd.keys[i] = roll(&seed);
        for (int i = 0; i < 1000; i++)
            step(&crowd, &seed);
        size_t occupied = 0;
        for (size_t i = 0; i < KEYS; i++)
            assert_ptr_equal(number_map_get(&crowd.map, crowd.keys[i]), crowd.expected[i]);
        for (size_t i = 0; i < crowd.map.capacity; i++) {
            occupied += crowd.map.slots[i].key != 0;
            assert_int_equal(crowd.map.slots[i].key == 0, crowd.map.slots[i].value == NULL);
        }
        assert_int_equal(occupied, crowd.count);
        number_map_free(&crowd.map);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_found_until_it_is_taken),
        cmocka_unit_test(putting_again_replaces),
        cmocka_unit_test(half_of_it_stays_free),
        cmocka_unit_test(it_behaves_as_an_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
