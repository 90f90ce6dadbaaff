#include "tenant-resolver/dynamodb_text.h"

#include <string.h>

/* Only what tenant_item reads: an item may hold long prompts beside it. */
#define PROJECTION                                                                                 \
    ",\"ProjectionExpression\":\"#a,#b,#l,#e,#c\",\"ExpressionAttributeNames\":{"                  \
    "\"#a\":\"agentId\",\"#b\":\"businessId\",\"#l\":\"locationId\",\"#e\":\"enabled\","           \
    "\"#c\":\"conversationSettings\"}"

/* An index may hold keys alone; they are all that is asked of it. */
#define INDEX_PROJECTION                                                                           \
    ",\"ProjectionExpression\":\"#a,#b,#l\",\"ExpressionAttributeNames\":{"                        \
    "\"#a\":\"agentId\",\"#b\":\"businessId\",\"#l\":\"locationId\"}"

static int append_string(buffer_t *body, const char *before, const char *text)
{
    if (buffer_append_text(body, before) != 0)
        return -1;
    return buffer_json_string(body, text, strlen(text));
}

static int append_start_key(buffer_t *body, const buffer_t *start_key)
{
    if (start_key->length == 0)
        return 0;
    if (buffer_append_text(body, ",\"ExclusiveStartKey\":") != 0)
        return -1;
    return buffer_append(body, start_key->bytes, start_key->length);
}

int dynamodb_write_query(buffer_t *body, const char *table, const char *index, const char *agent_id,
                         const buffer_t *start_key)
{
    buffer_clear(body);
    if (append_string(body, "{\"TableName\":", table) != 0 ||
        append_string(body, ",\"IndexName\":", index) != 0 ||
        append_string(body,
                      ",\"KeyConditionExpression\":\"#a = :a\","
                      "\"ExpressionAttributeValues\":{\":a\":{\"S\":",
                      agent_id) != 0 ||
        buffer_append_text(body, "}}" INDEX_PROJECTION) != 0 ||
        append_start_key(body, start_key) != 0)
        return -1;
    return buffer_append(body, "}", 1);
}

int dynamodb_write_scan(buffer_t *body, const char *table, const buffer_t *start_key)
{
    buffer_clear(body);
    if (append_string(body, "{\"TableName\":", table) != 0 ||
        buffer_append_text(body, ",\"ConsistentRead\":true" PROJECTION) != 0 ||
        append_start_key(body, start_key) != 0)
        return -1;
    return buffer_append(body, "}", 1);
}

int dynamodb_write_get(buffer_t *body, const char *table, const char *business_id,
                       const char *location_id)
{
    buffer_clear(body);
    if (append_string(body, "{\"TableName\":", table) != 0 ||
        append_string(body, ",\"Key\":{\"businessId\":{\"S\":", business_id) != 0 ||
        append_string(body, "},\"locationId\":{\"S\":", location_id) != 0)
        return -1;
    return buffer_append_text(body, "}},\"ConsistentRead\":true" PROJECTION "}");
}

int dynamodb_read_page(json_reader_t *reader, const buffer_t *body, dynamodb_page_t *page,
                       fault_t *fault)
{
    static const json_path_t paths[] = {{{"Items"}}, {{"LastEvaluatedKey"}}};
    json_value_t values[2];
    if (json_read(reader, body->bytes, body->length, paths, 2, values, fault) != JSON_READ_OK)
        return -1;
    if (values[0].type != JSON_ARRAY)
        return fault_set(fault, "DynamoDB's answer has no Items");
    page->items = values[0];
    page->last_key = (json_value_t){.type = JSON_ABSENT};
    if (values[1].type == JSON_OBJECT && values[1].count > 0)
        page->last_key = values[1];
    return 0;
}

int dynamodb_read_item(json_reader_t *reader, const buffer_t *body, json_value_t *item,
                       fault_t *fault)
{
    static const json_path_t paths[] = {{{NULL}}, {{"Item"}}};
    json_value_t values[2];
    if (json_read(reader, body->bytes, body->length, paths, 2, values, fault) != JSON_READ_OK)
        return -1;
    if (values[0].type != JSON_OBJECT)
        return fault_set(fault, "DynamoDB's answer is no object");
    *item = values[1].type == JSON_OBJECT ? values[1] : (json_value_t){.type = JSON_ABSENT};
    return 0;
}
