#include "common/base/base64.h"

#define BAD 0xff

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* clang-format off */
static const uint8_t values[256] = {
#define BAD_16 BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD
    BAD_16, BAD_16,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,  62, BAD, BAD, BAD,  63,
     52,  53,  54,  55,  56,  57,  58,  59,  60,  61, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD,   0,   1,   2,   3,   4,   5,   6,   7,   8,   9,  10,  11,  12,  13,  14,
     15,  16,  17,  18,  19,  20,  21,  22,  23,  24,  25, BAD, BAD, BAD, BAD, BAD,
    BAD,  26,  27,  28,  29,  30,  31,  32,  33,  34,  35,  36,  37,  38,  39,  40,
     41,  42,  43,  44,  45,  46,  47,  48,  49,  50,  51, BAD, BAD, BAD, BAD, BAD,
    BAD_16, BAD_16, BAD_16, BAD_16, BAD_16, BAD_16, BAD_16, BAD_16,
#undef BAD_16
};
/* clang-format on */

static void encode_triple(const uint8_t *bytes, size_t length, char out[4])
{
    uint32_t bits = (uint32_t)bytes[0] << 16;
    if (length > 1)
        bits |= (uint32_t)bytes[1] << 8;
    if (length > 2)
        bits |= bytes[2];
    out[0] = alphabet[bits >> 18];
    out[1] = alphabet[bits >> 12 & 63];
    out[2] = length > 1 ? alphabet[bits >> 6 & 63] : '=';
    out[3] = length > 2 ? alphabet[bits & 63] : '=';
}

void base64_encode(const uint8_t *bytes, size_t length, char *out)
{
    size_t at = 0;
    for (; length - at >= 3; at += 3, out += 4)
        encode_triple(bytes + at, 3, out);
    if (at < length) {
        encode_triple(bytes + at, length - at, out);
        out += 4;
    }
    *out = '\0';
}

/* Decodes groups of four characters without padding; returns the characters taken: all of them, or
 * up to the group with a character that does not belong. */
static size_t decode_groups(const uint8_t *text, size_t length, uint8_t *out)
{
    for (size_t at = 0; at < length; at += 4, out += 3) {
        uint8_t a = values[text[at]], b = values[text[at + 1]];
        uint8_t c = values[text[at + 2]], d = values[text[at + 3]];
        if ((a | b | c | d) > 63)
            return at;
        uint32_t bits = (uint32_t)a << 18 | (uint32_t)b << 12 | (uint32_t)c << 6 | d;
        out[0] = (uint8_t)(bits >> 16);
        out[1] = (uint8_t)(bits >> 8);
        out[2] = (uint8_t)bits;
    }
    return length;
}

/* How many of the first `wanted` characters belong to the alphabet, counted from the start. */
static size_t good_prefix(const uint8_t *text, size_t wanted)
{
    size_t good = 0;
    while (good < wanted && values[text[good]] != BAD)
        good++;
    return good;
}

/* Decodes the last group, which may end in one or two '='.  Returns the bytes it gives, or -1 with
 * the offset of the wrong character within the group. */
static ssize_t decode_last(const uint8_t *text, uint8_t *out, size_t *broken_at)
{
    size_t padding = text[3] != '=' ? 0 : text[2] != '=' ? 1 : 2;
    size_t good = good_prefix(text, 4 - padding);
    if (good < 4 - padding) {
        *broken_at = good;
        return -1;
    }
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++)
        bits = bits << 6 | (i < good ? values[text[i]] : 0u);
    uint32_t unused = padding == 0 ? 0 : padding == 1 ? 0xffu : 0xffffu;
    if (bits & unused) {
        *broken_at = good - 1;
        return -1;
    }
    for (size_t i = 0; i < 3 - padding; i++)
        out[i] = (uint8_t)(bits >> (16 - 8 * i));
    return (ssize_t)(3 - padding);
}

ssize_t base64_decode(const char *text, size_t length, uint8_t *out, size_t *broken_at)
{
    size_t ignored;
    if (!broken_at)
        broken_at = &ignored;
    if (length == 0)
        return 0;
    const uint8_t *characters = (const uint8_t *)text;
    size_t whole = (length - 1) / 4 * 4;
    size_t taken = decode_groups(characters, whole, out);
    if (taken < whole || length % 4 != 0) {
        size_t left = length - taken < 4 ? length - taken : 4;
        *broken_at = taken + good_prefix(characters + taken, left);
        return -1;
    }
    size_t offset = 0;
    ssize_t last = decode_last(characters + whole, out + whole / 4 * 3, &offset);
    if (last < 0) {
        *broken_at = whole + offset;
        return -1;
    }
    return (ssize_t)(whole / 4 * 3) + last;
}
