#include "tenant-resolver/tenant_item.h"

#include <stddef.h>
#include <strings.h>

/* What an attribute of DynamoDB holds: the value behind its type. */
static json_value_t unwrap(json_value_t attribute)
{
    json_value_t type;
    json_value_t value = {.type = JSON_ABSENT};
    json_cursor_t cursor = json_entries(&attribute);
    if (attribute.type == JSON_OBJECT)
        json_object_next(&cursor, &type, &value);
    return value;
}

static void read_id(const json_value_t *value, char id[TENANT_ITEM_ID_BYTES])
{
    if (json_copy_text(value, id, TENANT_ITEM_ID_BYTES) != 0)
        id[0] = '\0';
}

static bool is_false_text(const char *text)
{
    return strcasecmp(text, "false") == 0 || strcasecmp(text, "no") == 0 ||
           strcasecmp(text, "off") == 0 || strcasecmp(text, "0") == 0;
}

static bool means_true(const json_value_t *value)
{
    char text[8];
    int64_t number;
    switch (value->type) {
    case JSON_FALSE:
        return false;
    case JSON_NUMBER:
        return json_as_int64(value, &number) != 0 || number != 0;
    case JSON_STRING:
        return json_copy_text(value, text, sizeof(text)) != 0 || !is_false_text(text);
    default:
        return true;
    }
}

static void read_settings(const json_value_t *settings, bool is_typed, tenant_item_t *item)
{
    json_value_t key;
    json_value_t value;
    json_cursor_t cursor = json_entries(settings);
    item->record_calls = true;
    while (settings->type == JSON_OBJECT && json_object_next(&cursor, &key, &value)) {
        if (is_typed)
            value = unwrap(value);
        if (json_text_equals(&key, "recordCalls"))
            item->record_calls = means_true(&value);
    }
}

static void read_member(const json_value_t *key, const json_value_t *value, bool is_typed,
                        tenant_item_t *item)
{
    if (json_text_equals(key, "businessId"))
        read_id(value, item->business_id);
    else if (json_text_equals(key, "locationId"))
        read_id(value, item->location_id);
    else if (json_text_equals(key, "agentId"))
        read_id(value, item->agent_id);
    else if (json_text_equals(key, "enabled"))
        item->enabled = means_true(value);
    else if (json_text_equals(key, "conversationSettings"))
        read_settings(value, is_typed, item);
}

static int read_item(const json_value_t *object, bool is_typed, tenant_item_t *item)
{
    tenant_item_t read = {.enabled = true, .record_calls = true};
    if (object->type != JSON_OBJECT)
        return -1;
    json_value_t key;
    json_value_t value;
    json_cursor_t cursor = json_entries(object);
    while (json_object_next(&cursor, &key, &value)) {
        if (is_typed)
            value = unwrap(value);
        read_member(&key, &value, is_typed, &read);
    }
    if (!*read.agent_id)
        return -1;
    *item = read;
    return 0;
}

int tenant_item_read(const json_value_t *value, tenant_item_t *item)
{
    return read_item(value, false, item);
}

int tenant_item_read_attributes(const json_value_t *value, tenant_item_t *item)
{
    return read_item(value, true, item);
}
