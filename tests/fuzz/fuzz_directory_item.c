/* Feeds any JSON as an item of the tenant directory, plain and in DynamoDB's types, and checks that
 * whatever is accepted has texts that end and an agent. */
#include "common/json/json.h"
#include "tenant-resolver/tenant_item.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check(int result, const tenant_item_t *item)
{
    if (result != 0)
        return;
    assert(strnlen(item->agent_id, TENANT_ITEM_ID_BYTES) < TENANT_ITEM_ID_BYTES);
    assert(strnlen(item->business_id, TENANT_ITEM_ID_BYTES) < TENANT_ITEM_ID_BYTES);
    assert(strnlen(item->location_id, TENANT_ITEM_ID_BYTES) < TENANT_ITEM_ID_BYTES);
    assert(item->agent_id[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const json_path_t whole = {{NULL}};
    json_reader_t *reader = json_reader_new();
    json_value_t value;
    assert(reader);
    if (json_read(reader, (const char *)bytes, length, &whole, 1, &value, NULL) == JSON_READ_OK) {
        tenant_item_t item;
        check(tenant_item_read(&value, &item), &item);
        check(tenant_item_read_attributes(&value, &item), &item);
    }
    json_reader_destroy(&reader);
    return 0;
}
