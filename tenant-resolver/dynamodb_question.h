/* dynamodb_question: one agent that the directory is asked for, and what has been found so far.
 *
 * The memory of tenant-resolver/dynamodb, without its flow.  One thread. */
#ifndef POSTCALL_TENANT_RESOLVER_DYNAMODB_QUESTION_H
#define POSTCALL_TENANT_RESOLVER_DYNAMODB_QUESTION_H

#include "common/base/buffer.h"
#include "common/base/fault.h"
#include "proto/wire.h"
#include "tenant-resolver/dynamodb_text.h"
#include "tenant-resolver/tenant_item.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DYNAMODB_ITEMS_MAX 64    /* that name one agent */
#define DYNAMODB_PAGES_MAX 10000 /* of one query or scan */

typedef enum {
    QUESTION_WAITS,   /* for its turn */
    QUESTION_QUERIES, /* the index */
    QUESTION_READS,   /* item after item */
    QUESTION_NEEDS_SCAN,
    QUESTION_IS_SCANNED,
    QUESTION_DONE,
} dynamodb_question_state_t;

/* One agent that was asked for.  The flow owns `state` and `next`. */
typedef struct dynamodb_question_t {
    struct dynamodb_question_t *next;
    dynamodb_question_state_t state;
    char *agent_id;
    size_t agent_id_bytes;
    int64_t deadline_ms;
    buffer_t body;      /* of the request in flight */
    buffer_t start_key; /* of its next page */
    unsigned pages;
    tenant_item_t *items; /* found; after reading, the first `kept` are confirmed */
    size_t count;
    size_t read;
    size_t kept;
    fault_t reason;
    bool is_available;
} dynamodb_question_t;

/* A question that waits; the id is copied.  NULL when memory is out. */
dynamodb_question_t *dynamodb_question_new(wire_view_t agent_id, int64_t deadline_ms);
void dynamodb_question_destroy(dynamodb_question_t **self_p);

/* False for an id that no item can hold: nobody needs to be asked. */
bool dynamodb_question_is_askable(const dynamodb_question_t *self);

/* Adds an item that names the agent.  -1 when there are too many, or memory is out. */
int dynamodb_question_add(dynamodb_question_t *self, const tenant_item_t *item, fault_t *fault);

/* Keeps where the page after `page` starts and counts it: 1 when there is one, 0 when not, -1 when
 * there are too many, or memory is out. */
int dynamodb_turn_page(buffer_t *start_key, unsigned *pages, const dynamodb_page_t *page,
                       fault_t *fault);

#endif
