#include "tenant-resolver/dynamodb_question.h"

#include <stdlib.h>
#include <string.h>

dynamodb_question_t *dynamodb_question_new(wire_view_t agent_id, int64_t deadline_ms)
{
    dynamodb_question_t *self = calloc(1, sizeof(*self));
    if (self)
        self->agent_id = calloc(1, agent_id.length + 1);
    if (!self || !self->agent_id) {
        free(self);
        return NULL;
    }
    if (agent_id.length > 0)
        memcpy(self->agent_id, agent_id.bytes, agent_id.length);
    self->agent_id_bytes = agent_id.length;
    self->deadline_ms = deadline_ms;
    return self;
}

void dynamodb_question_destroy(dynamodb_question_t **self_p)
{
    dynamodb_question_t *self = *self_p;
    if (!self)
        return;
    buffer_free(&self->body);
    buffer_free(&self->start_key);
    free(self->agent_id);
    free(self->items);
    free(self);
    *self_p = NULL;
}

bool dynamodb_question_is_askable(const dynamodb_question_t *self)
{
    return self->agent_id_bytes > 0 && self->agent_id_bytes < TENANT_ITEM_ID_BYTES &&
           strlen(self->agent_id) == self->agent_id_bytes;
}

int dynamodb_question_add(dynamodb_question_t *self, const tenant_item_t *item, fault_t *fault)
{
    if (self->count == DYNAMODB_ITEMS_MAX)
        return fault_set(fault, "more than %d items name one agent", DYNAMODB_ITEMS_MAX);
    size_t bytes = (self->count + 1) * sizeof(*self->items);
    tenant_item_t *items = realloc(self->items, bytes);
    if (!items)
        return fault_set(fault, "out of memory");
    self->items = items;
    items[self->count++] = *item;
    return 0;
}

int dynamodb_turn_page(buffer_t *start_key, unsigned *pages, const dynamodb_page_t *page,
                       fault_t *fault)
{
    buffer_clear(start_key);
    if (page->last_key.type == JSON_ABSENT)
        return 0;
    if (++*pages == DYNAMODB_PAGES_MAX)
        return fault_set(fault, "DynamoDB gives more than %d pages", DYNAMODB_PAGES_MAX);
    if (buffer_append(start_key, page->last_key.raw, page->last_key.raw_bytes) != 0)
        return fault_set(fault, "out of memory");
    return 1;
}
