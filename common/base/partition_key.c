#include "common/base/partition_key.h"

#include "common/base/digest.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

size_t partition_key(wire_view_t business_id, wire_view_t location_id,
                     char key[PARTITION_KEY_BYTES])
{
    assert(business_id.length <= MESSAGE_ID_BYTES_MAX);
    assert(location_id.length <= MESSAGE_ID_BYTES_MAX);
    char tenant[2 * MESSAGE_ID_BYTES_MAX + 2];
    int length = snprintf(tenant, sizeof(tenant), "%.*s:%.*s", WIRE_ARGUMENTS(business_id),
                          WIRE_ARGUMENTS(location_id));
    if (length < PARTITION_KEY_BYTES) {
        memcpy(key, tenant, (size_t)length + 1);
        return (size_t)length;
    }
    uint8_t digest[DIGEST_BYTES];
    digest_sha256(tenant, (size_t)length, digest);
    digest_hex(digest, sizeof(digest), key);
    return DIGEST_HEX_BYTES - 1;
}
