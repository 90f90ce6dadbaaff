/* put_records: the texts of Kinesis' PutRecords, asked and answered.
 *
 * The request with its records in base64, and what an answer says of each of them
 * (https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html).  Pure; safe from
 * any thread that does not share the reader. */
#ifndef POSTCALL_LOGGER_PUT_RECORDS_H
#define POSTCALL_LOGGER_PUT_RECORDS_H

#include "common/base/buffer.h"
#include "common/base/fault.h"
#include "common/json/json.h"
#include "proto/wire.h"

#include <stddef.h>

#define PUT_RECORDS_TARGET       "Kinesis_20131202.PutRecords"
#define PUT_RECORDS_PROBE_TARGET "Kinesis_20131202.DescribeStreamSummary"
#define PUT_RECORDS_CONTENT_TYPE "application/x-amz-json-1.1"
#define PUT_RECORDS_MAX          500 /* records in one request */
#define PUT_RECORDS_CODE_BYTES   64

typedef enum {
    PUT_RECORDS_STORED,    /* it has a sequence number */
    PUT_RECORDS_THROTTLED, /* its shard is too busy */
    PUT_RECORDS_FAILED,    /* for another reason, or with neither number nor reason */
} put_records_verdict_t;

typedef struct {
    put_records_verdict_t verdict;
    char code[PUT_RECORDS_CODE_BYTES]; /* the reason's name; "" when stored */
} put_records_entry_t;

/* Starts a request to `stream`, a name or an ARN that aws_name_check_stream takes, adds records one
 * by one, and ends it.  0, or -1 when memory is out.
 */
int put_records_begin(buffer_t *body, const char *stream);
int put_records_add(buffer_t *body, wire_view_t partition_key, wire_view_t record);
int put_records_end(buffer_t *body);

/* Writes the body of DescribeStreamSummary, which asks whether the stream is there; as above. */
int put_records_probe(buffer_t *body, const char *stream);

/* What a record counts against the limits of a request: its key and its bytes before base64. */
size_t put_records_bytes(wire_view_t partition_key, wire_view_t record);

/* Reads a 200's body about `count` records.  0 with a verdict for each in `entries`; -1 when the
 * answer is not JSON or has not exactly so many entries: then nothing of it can be believed. */
int put_records_read(json_reader_t *reader, const buffer_t *body, put_records_entry_t *entries,
                     size_t count, fault_t *fault);

#endif
