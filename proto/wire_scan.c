#include "proto/wire_private.h"

typedef struct {
    const uint8_t *at;
    const uint8_t *end;
    size_t elements;
} scan_t;

static bool scan_take(scan_t *scan, size_t bytes)
{
    if ((size_t)(scan->end - scan->at) < bytes)
        return false;
    scan->at += bytes;
    return true;
}

/* Reads a big-endian size of 1, 2 or 4 bytes. */
static bool scan_size(scan_t *scan, size_t bytes, size_t *size)
{
    const uint8_t *from = scan->at;
    if (!scan_take(scan, bytes))
        return false;
    *size = 0;
    for (size_t i = 0; i < bytes; i++)
        *size = *size << 8 | from[i];
    return true;
}

/* Skips the scalar that `head` opens, or tells in *children how many values follow it. */
static bool scan_head(scan_t *scan, uint8_t head, size_t *children)
{
    size_t size = 0;
    *children = 0;
    if (head <= 0x7f || head >= 0xe0 || head == 0xc0 || head == 0xc2 || head == 0xc3)
        return true;
    if (head <= 0x8f) {
        *children = (size_t)(head & 0x0f) * 2;
        return true;
    }
    if (head <= 0x9f) {
        *children = head & 0x0f;
        return true;
    }
    if (head <= 0xbf)
        return scan_take(scan, head & 0x1f);
    static const uint8_t fixed[] = {
        [0xca - 0xc0] = 4, [0xcb - 0xc0] = 8, [0xcc - 0xc0] = 1,  [0xcd - 0xc0] = 2,
        [0xce - 0xc0] = 4, [0xcf - 0xc0] = 8, [0xd0 - 0xc0] = 1,  [0xd1 - 0xc0] = 2,
        [0xd2 - 0xc0] = 4, [0xd3 - 0xc0] = 8, [0xd4 - 0xc0] = 2,  [0xd5 - 0xc0] = 3,
        [0xd6 - 0xc0] = 5, [0xd7 - 0xc0] = 9, [0xd8 - 0xc0] = 17, [0xdf - 0xc0] = 0};
    if (fixed[head - 0xc0] > 0)
        return scan_take(scan, fixed[head - 0xc0]);
    switch (head) {
    case 0xc4: /* bin */
    case 0xc5:
    case 0xc6:
        return scan_size(scan, (size_t)1 << (head - 0xc4), &size) && scan_take(scan, size);
    case 0xc7: /* ext: a type byte comes before the content */
    case 0xc8:
    case 0xc9:
        return scan_size(scan, (size_t)1 << (head - 0xc7), &size) && scan_take(scan, size + 1);
    case 0xd9: /* str */
    case 0xda:
    case 0xdb:
        return scan_size(scan, (size_t)1 << (head - 0xd9), &size) && scan_take(scan, size);
    case 0xdc: /* array */
    case 0xdd:
        return scan_size(scan, (size_t)2 << (head - 0xdc), children);
    case 0xde: /* map */
    case 0xdf:
        if (!scan_size(scan, (size_t)2 << (head - 0xde), children))
            return false;
        *children *= 2;
        return true;
    default:
        return false; /* 0xc1 is never used */
    }
}

static wire_status_t scan_value(scan_t *scan, unsigned depth)
{
    size_t children;
    if (scan->at == scan->end)
        return WIRE_MALFORMED;
    if (++scan->elements > WIRE_ELEMENTS_MAX || depth > WIRE_DEPTH_MAX)
        return WIRE_TOO_LARGE;
    uint8_t head = *scan->at++;
    if (!scan_head(scan, head, &children))
        return WIRE_MALFORMED;
    /* Every value takes a byte, so a count beyond what is left is a lie. */
    if (children > (size_t)(scan->end - scan->at))
        return WIRE_MALFORMED;
    for (size_t i = 0; i < children; i++) {
        wire_status_t status = scan_value(scan, depth + 1);
        if (status != WIRE_OK)
            return status;
    }
    return WIRE_OK;
}

wire_status_t wire_scan(const void *bytes, size_t length)
{
    if (length > WIRE_MESSAGE_BYTES_MAX)
        return WIRE_TOO_LARGE;
    scan_t scan = {bytes, (const uint8_t *)bytes + length, 0};
    wire_status_t status = scan_value(&scan, 0);
    if (status == WIRE_OK && scan.at != scan.end)
        return WIRE_MALFORMED;
    return status;
}
