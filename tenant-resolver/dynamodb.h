/* dynamodb: the tenant directory in DynamoDB (TENANT_DIRECTORY=dynamodb).
 *
 * Finds all items that name an agent: a Query on the index over agentId gives their keys, and each
 * item is then read by itself and consistently, since the index lags behind the table; one that no
 * longer names the agent does not count.  Where the table has no such index it is scanned as a
 * whole, one scan for all agents that wait; agents asked during a scan wait for the next one.
 *
 * Polled: ask, then per turn of the loop dynamodb_perform, dynamodb_take until it gives nothing,
 * dynamodb_wait.  It keeps no answers (tenant-resolver/agents does).  One thread. */
#ifndef POSTCALL_TENANT_RESOLVER_DYNAMODB_H
#define POSTCALL_TENANT_RESOLVER_DYNAMODB_H

#include "common/aws/aws_settings.h"
#include "common/base/fault.h"
#include "proto/wire.h"
#include "tenant-resolver/tenant_item.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DYNAMODB_INDEX              "agentId-index"
#define DYNAMODB_IN_FLIGHT          16
#define DYNAMODB_REQUEST_TIMEOUT_MS 3000
#define DYNAMODB_DEADLINE_MS        10000
#define DYNAMODB_SCAN_DEADLINE_MS   60000
#define DYNAMODB_INDEX_RETRY_MS     60000 /* how long a missing index is believed to be missing */
#define DYNAMODB_ANSWER_BYTES       (8u << 20) /* a page is 1 MiB before it becomes JSON */

typedef struct dynamodb dynamodb_t;

/* Zero or NULL means the default above. */
typedef struct {
    const aws_settings_t *aws; /* borrowed for life */
    const char *table;         /* copied, as is the index */
    const char *index;
    size_t in_flight_max; /* questions; further ones wait */
    long request_timeout_ms;
    int64_t deadline_ms; /* of a question, but for scans */
    int64_t scan_deadline_ms;
    int64_t index_retry_ms;
} dynamodb_options_t;

/* NULL and a fault when the settings are wrong. */
dynamodb_t *dynamodb_new(const dynamodb_options_t *options, fault_t *fault);

/* Forgets all questions.  Takes null, and nulls the caller's pointer. */
void dynamodb_destroy(dynamodb_t **self_p);

/* Asks for the items of an agent (the id is copied).  0, or -1 when memory is out. */
int dynamodb_ask(dynamodb_t *self, wire_view_t agent_id, fault_t *fault);

/* Sends and receives what can be without waiting. */
void dynamodb_perform(dynamodb_t *self);

/* The answer to one question.  Owned, to be freed with dynamodb_answer_free. */
typedef struct {
    char *agent_id;
    size_t agent_id_bytes;
    bool is_available;    /* else the directory could not be asked, and `reason` says why */
    tenant_item_t *items; /* that name the agent, enabled or not */
    size_t count;
    fault_t reason;
} dynamodb_answer_t;

/* 1, and fills `answer`, when there is one; else 0. */
int dynamodb_take(dynamodb_t *self, dynamodb_answer_t *answer);
void dynamodb_answer_free(dynamodb_answer_t *answer);

/* As http_client_wait, and ends in time for the next retry. */
void dynamodb_wait(dynamodb_t *self, struct pollfd *extra, size_t count, int timeout_ms);

/* What somebody should do about the table: create the index, and how; "" for nothing.  For a
 * warning whenever it changes. */
const char *dynamodb_advice(const dynamodb_t *self);

/* What the last question that could not be asked died of; "" while the last one was answered. */
const char *dynamodb_trouble(const dynamodb_t *self);

/* Where the AWS keys come from, for the log at start. */
const char *dynamodb_key_source(const dynamodb_t *self);

#endif
