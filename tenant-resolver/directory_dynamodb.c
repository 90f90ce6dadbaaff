#include "common/base/log.h"
#include "tenant-resolver/directory.h"
#include "tenant-resolver/dynamodb.h"

#include <stdlib.h>
#include <string.h>

struct directory_t {
    dynamodb_t *table;
    size_t asked;
    dynamodb_answer_t lent; /* whose agent_id the caller may still read */
    char *advised;          /* what was warned about last */
    metric_t *questions, *unavailable;
};

static void table_close(directory_t **self_p)
{
    directory_t *self = *self_p;
    if (!self)
        return;
    dynamodb_destroy(&self->table);
    dynamodb_answer_free(&self->lent);
    free(self->advised);
    free(self);
    *self_p = NULL;
}

static directory_t *table_open(const resolver_settings_t *settings, const char *name,
                               metrics_t *metrics, fault_t *fault)
{
    (void)name; /* the table has a setting of its own */
    directory_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    self->questions = metrics_counter(metrics, "postcall_tenant_resolver_directory_questions_total",
                                      "Agents that DynamoDB was asked about.", NULL);
    self->unavailable =
        metrics_counter(metrics, "postcall_tenant_resolver_directory_unavailable_total",
                        "Questions that DynamoDB could not be asked.", NULL);
    self->table =
        dynamodb_new(&(dynamodb_options_t){.aws = &settings->aws,
                                           .table = settings->agents_table,
                                           .deadline_ms = settings->directory_deadline_ms},
                     fault);
    if (!self->table)
        table_close(&self);
    else
        log_line(LOG_LEVEL_INFO, "the tenant directory is in DynamoDB",
                 LOG_TEXT("table", settings->agents_table),
                 LOG_TEXT("keys", dynamodb_key_source(self->table)));
    return self;
}

static bool table_can_ask(const directory_t *self)
{
    return self->asked < DIRECTORY_QUESTIONS_MAX;
}

static int table_ask(directory_t *self, wire_view_t agent_id, int64_t now_ms)
{
    (void)now_ms;
    if (dynamodb_ask(self->table, agent_id, NULL) != 0)
        return -1;
    metric_add(self->questions, 1);
    self->asked++;
    return 0;
}

/* Says once what somebody should do about the table. */
static void advise(directory_t *self)
{
    const char *advice = dynamodb_advice(self->table);
    if (self->advised && strcmp(self->advised, advice) == 0)
        return;
    free(self->advised);
    self->advised = strdup(advice);
    if (advice[0])
        log_line(LOG_LEVEL_WARN, "the tenant directory is slow as it is", LOG_TEXT("do", advice));
}

static void decide(const dynamodb_answer_t *answer, agent_verdict_t *verdict)
{
    agent_item_t *items = calloc(answer->count + 1, sizeof(*items));
    *verdict = (agent_verdict_t){.state = AGENT_UNAVAILABLE};
    if (!answer->is_available || !items) {
        free(items);
        return;
    }
    for (size_t i = 0; i < answer->count; i++) {
        items[i] = (agent_item_t){.business_id = wire_view(answer->items[i].business_id),
                                  .location_id = wire_view(answer->items[i].location_id),
                                  .enabled = answer->items[i].enabled,
                                  .record_calls = answer->items[i].record_calls};
    }
    agents_decide(items, answer->count, verdict);
    free(items);
}

static int table_take(directory_t *self, int64_t now_ms, wire_view_t *agent_id,
                      agent_verdict_t *verdict)
{
    (void)now_ms;
    dynamodb_perform(self->table);
    advise(self);
    dynamodb_answer_free(&self->lent);
    if (!dynamodb_take(self->table, &self->lent))
        return 0;
    self->asked--;
    if (!self->lent.is_available)
        metric_add(self->unavailable, 1);
    *agent_id = (wire_view_t){self->lent.agent_id, self->lent.agent_id_bytes};
    decide(&self->lent, verdict);
    return 1;
}

static bool table_changed(directory_t *self, int64_t now_ms)
{
    (void)self; /* nobody tells; entries run out of their time */
    (void)now_ms;
    return false;
}

static void table_wait(directory_t *self, struct pollfd *fds, size_t count, int64_t wait_ms)
{
    dynamodb_wait(self->table, fds, count, (int)wait_ms);
}

static const char *table_trouble(const directory_t *self)
{
    const char *words = dynamodb_trouble(self->table);
    return words[0] ? words : NULL;
}

const directory_kind_t directory_dynamodb = {
    .prefix = "dynamodb",
    .open = table_open,
    .destroy = table_close,
    .can_ask = table_can_ask,
    .ask = table_ask,
    .take = table_take,
    .changed = table_changed,
    .wait = table_wait,
    .trouble = table_trouble,
};
