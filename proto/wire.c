#include "proto/wire.h"

#include <assert.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

wire_view_t wire_view(const char *text)
{
    return (wire_view_t){text, text ? strlen(text) : 0};
}

bool wire_same(wire_view_t a, wire_view_t b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

bool wire_equals(wire_view_t view, const char *text)
{
    return wire_same(view, wire_view(text));
}

const char *wire_status_text(wire_status_t status)
{
    switch (status) {
    case WIRE_OK:
        return "ok";
    case WIRE_MALFORMED:
        return "malformed";
    case WIRE_TOO_LARGE:
        return "too large";
    case WIRE_BAD_FIELD:
        return "bad field";
    case WIRE_NO_MEMORY:
        return "out of memory";
    }
    return "unknown";
}

/* Encoding. */

static int output_write(void *data, const char *bytes, size_t length)
{
    wire_output_t *output = data;
    if (output->failed)
        return -1;
    if (length == 0)
        return 0; /* an absent view has no bytes to point to */
    if (output->capacity - output->length < length) {
        size_t capacity = output->capacity ? output->capacity * 2 : 512;
        while (capacity - output->length < length)
            capacity *= 2;
        char *grown = realloc(output->bytes, capacity);
        if (!grown) {
            output->failed = true;
            return -1;
        }
        output->bytes = grown;
        output->capacity = capacity;
    }
    memcpy(output->bytes + output->length, bytes, length);
    output->length += length;
    return 0;
}

void wire_output_free(wire_output_t *output)
{
    free(output->bytes);
    *output = (wire_output_t){0};
}

static const void *field_at(const wire_field_t *field, const void *message)
{
    return (const char *)message + field->offset;
}

static bool field_present(const wire_field_t *field, const void *message)
{
    const void *at = field_at(field, message);
    if (field->required)
        return true;
    switch (field->kind) {
    case WIRE_TEXT:
    case WIRE_BYTES:
        return ((const wire_view_t *)at)->bytes != NULL;
    case WIRE_UINT:
        return *(const uint64_t *)at != 0;
    case WIRE_BOOL:
        return *(const bool *)at;
    case WIRE_NUMBERS:
        return ((const wire_numbers_t *)at)->count > 0;
    case WIRE_LIST:
        return ((const wire_list_t *)at)->count > 0;
    }
    return false;
}

static bool within_limit(const wire_field_t *field, size_t size)
{
    return field->exact ? size == field->limit : size <= field->limit;
}

static void pack_map(msgpack_packer *packer, const char *type, const wire_table_t *table,
                     const void *message);

static void pack_value(msgpack_packer *packer, const wire_field_t *field, const void *message)
{
    const void *at = field_at(field, message);
    const wire_view_t *view = at;
    const wire_numbers_t *numbers = at;
    const wire_list_t *list = at;
    switch (field->kind) {
    case WIRE_TEXT:
        msgpack_pack_str_with_body(packer, view->bytes, view->length);
        break;
    case WIRE_BYTES:
        msgpack_pack_bin_with_body(packer, view->bytes, view->length);
        break;
    case WIRE_UINT:
        msgpack_pack_uint64(packer, *(const uint64_t *)at);
        break;
    case WIRE_BOOL:
        if (*(const bool *)at)
            msgpack_pack_true(packer);
        else
            msgpack_pack_false(packer);
        break;
    case WIRE_NUMBERS:
        msgpack_pack_array(packer, numbers->count);
        for (size_t i = 0; i < numbers->count; i++)
            msgpack_pack_uint64(packer, numbers->numbers[i]);
        break;
    case WIRE_LIST:
        msgpack_pack_array(packer, list->count);
        for (size_t i = 0; i < list->count; i++)
            pack_map(packer, NULL, field->items,
                     (const char *)list->items + i * field->items->struct_bytes);
        break;
    }
}

/* The size that a field's limit is about; 0 for kinds without one. */
static size_t field_size(const wire_field_t *field, const void *message)
{
    const void *at = field_at(field, message);
    switch (field->kind) {
    case WIRE_TEXT:
    case WIRE_BYTES:
        return ((const wire_view_t *)at)->length;
    case WIRE_NUMBERS:
        return ((const wire_numbers_t *)at)->count;
    case WIRE_LIST:
        return ((const wire_list_t *)at)->count;
    default:
        return 0;
    }
}

static void pack_map(msgpack_packer *packer, const char *type, const wire_table_t *table,
                     const void *message)
{
    wire_output_t *output = packer->data;
    size_t present = type ? 1 : 0;
    for (size_t i = 0; i < table->count; i++)
        present += field_present(&table->fields[i], message);
    msgpack_pack_map(packer, present);
    if (type) {
        msgpack_pack_str_with_body(packer, "type", 4);
        msgpack_pack_str_with_body(packer, type, strlen(type));
    }
    for (size_t i = 0; i < table->count; i++) {
        const wire_field_t *field = &table->fields[i];
        if (!field_present(field, message))
            continue;
        if (field->limit > 0 && !within_limit(field, field_size(field, message)))
            output->failed = true;
        msgpack_pack_str_with_body(packer, field->name, strlen(field->name));
        pack_value(packer, field, message);
    }
}

int wire_encode(wire_output_t *output, const char *type, const wire_table_t *table,
                const void *message)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, output, output_write);
    pack_map(&packer, type, table, message);
    return output->failed ? -1 : 0;
}

/* Decoding: first a scan that believes nothing, then msgpack-c on what is known to be bounded. */

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

static wire_status_t scan_message(const void *bytes, size_t length)
{
    if (length > WIRE_MESSAGE_BYTES_MAX)
        return WIRE_TOO_LARGE;
    scan_t scan = {bytes, (const uint8_t *)bytes + length, 0};
    wire_status_t status = scan_value(&scan, 0);
    if (status == WIRE_OK && scan.at != scan.end)
        return WIRE_MALFORMED;
    return status;
}

void wire_memory_free(wire_memory_t *memory)
{
    if (memory->zone)
        msgpack_zone_free(memory->zone);
    memory->zone = NULL;
}

static wire_status_t unpack(const void *bytes, size_t length, wire_memory_t *memory,
                            msgpack_object *object)
{
    wire_status_t status = scan_message(bytes, length);
    if (status != WIRE_OK)
        return status;
    if (memory->zone)
        msgpack_zone_clear(memory->zone);
    else
        memory->zone = msgpack_zone_new(8192);
    if (!memory->zone)
        return WIRE_NO_MEMORY;
    size_t used = 0;
    msgpack_unpack_return result = msgpack_unpack(bytes, length, &used, memory->zone, object);
    if (result == MSGPACK_UNPACK_NOMEM_ERROR)
        return WIRE_NO_MEMORY;
    if (result != MSGPACK_UNPACK_SUCCESS || object->type != MSGPACK_OBJECT_MAP)
        return WIRE_MALFORMED;
    return WIRE_OK;
}

static bool key_is(const msgpack_object *key, const char *name)
{
    return key->type == MSGPACK_OBJECT_STR && key->via.str.size == strlen(name) &&
           memcmp(key->via.str.ptr, name, key->via.str.size) == 0;
}

static wire_status_t fill_struct(const msgpack_object *map, const wire_table_t *table,
                                 void *message, msgpack_zone *zone, const char **field);

static wire_status_t fill_numbers(const msgpack_object *value, const wire_field_t *field, void *at,
                                  msgpack_zone *zone)
{
    wire_numbers_t *numbers = at;
    size_t count = value->via.array.size;
    uint64_t *items = msgpack_zone_malloc(zone, (count ? count : 1) * sizeof(*items));
    if (!items)
        return WIRE_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (value->via.array.ptr[i].type != MSGPACK_OBJECT_POSITIVE_INTEGER)
            return WIRE_BAD_FIELD;
        items[i] = value->via.array.ptr[i].via.u64;
    }
    *numbers = (wire_numbers_t){items, count};
    return within_limit(field, count) ? WIRE_OK : WIRE_BAD_FIELD;
}

static wire_status_t fill_list(const msgpack_object *value, const wire_field_t *field, void *at,
                               msgpack_zone *zone)
{
    wire_list_t *list = at;
    size_t count = value->via.array.size;
    if (!within_limit(field, count))
        return WIRE_BAD_FIELD;
    char *items = msgpack_zone_malloc(zone, (count ? count : 1) * field->items->struct_bytes);
    if (!items)
        return WIRE_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const char *culprit;
        const msgpack_object *item = &value->via.array.ptr[i];
        if (item->type != MSGPACK_OBJECT_MAP)
            return WIRE_BAD_FIELD;
        wire_status_t status =
            fill_struct(item, field->items, items + i * field->items->struct_bytes, zone, &culprit);
        if (status != WIRE_OK)
            return status;
    }
    *list = (wire_list_t){items, count};
    return WIRE_OK;
}

static wire_status_t fill_view(const wire_field_t *field, void *at, const char *bytes,
                               size_t length)
{
    static const char nothing[] = "";
    if (!within_limit(field, length))
        return WIRE_BAD_FIELD;
    *(wire_view_t *)at = (wire_view_t){bytes ? bytes : nothing, length};
    return WIRE_OK;
}

static wire_status_t fill_field(const msgpack_object *value, const wire_field_t *field, void *at,
                                msgpack_zone *zone)
{
    static const msgpack_object_type types[] = {
        [WIRE_TEXT] = MSGPACK_OBJECT_STR,
        [WIRE_BYTES] = MSGPACK_OBJECT_BIN,
        [WIRE_UINT] = MSGPACK_OBJECT_POSITIVE_INTEGER,
        [WIRE_BOOL] = MSGPACK_OBJECT_BOOLEAN,
        [WIRE_NUMBERS] = MSGPACK_OBJECT_ARRAY,
        [WIRE_LIST] = MSGPACK_OBJECT_ARRAY,
    };
    if (value->type != types[field->kind])
        return WIRE_BAD_FIELD;
    switch (field->kind) {
    case WIRE_TEXT:
        return fill_view(field, at, value->via.str.ptr, value->via.str.size);
    case WIRE_BYTES:
        return fill_view(field, at, value->via.bin.ptr, value->via.bin.size);
    case WIRE_UINT:
        *(uint64_t *)at = value->via.u64;
        return WIRE_OK;
    case WIRE_BOOL:
        *(bool *)at = value->via.boolean;
        return WIRE_OK;
    case WIRE_NUMBERS:
        return fill_numbers(value, field, at, zone);
    case WIRE_LIST:
        return fill_list(value, field, at, zone);
    }
    return WIRE_BAD_FIELD;
}

static const wire_field_t *find_field(const wire_table_t *table, const msgpack_object *key)
{
    for (size_t i = 0; i < table->count; i++) {
        if (key_is(key, table->fields[i].name))
            return &table->fields[i];
    }
    return NULL;
}

static wire_status_t fill_struct(const msgpack_object *map, const wire_table_t *table,
                                 void *message, msgpack_zone *zone, const char **field)
{
    uint64_t seen = 0;
    assert(table->count <= 64);
    memset(message, 0, table->struct_bytes);
    for (size_t i = 0; i < map->via.map.size; i++) {
        const wire_field_t *known = find_field(table, &map->via.map.ptr[i].key);
        if (!known)
            continue;
        uint64_t bit = (uint64_t)1 << (known - table->fields);
        *field = known->name;
        if (seen & bit)
            return WIRE_BAD_FIELD;
        seen |= bit;
        wire_status_t status =
            fill_field(&map->via.map.ptr[i].val, known, (char *)message + known->offset, zone);
        if (status != WIRE_OK)
            return status;
    }
    for (size_t i = 0; i < table->count; i++) {
        *field = table->fields[i].name;
        if (table->fields[i].required && !(seen & (uint64_t)1 << i))
            return WIRE_BAD_FIELD;
    }
    *field = NULL;
    return WIRE_OK;
}

wire_status_t wire_decode(const void *bytes, size_t length, const wire_table_t *table,
                          void *message, wire_memory_t *memory, const char **field)
{
    msgpack_object object;
    const char *culprit = NULL;
    memset(message, 0, table->struct_bytes);
    wire_status_t status = unpack(bytes, length, memory, &object);
    if (status == WIRE_OK)
        status = fill_struct(&object, table, message, memory->zone, &culprit);
    if (status != WIRE_OK)
        memset(message, 0, table->struct_bytes);
    if (field)
        *field = culprit;
    return status;
}

wire_status_t wire_type(const void *bytes, size_t length, wire_view_t *type)
{
    /* Our own messages open with {"type": ...}: no need to unpack the rest to dispatch on it. */
    const uint8_t *at = bytes;
    size_t head = 0;
    if (length > 6 && (at[0] & 0xf0) == 0x80)
        head = 1;
    else if (length > 8 && at[0] == 0xde)
        head = 3;
    if (head > 0 && memcmp(at + head, "\xa4type", 5) == 0 && (at[head + 5] & 0xe0) == 0xa0) {
        size_t size = at[head + 5] & 0x1f;
        if (length >= head + 6 + size) {
            *type = (wire_view_t){(const char *)at + head + 6, size};
            return WIRE_OK;
        }
    }
    static const wire_field_t fields[] = {
        {.name = "type", .kind = WIRE_TEXT, .offset = 0, .limit = 64, .required = true}};
    static const wire_table_t table = {"type", fields, 1, sizeof(wire_view_t)};
    wire_memory_t memory = {0};
    wire_status_t status = wire_decode(bytes, length, &table, type, &memory, NULL);
    wire_memory_free(&memory);
    return status;
}

/* Printing. */

static void print_text(FILE *stream, wire_view_t view)
{
    fputc('"', stream);
    for (size_t i = 0; i < view.length; i++) {
        unsigned char byte = (unsigned char)view.bytes[i];
        if (byte < 0x20 || byte == 0x7f || byte == '"' || byte == '\\')
            fprintf(stream, "\\x%02x", byte);
        else
            fputc(byte, stream);
    }
    fputc('"', stream);
}

static void print_value(FILE *stream, const wire_field_t *field, const void *at)
{
    const wire_view_t *view = at;
    const wire_numbers_t *numbers = at;
    const wire_list_t *list = at;
    switch (field->kind) {
    case WIRE_TEXT:
        print_text(stream, *view);
        break;
    case WIRE_BYTES:
        for (size_t i = 0; i < view->length; i++)
            fprintf(stream, "%02x", (unsigned char)view->bytes[i]);
        break;
    case WIRE_UINT:
        fprintf(stream, "%llu", (unsigned long long)*(const uint64_t *)at);
        break;
    case WIRE_BOOL:
        fputs(*(const bool *)at ? "true" : "false", stream);
        break;
    case WIRE_NUMBERS:
        for (size_t i = 0; i < numbers->count; i++)
            fprintf(stream, "%s%llu", i ? "," : "", (unsigned long long)numbers->numbers[i]);
        break;
    case WIRE_LIST:
        for (size_t i = 0; i < list->count; i++) {
            fputc('{', stream);
            wire_print(stream, field->items,
                       (const char *)list->items + i * field->items->struct_bytes);
            fputc('}', stream);
        }
        break;
    }
}

void wire_print(FILE *stream, const wire_table_t *table, const void *message)
{
    bool first = true;
    for (size_t i = 0; i < table->count; i++) {
        const wire_field_t *field = &table->fields[i];
        if (!field_present(field, message))
            continue;
        fprintf(stream, "%s%s=", first ? "" : " ", field->name);
        print_value(stream, field, field_at(field, message));
        first = false;
    }
}
