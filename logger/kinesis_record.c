#include "logger/kinesis_record.h"

void kinesis_queue_push(kinesis_queue_t *self, kinesis_record_t *record)
{
    record->next = NULL;
    if (self->last)
        self->last->next = record;
    else
        self->first = record;
    self->last = record;
}

kinesis_record_t *kinesis_queue_pop(kinesis_queue_t *self)
{
    kinesis_record_t *record = self->first;
    if (!record)
        return NULL;
    self->first = record->next;
    if (!self->first)
        self->last = NULL;
    record->next = NULL;
    return record;
}

void kinesis_queue_push_front(kinesis_queue_t *self, kinesis_record_t *const *records, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        records[i]->next = self->first;
        self->first = records[i];
        if (!self->last)
            self->last = records[i];
    }
}
