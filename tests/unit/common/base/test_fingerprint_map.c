#include "common/base/fingerprint_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void key_of(uint64_t number, uint8_t key[FINGERPRINT_BYTES])
{
    memset(key, 0, FINGERPRINT_BYTES);
    memcpy(key, &number, sizeof(number));
}

static void put(fingerprint_map_t *map, uint64_t number, uint64_t value)
{
    uint8_t key[FINGERPRINT_BYTES];
    key_of(number, key);
    fingerprint_map_put(map, key, value);
}

static bool has(const fingerprint_map_t *map, uint64_t number, uint64_t value)
{
    uint8_t key[FINGERPRINT_BYTES];
    uint64_t found;
    key_of(number, key);
    return fingerprint_map_find(map, key, &found, NULL) && found == value;
}

static void what_was_put_is_found_while_it_grows(void **state)
{
    (void)state;
    fingerprint_map_t *map = fingerprint_map_new(1000000);
    for (uint64_t i = 0; i < 20000; i++)
        put(map, i, i * 3);
    for (uint64_t i = 0; i < 20000; i++)
        assert_true(has(map, i, i * 3));
    assert_false(has(map, 20000, 60000));
    assert_int_equal(fingerprint_map_count(map), 20000);
    fingerprint_map_destroy(&map);
    assert_null(map);
    fingerprint_map_destroy(&map);
}

static void the_oldest_is_forgotten_when_it_is_full(void **state)
{
    (void)state;
    fingerprint_map_t *map = fingerprint_map_new(1000);
    for (uint64_t i = 0; i < 5000; i++) {
        put(map, i, i);
        assert_int_equal(fingerprint_map_count(map), i < 1000 ? i + 1 : 1000);
        assert_true(i < 999 || has(map, i - 999, i - 999));
        assert_true(i < 1000 || !has(map, i - 1000, i - 1000));
    }
    fingerprint_map_destroy(&map);
}

static void putting_again_renews(void **state)
{
    (void)state;
    fingerprint_map_t *map = fingerprint_map_new(10);
    for (uint64_t i = 0; i < 10; i++)
        put(map, i, i);
    put(map, 0, 100);
    assert_true(has(map, 0, 100));
    for (uint64_t i = 10; i < 18; i++)
        put(map, i, i);
    assert_true(has(map, 0, 100));
    assert_false(has(map, 8, 8));
    fingerprint_map_destroy(&map);
}

static void the_last_puts_can_be_taken_back(void **state)
{
    (void)state;
    fingerprint_map_t *map = fingerprint_map_new(100);
    for (uint64_t i = 0; i < 50; i++)
        put(map, i, i);
    uint64_t serial = fingerprint_map_next_serial(map);
    for (uint64_t i = 50; i < 90; i++)
        put(map, i, i);
    fingerprint_map_take_back(map, serial);
    for (uint64_t i = 0; i < 90; i++)
        assert_true(has(map, i, i) == (i < 50));
    put(map, 60, 1);
    assert_true(has(map, 60, 1));
    fingerprint_map_take_back(map, 0);
    assert_int_equal(fingerprint_map_count(map), 0);
    fingerprint_map_destroy(&map);
}

static void serials_count_the_puts(void **state)
{
    (void)state;
    uint8_t key[FINGERPRINT_BYTES];
    uint64_t serial;
    fingerprint_map_t *map = fingerprint_map_new(70);
    for (uint64_t i = 0; i < 500; i++) {
        put(map, i, 0);
        for (uint64_t back = 0; back < 70 && back <= i; back += 23) {
            key_of(i - back, key);
            assert_true(fingerprint_map_find(map, key, NULL, &serial));
            assert_int_equal(serial, i - back);
        }
    }
    fingerprint_map_destroy(&map);
}

/* The same numbers in every run (Knuth's MMIX generator). */
static uint64_t chance(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

/* Against a table that cannot be wrong: what was put last for a key, and when. */
static void it_agrees_with_a_plain_list(void **state)
{
    (void)state;
    enum { KEYS = 300, BOUND = 128 };
    uint64_t put_at[KEYS] = {0}, next = 1;
    fingerprint_map_t *map = fingerprint_map_new(BOUND);
    uint64_t state_of_chance = 7;
    for (int turn = 0; turn < 30000; turn++, next++) {
        uint64_t number = chance(&state_of_chance) % KEYS;
        put(map, number, next);
        put_at[number] = next;
        uint64_t asked = chance(&state_of_chance) % KEYS;
        bool expected = put_at[asked] > 0 && put_at[asked] + BOUND > next;
        assert_true(has(map, asked, put_at[asked]) == expected);
    }
    fingerprint_map_destroy(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found_while_it_grows),
        cmocka_unit_test(the_oldest_is_forgotten_when_it_is_full),
        cmocka_unit_test(putting_again_renews),
        cmocka_unit_test(the_last_puts_can_be_taken_back),
        cmocka_unit_test(serials_count_the_puts),
        cmocka_unit_test(it_agrees_with_a_plain_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
