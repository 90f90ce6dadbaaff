#include "common/base/utf8.h"

/* Bytes in the character that starts with `lead`, and the bits that `lead` itself gives; 0 when no
 * character starts so. */
static size_t lead_length(uint8_t lead, uint32_t *bits)
{
    if (lead < 0x80) {
        *bits = lead;
        return 1;
    }
    if (lead >= 0xc2 && lead <= 0xdf) {
        *bits = lead & 0x1fu;
        return 2;
    }
    if (lead >= 0xe0 && lead <= 0xef) {
        *bits = lead & 0x0fu;
        return 3;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        *bits = lead & 0x07u;
        return 4;
    }
    return 0;
}

static bool code_point_allowed(uint32_t code_point, size_t length)
{
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    bool surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
    return code_point >= smallest[length] && code_point <= 0x10ffff && !surrogate;
}

size_t utf8_decode(const char *bytes, size_t length, uint32_t *code_point)
{
    uint32_t value = 0;
    size_t wanted = length ? lead_length((uint8_t)bytes[0], &value) : 0;
    if (wanted == 0 || wanted > length)
        return 0;
    for (size_t i = 1; i < wanted; i++) {
        uint8_t byte = (uint8_t)bytes[i];
        if ((byte & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (byte & 0x3fu);
    }
    if (!code_point_allowed(value, wanted))
        return 0;
    *code_point = value;
    return wanted;
}

size_t utf8_length(const char *bytes, size_t length)
{
    uint32_t code_point;
    return utf8_decode(bytes, length, &code_point);
}

bool utf8_valid(const char *bytes, size_t length)
{
    while (length) {
        size_t step = utf8_length(bytes, length);
        if (step == 0)
            return false;
        bytes += step;
        length -= step;
    }
    return true;
}
