/* dynamodb_text: what the directory asks DynamoDB, and what DynamoDB answers, as texts.
 *
 * Query, GetItem and Scan over the table `elevenlabs-agents`, whose key is businessId and
 * locationId (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/Welcome.html).  Pure;
 * safe from any thread that does not share the reader. */
#ifndef POSTCALL_TENANT_RESOLVER_DYNAMODB_TEXT_H
#define POSTCALL_TENANT_RESOLVER_DYNAMODB_TEXT_H

#include "common/base/buffer.h"
#include "common/base/fault.h"
#include "common/json/json.h"

#define DYNAMODB_CONTENT_TYPE "application/x-amz-json-1.0"
#define DYNAMODB_QUERY        "DynamoDB_20120810.Query"
#define DYNAMODB_GET_ITEM     "DynamoDB_20120810.GetItem"
#define DYNAMODB_SCAN         "DynamoDB_20120810.Scan"

/* Each overwrites `body`; `start_key` is where the page before ended (empty for the first page).
 * 0, or -1 when memory is out. */
int dynamodb_write_query(buffer_t *body, const char *table, const char *index, const char *agent_id,
                         const buffer_t *start_key);
int dynamodb_write_scan(buffer_t *body, const char *table, const buffer_t *start_key);
int dynamodb_write_get(buffer_t *body, const char *table, const char *business_id,
                       const char *location_id);

/* A page of a query or scan: views into the body it was read from. */
typedef struct {
    json_value_t items;    /* an array */
    json_value_t last_key; /* an object when there are more pages; else absent */
} dynamodb_page_t;

/* 0, or -1 when the body is no page. */
int dynamodb_read_page(json_reader_t *reader, const buffer_t *body, dynamodb_page_t *page,
                       fault_t *fault);

/* Reads the answer of GetItem; `item` is absent when there is none.  0, or -1 when it is no such
 * answer. */
int dynamodb_read_item(json_reader_t *reader, const buffer_t *body, json_value_t *item,
                       fault_t *fault);

#endif
