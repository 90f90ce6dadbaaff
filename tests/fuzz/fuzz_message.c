/* Any bytes as every message of the work protocol and every header of the journal: what decodes
 * keeps to the limits of its table, and says the same when it is encoded and decoded again. */
#include "proto/disk.h"
#include "proto/messages.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes);

static const wire_table_t *const tables[] = {
    &message_hello, &message_refuse,  &message_event,   &message_resolutions, &message_outcomes,
    &message_ping,  &message_pong,    &message_who,     &message_empty,       &disk_event,
    &disk_letter,   &disk_resolution, &disk_settlement, &disk_erasure,
};

static void check_struct(const wire_table_t *table, const char *structure, wire_view_t frame);

static void check_view(const wire_field_t *field, const wire_view_t *view, wire_view_t frame)
{
    assert(view->bytes || (view->length == 0 && !field->required));
    assert(!view->bytes || (view->bytes >= frame.bytes &&
                            view->bytes + view->length <= frame.bytes + frame.length));
    assert(view->length <= field->limit);
    assert(!field->exact || !view->bytes || view->length == field->limit);
}

static void check_list(const wire_field_t *field, const wire_list_t *list, wire_view_t frame)
{
    assert(list->count <= field->limit);
    for (size_t i = 0; i < list->count; i++)
        check_struct(field->items, (const char *)list->items + i * field->items->struct_bytes,
                     frame);
}

static void check_field(const wire_field_t *field, const void *member, wire_view_t frame)
{
    switch (field->kind) {
    case WIRE_TEXT:
    case WIRE_BYTES:
        check_view(field, member, frame);
        break;
    case WIRE_BOOL:
        assert(*(const unsigned char *)member <= 1);
        break;
    case WIRE_NUMBERS:
        assert(((const wire_numbers_t *)member)->count <= field->limit);
        break;
    case WIRE_LIST:
        check_list(field, member, frame);
        break;
    case WIRE_UINT:
        break;
    }
}

static void check_struct(const wire_table_t *table, const char *structure, wire_view_t frame)
{
    for (size_t i = 0; i < table->count; i++)
        check_field(&table->fields[i], structure + table->fields[i].offset, frame);
}

static void check_zero(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        assert(bytes[i] == 0);
}

/* Encodes what was decoded, decodes that, and encodes it again: the same bytes. */
static void check_again(const wire_table_t *table, const void *message)
{
    static wire_output_t once, twice;
    static wire_memory_t memory;
    void *again = malloc(table->struct_bytes);
    assert(again);
    once.length = twice.length = 0;
    int failed = wire_encode(&once, NULL, table, message);
    assert(!failed);
    wire_status_t status = wire_decode(once.bytes, once.length, table, again, &memory, NULL);
    assert(status == WIRE_OK);
    failed = wire_encode(&twice, NULL, table, again);
    assert(!failed && once.length == twice.length);
    assert(memcmp(once.bytes, twice.bytes, once.length) == 0);
    free(again);
}

static void check_table(const wire_table_t *table, wire_view_t frame)
{
    static FILE *nowhere;
    static wire_memory_t memory;
    if (!nowhere)
        nowhere = fopen("/dev/null", "we");
    char *message = malloc(table->struct_bytes);
    assert(nowhere && message);
    memset(message, 'x', table->struct_bytes);
    wire_status_t status = wire_decode(frame.bytes, frame.length, table, message, &memory, NULL);
    assert(status != WIRE_NO_MEMORY);
    if (status == WIRE_OK) {
        check_struct(table, message, frame);
        check_again(table, message);
        wire_print(nowhere, table, message);
    } else {
        check_zero(message, table->struct_bytes);
    }
    free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
    wire_view_t frame = {(const char *)input, bytes}, type = {NULL, 0};
    if (wire_type(input, bytes, &type) == WIRE_OK)
        assert(type.bytes >= frame.bytes && type.bytes + type.length <= frame.bytes + frame.length);
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
        check_table(tables[i], frame);
    return 0;
}
