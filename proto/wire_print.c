#include "proto/wire_private.h"

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
        if (!wire_field_present(field, message))
            continue;
        fprintf(stream, "%s%s=", first ? "" : " ", field->name);
        print_value(stream, field, wire_field_at(field, message));
        first = false;
    }
}
