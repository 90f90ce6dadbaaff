#include "resources-sink/row.h"

#include "common/base/decimal.h"
#include "resources-sink/jsonb_text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    RESOURCE_TYPE,
    RESOURCE_ID,
    OPERATION,
    BUSINESS_ID,
    LOCATION_ID,
    DATA,
    TIMESTAMP,
    REQUEST_ID,
    PATHS
};

static const json_path_t paths[PATHS] = {
    [RESOURCE_TYPE] = {{"resourceType"}}, [RESOURCE_ID] = {{"resourceId"}},
    [OPERATION] = {{"operation"}},        [BUSINESS_ID] = {{"businessId"}},
    [LOCATION_ID] = {{"locationId"}},     [DATA] = {{"data"}},
    [TIMESTAMP] = {{"timestamp"}},        [REQUEST_ID] = {{"requestId"}},
};

/* Members of data.metadata that queries cast to int, and where their exact text goes. */
static const struct {
    const char *name;
    const char *exact;
} integers[] = {{"callDuration", "callDurationExact"}, {"cost", "costExact"}};

/* Where the members of an object that is being written stand. */
typedef struct {
    buffer_t *out;
    bool filled;
    int failed;
} object_t;

static void open_object(object_t *object, buffer_t *out)
{
    *object = (object_t){.out = out};
    object->failed = buffer_append(out, "{", 1);
}

/* Writes the name of the next member, as the text of a JSON string. */
static void append_name(object_t *object, const json_value_t *name)
{
    if (object->filled)
        object->failed |= buffer_append(object->out, ",", 1);
    object->filled = true;
    object->failed |= jsonb_text_append(object->out, name);
    object->failed |= buffer_append(object->out, ":", 1);
}

static int close_object(object_t *object)
{
    return object->failed | buffer_append(object->out, "}", 1);
}

static json_value_t name_of(const char *text)
{
    return (json_value_t){JSON_STRING, text, strlen(text), 0};
}

/* Writes an integer for queries and, where that is not what came, the exact text. */
static void append_integer(object_t *object, const char *name, const char *exact,
                           const json_value_t *value)
{
    decimal_t number;
    if (value->type != JSON_NUMBER || decimal_read(value->raw, value->raw_bytes, &number) != 0)
        return;
    char text[24] = "";
    int64_t integer;
    if (decimal_round_half_up(&number, &integer) == 0 && integer >= INT32_MIN &&
        integer <= INT32_MAX) {
        snprintf(text, sizeof(text), "%" PRId64, integer);
        json_value_t key = name_of(name);
        append_name(object, &key);
        object->failed |= buffer_append_text(object->out, text);
    }
    if (strlen(text) == value->raw_bytes && memcmp(text, value->raw, value->raw_bytes) == 0)
        return;
    json_value_t key = name_of(exact);
    append_name(object, &key);
    object->failed |= buffer_json_string(object->out, value->raw, value->raw_bytes);
}

static void append_metadata_member(object_t *object, const json_value_t *key,
                                   const json_value_t *value)
{
    for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++) {
        if (json_text_equals(key, integers[i].name)) {
            append_integer(object, integers[i].name, integers[i].exact, value);
            return;
        }
    }
    append_name(object, key);
    object->failed |= jsonb_text_append(object->out, value);
}

static int append_metadata(buffer_t *out, const json_value_t *metadata)
{
    object_t object;
    open_object(&object, out);
    json_cursor_t cursor = json_entries(metadata);
    for (json_value_t key, value; json_object_next(&cursor, &key, &value);)
        append_metadata_member(&object, &key, &value);
    return close_object(&object);
}

static int append_data(buffer_t *out, const json_value_t *members)
{
    object_t object;
    open_object(&object, out);
    json_cursor_t cursor = json_entries(members);
    for (json_value_t key, value; json_object_next(&cursor, &key, &value);) {
        append_name(&object, &key);
        bool special = value.type == JSON_OBJECT && json_text_equals(&key, "metadata");
        object.failed |= special ? append_metadata(out, &value) : jsonb_text_append(out, &value);
    }
    return close_object(&object);
}

/* Copies a key or name; false if it is none. */
static bool copy_name(const json_value_t *values, int field, char *out, size_t capacity,
                      fault_t *fault)
{
    if (json_copy_text(&values[field], out, capacity) == 0 && *out)
        return true;
    fault_set(fault, "a record without a usable %s", paths[field].keys[0]);
    return false;
}

static bool read_keys(const json_value_t *values, row_t *row, fault_t *fault)
{
    char business_id[MESSAGE_ID_BYTES_MAX + 1], location_id[MESSAGE_ID_BYTES_MAX + 1];
    if (!copy_name(values, BUSINESS_ID, business_id, sizeof(business_id), fault) ||
        !copy_name(values, LOCATION_ID, location_id, sizeof(location_id), fault) ||
        !copy_name(values, RESOURCE_ID, row->resource_id, sizeof(row->resource_id), fault))
        return false;
    int id =
        snprintf(row->id, sizeof(row->id), "%s-%s-%s", business_id, location_id, row->resource_id);
    int tenant = snprintf(row->business_location_id, sizeof(row->business_location_id), "%s:%s",
                          business_id, location_id);
    assert(id < (int)sizeof(row->id) && tenant < (int)sizeof(row->business_location_id));
    return true;
}

static bool read_names(const json_value_t *values, row_t *row, fault_t *fault)
{
    return copy_name(values, RESOURCE_TYPE, row->resource_type, sizeof(row->resource_type),
                     fault) &&
           copy_name(values, OPERATION, row->operation, sizeof(row->operation), fault) &&
           copy_name(values, REQUEST_ID, row->request_id, sizeof(row->request_id), fault);
}

static bool read_time(const json_value_t *timestamp, row_t *row, fault_t *fault)
{
    char text[EVENT_TIME_TEXT_BYTES];
    event_time_t time;
    if (json_copy_text(timestamp, text, sizeof(text)) != 0 ||
        event_time_read(text, strlen(text), &time) != 0) {
        fault_set(fault, "a record without a usable timestamp");
        return false;
    }
    memcpy(row->created_at, time.text, sizeof(row->created_at));
    return true;
}

static bool read_version(wire_view_t version, row_t *row, fault_t *fault)
{
    if (version.length != sizeof(row->version) - 1 || memchr(version.bytes, 0, version.length)) {
        fault_set(fault, "a version that is not %zu characters", sizeof(row->version) - 1);
        return false;
    }
    memcpy(row->version, version.bytes, version.length);
    row->version[version.length] = '\0';
    return true;
}

row_status_t row_read(json_reader_t *reader, wire_view_t record, wire_view_t version, row_t *row,
                      fault_t *fault)
{
    json_value_t values[PATHS];
    json_status_t read =
        json_read(reader, record.bytes, record.length, paths, PATHS, values, fault);
    if (read != JSON_READ_OK)
        return read == JSON_READ_TOO_BIG ? ROW_NO_MEMORY : ROW_MALFORMED;
    if (!read_keys(values, row, fault) || !read_names(values, row, fault) ||
        !read_time(&values[TIMESTAMP], row, fault) || !read_version(version, row, fault))
        return ROW_MALFORMED;
    if (values[DATA].type != JSON_OBJECT) {
        fault_set(fault, "a record without data");
        return ROW_MALFORMED;
    }
    if (row->data.capacity > ROW_KEEPS_BYTES)
        buffer_free(&row->data);
    buffer_clear(&row->data);
    if (append_data(&row->data, &values[DATA]) != 0) {
        fault_set(fault, "no memory for the data of a row");
        return ROW_NO_MEMORY;
    }
    return ROW_OK;
}

void row_free(row_t *row)
{
    buffer_free(&row->data);
}
