#include "proto/wire_private.h"

#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

static int output_write(void *data, const char *bytes, size_t length)
{
    wire_output_t *output = data;
    if (length == 0)
        return 0; /* of an empty field, whose bytes may be NULL */
    if (output->failed || WIRE_MESSAGE_BYTES_MAX - output->length < length) {
        output->failed = true;
        return -1;
    }
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

static void pack_map(msgpack_packer *packer, const char *type, const wire_table_t *table,
                     const void *message);

static void pack_value(msgpack_packer *packer, const wire_field_t *field, const void *message)
{
    const void *at = wire_field_at(field, message);
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
    const void *at = wire_field_at(field, message);
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
        present += wire_field_present(&table->fields[i], message);
    msgpack_pack_map(packer, present);
    if (type) {
        msgpack_pack_str_with_body(packer, "type", 4);
        msgpack_pack_str_with_body(packer, type, strlen(type));
    }
    for (size_t i = 0; i < table->count; i++) {
        const wire_field_t *field = &table->fields[i];
        if (!wire_field_present(field, message))
            continue;
        if (field->limit > 0 && !wire_within_limit(field, field_size(field, message)))
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
