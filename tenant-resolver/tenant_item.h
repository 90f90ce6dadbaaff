/* tenant_item: what the tenant directory says of one agent.
 *
 * One item of the table `elevenlabs-agents`, whether it comes from DynamoDB or from a file with the
 * same items in plain JSON.  People edit these items by hand, so types drift; what is not as
 * expected is read with care and never makes the whole directory unreadable.  Who may be a tenant
 * is decided elsewhere.  Pure; safe from any thread. */
#ifndef POSTCALL_TENANT_RESOLVER_TENANT_ITEM_H
#define POSTCALL_TENANT_RESOLVER_TENANT_ITEM_H

#include <stdbool.h>

#include "common/json/json_value.h"

#define TENANT_ITEM_ID_BYTES 257

typedef struct {
    char business_id[TENANT_ITEM_ID_BYTES]; /* "" when it is missing, no text, or too long */
    char location_id[TENANT_ITEM_ID_BYTES]; /* the same */
    char agent_id[TENANT_ITEM_ID_BYTES];
    bool enabled;      /* unless `enabled` says false */
    bool record_calls; /* unless `conversationSettings.recordCalls` says false */
} tenant_item_t;

/* Reads an item of plain JSON: {"businessId":"B1","enabled":true,...}.  `value` comes from a text
 * that json_read has accepted.  False is also meant by 0 and by the texts "false", "0", "no" and
 * "off"; whatever else stands there, or nothing, means true.  0, or -1 when it is no object or has
 * no readable `agentId`. */
int tenant_item_read(const json_value_t *value, tenant_item_t *item);

/* As tenant_item_read, for DynamoDB's typed form: {"businessId":{"S":"B1"},"enabled":{"BOOL":true}}
 * (AttributeValue in the DynamoDB API reference). */
int tenant_item_read_attributes(const json_value_t *value, tenant_item_t *item);

#endif
