#include "logger/put_records.h"

#include <stdio.h>
#include <string.h>

#include "common/aws/aws_name.h"
#include "common/base/base64.h"

static int begin_with(buffer_t *body, const char *stream, const char *rest)
{
    buffer_clear(body);
    return buffer_printf(body, "{\"%s\":\"%s\"%s",
                         aws_name_is_arn(stream) ? "StreamARN" : "StreamName", stream, rest);
}

int put_records_begin(buffer_t *body, const char *stream)
{
    return begin_with(body, stream, ",\"Records\":[");
}

int put_records_probe(buffer_t *body, const char *stream)
{
    return begin_with(body, stream, "}");
}

static int append_base64(buffer_t *body, wire_view_t record)
{
    size_t bytes = BASE64_TEXT_BYTES(record.length);
    if (buffer_reserve(body, bytes) != 0)
        return -1;
    base64_encode((const uint8_t *)record.bytes, record.length, body->bytes + body->length);
    body->length += bytes;
    return 0;
}

int put_records_add(buffer_t *body, wire_view_t partition_key, wire_view_t record)
{
    bool is_first = body->bytes[body->length - 1] == '[';
    if (buffer_append_text(body, is_first ? "{\"Data\":\"" : ",{\"Data\":\"") != 0 ||
        append_base64(body, record) != 0 || buffer_append_text(body, "\",\"PartitionKey\":") != 0 ||
        buffer_json_string(body, partition_key.bytes, partition_key.length) != 0)
        return -1;
    return buffer_append(body, "}", 1);
}

int put_records_end(buffer_t *body)
{
    return buffer_append(body, "]}", 2);
}

size_t put_records_bytes(wire_view_t partition_key, wire_view_t record)
{
    return partition_key.length + record.length;
}

static bool is_text(const json_value_t *value)
{
    return value->type == JSON_STRING && value->raw_bytes > 0;
}

static void read_entry(const json_value_t *object, put_records_entry_t *entry)
{
    json_value_t key;
    json_value_t value;
    json_value_t number = {.type = JSON_ABSENT};
    json_value_t code = {.type = JSON_ABSENT};
    json_cursor_t cursor = json_entries(object);
    while (object->type == JSON_OBJECT && json_object_next(&cursor, &key, &value)) {
        if (json_text_equals(&key, "SequenceNumber"))
            number = value;
        else if (json_text_equals(&key, "ErrorCode"))
            code = value;
    }
    *entry = (put_records_entry_t){.verdict = PUT_RECORDS_STORED};
    if (is_text(&number) && !is_text(&code))
        return;
    entry->verdict = PUT_RECORDS_FAILED;
    if (json_copy_text(&code, entry->code, sizeof(entry->code)) != 0 || entry->code[0] == '\0')
        strcpy(entry->code, "unclear");
    if (strcmp(entry->code, "ProvisionedThroughputExceededException") == 0)
        entry->verdict = PUT_RECORDS_THROTTLED;
}

int put_records_read(json_reader_t *reader, const buffer_t *body, put_records_entry_t *entries,
                     size_t count, fault_t *fault)
{
    static const json_path_t path = {{"Records"}};
    json_value_t records;
    if (json_read(reader, body->bytes, body->length, &path, 1, &records, fault) != JSON_READ_OK)
        return -1;
    if (records.type != JSON_ARRAY || records.count != count)
        return fault_set(fault, "the answer to %zu records has entries for %zu", count,
                         records.type == JSON_ARRAY ? records.count : 0);
    json_value_t record;
    json_cursor_t cursor = json_entries(&records);
    for (size_t i = 0; i < count && json_array_next(&cursor, &record); i++)
        read_entry(&record, &entries[i]);
    return 0;
}
