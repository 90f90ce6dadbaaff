#include "proto/wire_private.h"

#include <assert.h>
#include <msgpack.h>
#include <string.h>

void wire_memory_free(wire_memory_t *memory)
{
    if (memory->zone)
        msgpack_zone_free(memory->zone);
    memory->zone = NULL;
}

static wire_status_t unpack(const void *bytes, size_t length, wire_memory_t *memory,
                            msgpack_object *object)
{
    wire_status_t status = wire_scan(bytes, length);
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
    if (!wire_within_limit(field, count))
        return WIRE_BAD_FIELD;
    uint64_t *items = msgpack_zone_malloc(zone, (count ? count : 1) * sizeof(*items));
    if (!items)
        return WIRE_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (value->via.array.ptr[i].type != MSGPACK_OBJECT_POSITIVE_INTEGER)
            return WIRE_BAD_FIELD;
        items[i] = value->via.array.ptr[i].via.u64;
    }
    *numbers = (wire_numbers_t){items, count};
    return WIRE_OK;
}

static wire_status_t fill_list(const msgpack_object *value, const wire_field_t *field, void *at,
                               msgpack_zone *zone)
{
    wire_list_t *list = at;
    size_t count = value->via.array.size;
    if (!wire_within_limit(field, count))
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
    if (!wire_within_limit(field, length))
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

/* Looks from `expected` on: who writes the fields in the order of the table is read in one go. */
static const wire_field_t *find_field(const wire_table_t *table, size_t expected,
                                      const msgpack_object *key)
{
    for (size_t i = 0; i < table->count; i++) {
        const wire_field_t *field = &table->fields[(expected + i) % table->count];
        if (key_is(key, field->name))
            return field;
    }
    return NULL;
}

static wire_status_t fill_struct(const msgpack_object *map, const wire_table_t *table,
                                 void *message, msgpack_zone *zone, const char **field)
{
    uint64_t seen = 0;
    size_t expected = 0;
    assert(table->count <= 64);
    memset(message, 0, table->struct_bytes);
    for (size_t i = 0; i < map->via.map.size; i++) {
        const wire_field_t *known = find_field(table, expected, &map->via.map.ptr[i].key);
        if (!known)
            continue;
        size_t index = (size_t)(known - table->fields);
        uint64_t bit = (uint64_t)1 << index;
        expected = index + 1;
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
