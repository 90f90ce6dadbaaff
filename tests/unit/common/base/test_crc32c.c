#include "common/base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

typedef uint32_t update_t(uint32_t crc, const void *bytes, size_t length);

static update_t *const ways[] = {crc32c_update, crc32c_update_by_table};

#define WAYS (sizeof(ways) / sizeof(ways[0]))

/* The check value of the CRC catalogue, and RFC 3720 appendix B.4. */
static void checksums_match_the_published_ones(void **state)
{
    (void)state;
    uint8_t zeros[32] = {0}, ones[32], up[32], down[32];
    memset(ones, 0xff, sizeof(ones));
    for (size_t i = 0; i < 32; i++) {
        up[i] = (uint8_t)i;
        down[i] = (uint8_t)(31 - i);
    }
    for (size_t i = 0; i < WAYS; i++) {
        assert_int_equal(ways[i](0, "123456789", 9), 0xe3069283);
        assert_int_equal(ways[i](0, "", 0), 0);
        assert_int_equal(ways[i](0, zeros, 32), 0x8a9136aa);
        assert_int_equal(ways[i](0, ones, 32), 0x62a8ab43);
        assert_int_equal(ways[i](0, up, 32), 0x46dd794e);
        assert_int_equal(ways[i](0, down, 32), 0x113fdb5c);
    }
}

static void pieces_give_the_checksum_of_the_whole(void **state)
{
    (void)state;
    uint8_t bytes[100];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 37 + 11);
    uint32_t whole = crc32c_update_by_table(0, bytes, sizeof(bytes));
    for (size_t i = 0; i < WAYS; i++) {
        for (size_t cut = 0; cut <= sizeof(bytes); cut++) {
            uint32_t head = ways[i](0, bytes, cut);
            assert_int_equal(ways[i](head, bytes + cut, sizeof(bytes) - cut), whole);
        }
    }
}

static uint32_t crc_of_byte_bit_by_bit(uint8_t byte)
{
    uint32_t crc = 0xffffffff ^ byte;
    for (int bit = 0; bit < 8; bit++)
        crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    return ~crc;
}

static void every_byte_is_divided_by_the_polynomial(void **state)
{
    (void)state;
    for (unsigned value = 0; value < 256; value++) {
        uint8_t byte = (uint8_t)value;
        for (size_t i = 0; i < WAYS; i++)
            assert_int_equal(ways[i](0, &byte, 1), crc_of_byte_bit_by_bit(byte));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums_match_the_published_ones),
        cmocka_unit_test(every_byte_is_divided_by_the_polynomial),
        cmocka_unit_test(pieces_give_the_checksum_of_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
