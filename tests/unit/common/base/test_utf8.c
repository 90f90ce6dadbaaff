#include "common/base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEXT(literal) literal, sizeof(literal) - 1

/* The edges of RFC 3629 section 4. */
static const struct {
    const char *bytes;
    size_t length;
    size_t expected; /* 0: not well-formed */
    uint32_t code_point;
} cases[] = {
    {TEXT(""), 0, 0},
    {TEXT("a"), 1, 'a'},
    {TEXT("\0"), 1, 0},
    {TEXT("\x7f"), 1, 0x7f},
    {TEXT("\x80"), 0, 0},
    {TEXT("\xc1\xbf"), 0, 0},
    {TEXT("\xc2\x80"), 2, 0x80},
    {TEXT("\xdf\xbf"), 2, 0x7ff},
    {TEXT("\xc3"), 0, 0},
    {"\xc3\xa9", 1, 0, 0},
    {TEXT("\xc3("), 0, 0},
    {TEXT("\xe0\x9f\xbf"), 0, 0},
    {TEXT("\xe0\xa0\x80"), 3, 0x800},
    {TEXT("\xe2\x82"), 0, 0},
    {TEXT("\xed\x9f\xbf"), 3, 0xd7ff},
    {TEXT("\xed\xa0\x80"), 0, 0},
    {TEXT("\xed\xbf\xbf"), 0, 0},
    {TEXT("\xee\x80\x80"), 3, 0xe000},
    {TEXT("\xef\xbf\xbf"), 3, 0xffff},
    {TEXT("\xf0\x8f\xbf\xbf"), 0, 0},
    {TEXT("\xf0\x90\x80\x80"), 4, 0x10000},
    {TEXT("\xf4\x8f\xbf\xbf"), 4, 0x10ffff},
    {TEXT("\xf4\x90\x80\x80"), 0, 0},
    {TEXT("\xf5\x80\x80\x80"), 0, 0},
    {TEXT("\xff"), 0, 0},
};

static void only_well_formed_characters_have_a_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t code_point = 0;
        assert_int_equal(utf8_length(cases[i].bytes, cases[i].length), cases[i].expected);
        assert_int_equal(utf8_decode(cases[i].bytes, cases[i].length, &code_point),
                         cases[i].expected);
        assert_int_equal(code_point, cases[i].code_point);
    }
}

static void one_wrong_byte_makes_a_text_invalid(void **state)
{
    (void)state;
    assert_true(utf8_valid("", 0));
    assert_true(utf8_valid(TEXT("a\0 caf\xc3\xa9")));
    assert_false(utf8_valid(TEXT("caf\xc3\xa9 \xff.")));
    assert_false(utf8_valid(TEXT("caf\xc3")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_well_formed_characters_have_a_length),
        cmocka_unit_test(one_wrong_byte_makes_a_text_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
