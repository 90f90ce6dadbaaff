/* partition_key: which key a tenant's records have in the stream.
 *
 * `businessId:locationId`, so that one tenant's records keep to one shard.  Kinesis refuses a whole
 * PutRecords request for a key of more than 256 characters
 * (https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecordsRequestEntry.html), so a
 * longer one is replaced by its SHA-256 in hex.  Pure; safe from any thread. */
#ifndef POSTCALL_COMMON_BASE_PARTITION_KEY_H
#define POSTCALL_COMMON_BASE_PARTITION_KEY_H

#include "proto/messages.h"

#define PARTITION_KEY_BYTES (256 + 1) /* with the NUL */

/* Writes the key and a NUL; returns its length, which counts towards the size of a record.  Ids are
 * at most MESSAGE_ID_BYTES_MAX bytes. */
size_t partition_key(wire_view_t business_id, wire_view_t location_id,
                     char key[PARTITION_KEY_BYTES]);

#endif
