#include "tenant-resolver/dynamodb.h"

#include <stdlib.h>
#include <string.h>

#include "common/aws/aws.h"
#include "common/base/clock.h"
#include "tenant-resolver/dynamodb_question.h"
#include "tenant-resolver/dynamodb_text.h"

/* The scan for all who need one. */
typedef struct {
    bool is_running;
    int64_t deadline_ms;
    buffer_t body;
    buffer_t start_key;
    unsigned pages;
} scan_t;

struct dynamodb {
    dynamodb_options_t options;
    char *table;
    char *index;
    aws_t *aws;
    json_reader_t *json;
    dynamodb_question_t *questions; /* a list, oldest first */
    dynamodb_question_t **questions_end;
    size_t in_flight;
    size_t done;
    scan_t scan;
    int64_t no_index_until_ms;
    fault_t advice;
    fault_t trouble;
};

static dynamodb_options_t with_defaults(const dynamodb_options_t *given)
{
    dynamodb_options_t options = *given;
    if (!options.index)
        options.index = DYNAMODB_INDEX;
    if (options.in_flight_max == 0)
        options.in_flight_max = DYNAMODB_IN_FLIGHT;
    if (options.request_timeout_ms == 0)
        options.request_timeout_ms = DYNAMODB_REQUEST_TIMEOUT_MS;
    if (options.deadline_ms == 0)
        options.deadline_ms = DYNAMODB_DEADLINE_MS;
    if (options.scan_deadline_ms == 0)
        options.scan_deadline_ms = DYNAMODB_SCAN_DEADLINE_MS;
    if (options.index_retry_ms == 0)
        options.index_retry_ms = DYNAMODB_INDEX_RETRY_MS;
    return options;
}

static int fill(dynamodb_t *self, fault_t *fault)
{
    const aws_options_t aws = {.service = "dynamodb",
                               .settings = self->options.aws,
                               .max_in_flight = self->options.in_flight_max + 1};
    self->aws = aws_new(&aws, fault);
    if (!self->aws)
        return -1;
    self->table = strdup(self->options.table);
    self->index = strdup(self->options.index);
    self->json = json_reader_new();
    if (!self->table || !self->index || !self->json)
        return fault_set(fault, "out of memory");
    return 0;
}

dynamodb_t *dynamodb_new(const dynamodb_options_t *options, fault_t *fault)
{
    dynamodb_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    self->options = with_defaults(options);
    self->questions_end = &self->questions;
    if (fill(self, fault) != 0)
        dynamodb_destroy(&self);
    return self;
}

void dynamodb_destroy(dynamodb_t **self_p)
{
    dynamodb_t *self = *self_p;
    if (!self)
        return;
    aws_destroy(&self->aws);
    while (self->questions) {
        dynamodb_question_t *question = self->questions;
        self->questions = question->next;
        dynamodb_question_destroy(&question);
    }
    buffer_free(&self->scan.body);
    buffer_free(&self->scan.start_key);
    json_reader_destroy(&self->json);
    free(self->table);
    free(self->index);
    free(self);
    *self_p = NULL;
}

static bool is_in_flight(const dynamodb_question_t *question)
{
    return question->state == QUESTION_QUERIES || question->state == QUESTION_READS;
}

static void set_state(dynamodb_t *self, dynamodb_question_t *question,
                      dynamodb_question_state_t state)
{
    self->in_flight -= is_in_flight(question);
    question->state = state;
    self->in_flight += is_in_flight(question);
    self->done += state == QUESTION_DONE;
}

static void end_question(dynamodb_t *self, dynamodb_question_t *question)
{
    question->is_available = true;
    self->trouble.text[0] = '\0';
    set_state(self, question, QUESTION_DONE);
}

static void fail_question(dynamodb_t *self, dynamodb_question_t *question, const fault_t *reason)
{
    question->reason = *reason;
    self->trouble = *reason;
    set_state(self, question, QUESTION_DONE);
}

int dynamodb_ask(dynamodb_t *self, wire_view_t agent_id, fault_t *fault)
{
    int64_t deadline_ms = clock_now_ms() + self->options.deadline_ms;
    dynamodb_question_t *question = dynamodb_question_new(agent_id, deadline_ms);
    if (!question)
        return fault_set(fault, "out of memory");
    *self->questions_end = question;
    self->questions_end = &question->next;
    return 0;
}

/* One request to DynamoDB.  All borrowed until it has ended. */
typedef struct {
    const char *target;
    const buffer_t *body;
    int64_t deadline_ms;
    void *tag;
} call_t;

static int submit(dynamodb_t *self, const call_t *call, fault_t *fault)
{
    const http_header_t headers[] = {{"Content-Type", DYNAMODB_CONTENT_TYPE},
                                     {"X-Amz-Target", call->target}};
    const aws_request_t request = {.method = "POST",
                                   .path = "/",
                                   .headers = headers,
                                   .header_count = 2,
                                   .body = call->body->bytes,
                                   .body_bytes = call->body->length,
                                   .attempt_timeout_ms = self->options.request_timeout_ms,
                                   .deadline_ms = call->deadline_ms - clock_now_ms(),
                                   .max_response_bytes = DYNAMODB_ANSWER_BYTES,
                                   .tag = call->tag};
    if (request.deadline_ms <= 0)
        return fault_set(fault, "DynamoDB takes too long");
    return aws_submit(self->aws, &request, fault);
}

static void send_query(dynamodb_t *self, dynamodb_question_t *question)
{
    fault_t fault = {"out of memory"};
    const call_t call = {DYNAMODB_QUERY, &question->body, question->deadline_ms, question};
    set_state(self, question, QUESTION_QUERIES);
    if (dynamodb_write_query(&question->body, self->table, self->index, question->agent_id,
                             &question->start_key) != 0 ||
        submit(self, &call, &fault) != 0)
        fail_question(self, question, &fault);
}
/* Reads the next item that was found, or ends the question when all were read. */
static void send_read(dynamodb_t *self, dynamodb_question_t *question)
{
    fault_t fault = {"out of memory"};
    const call_t call = {DYNAMODB_GET_ITEM, &question->body, question->deadline_ms, question};
    set_state(self, question, QUESTION_READS);
    while (question->read < question->count) {
        const tenant_item_t *item = &question->items[question->read];
        if (*item->business_id && *item->location_id)
            break;
        /* No key to read it by, and no tenant either: whoever judges it has to see it. */
        question->items[question->kept++] = question->items[question->read++];
    }
    if (question->read == question->count) {
        question->count = question->kept;
        end_question(self, question);
        return;
    }
    const tenant_item_t *item = &question->items[question->read];
    if (dynamodb_write_get(&question->body, self->table, item->business_id, item->location_id) ||
        submit(self, &call, &fault))
        fail_question(self, question, &fault);
}

static int take_query_page(dynamodb_t *self, dynamodb_question_t *question, const buffer_t *body,
                           fault_t *fault)
{
    dynamodb_page_t page;
    if (dynamodb_read_page(self->json, body, &page, fault) != 0)
        return -1;
    json_value_t value;
    tenant_item_t item;
    json_cursor_t cursor = json_entries(&page.items);
    while (json_array_next(&cursor, &value)) {
        if (tenant_item_read_attributes(&value, &item) == 0 &&
            dynamodb_question_add(question, &item, fault) != 0)
            return -1;
    }
    return dynamodb_turn_page(&question->start_key, &question->pages, &page, fault);
}

static void end_query(dynamodb_t *self, dynamodb_question_t *question, const buffer_t *body)
{
    fault_t fault;
    int more = take_query_page(self, question, body, &fault);
    if (more < 0)
        fail_question(self, question, &fault);
    else if (more > 0)
        send_query(self, question);
    else
        send_read(self, question);
    self->advice.text[0] = '\0';
}

/* Keeps the item that was read if it still names the agent. */
static void end_read(dynamodb_t *self, dynamodb_question_t *question, const buffer_t *body)
{
    fault_t fault;
    json_value_t value;
    tenant_item_t item;
    if (dynamodb_read_item(self->json, body, &value, &fault) != 0) {
        fail_question(self, question, &fault);
        return;
    }
    question->read++;
    if (tenant_item_read_attributes(&value, &item) == 0 &&
        strcmp(item.agent_id, question->agent_id) == 0)
        question->items[question->kept++] = item;
    send_read(self, question);
}

/* Whether the refusal of a query means that the index is not there (or still being filled). */
static bool lacks_index(const dynamodb_t *self, const dynamodb_question_t *question,
                        const aws_result_t *result)
{
    return question->state == QUESTION_QUERIES && result->class == AWS_CLASS_REJECTED &&
           strcmp(result->error.code, "ValidationException") == 0 &&
           strstr(result->error.message, self->index);
}

static void need_scan(dynamodb_t *self, dynamodb_question_t *question)
{
    self->no_index_until_ms = clock_now_ms() + self->options.index_retry_ms;
    fault_set(&self->advice,
              "table %.60s has no index %.60s and is scanned as a whole: create a global secondary "
              "index of this name with partition key agentId (String)",
              self->table, self->index);
    set_state(self, question, QUESTION_NEEDS_SCAN);
}

static void set_refusal(const dynamodb_t *self, const aws_result_t *result, fault_t *fault)
{
    fault_set(fault, "DynamoDB table %.60s: %s%s%s", self->table, result->error.code,
              *result->error.message ? ": " : "", result->error.message);
}

static void end_request(dynamodb_t *self, dynamodb_question_t *question, const aws_result_t *result)
{
    fault_t fault;
    if (result->class != AWS_CLASS_OK && lacks_index(self, question, result)) {
        need_scan(self, question);
    } else if (result->class != AWS_CLASS_OK) {
        set_refusal(self, result, &fault);
        fail_question(self, question, &fault);
    } else if (question->state == QUESTION_QUERIES) {
        end_query(self, question, &result->response.body);
    } else {
        end_read(self, question, &result->response.body);
    }
}

/* Ends the scan for all it was made for; with a reason when it failed. */
static void end_scan(dynamodb_t *self, const fault_t *reason)
{
    self->scan.is_running = false;
    buffer_clear(&self->scan.start_key);
    for (dynamodb_question_t *at = self->questions; at; at = at->next) {
        if (at->state != QUESTION_IS_SCANNED)
            continue;
        if (reason)
            fail_question(self, at, reason);
        else
            end_question(self, at);
    }
}

static void send_scan(dynamodb_t *self)
{
    scan_t *scan = &self->scan;
    fault_t fault = {"out of memory"};
    const call_t call = {DYNAMODB_SCAN, &scan->body, scan->deadline_ms, scan};
    if (dynamodb_write_scan(&scan->body, self->table, &scan->start_key) != 0 ||
        submit(self, &call, &fault) != 0)
        end_scan(self, &fault);
}

/* Starts a scan for all who need one now.  Who comes later might be on a page already read. */
static void start_scan(dynamodb_t *self)
{
    size_t count = 0;
    for (dynamodb_question_t *at = self->questions; at; at = at->next) {
        if (at->state == QUESTION_NEEDS_SCAN) {
            set_state(self, at, QUESTION_IS_SCANNED);
            count++;
        }
    }
    if (count == 0)
        return;
    self->scan.is_running = true;
    self->scan.pages = 0;
    self->scan.deadline_ms = clock_now_ms() + self->options.scan_deadline_ms;
    send_scan(self);
}

/* Gives an item of the scan to the question that it answers. */
static void give_item(dynamodb_t *self, const tenant_item_t *item)
{
    for (dynamodb_question_t *at = self->questions; at; at = at->next) {
        fault_t fault;
        if (at->state == QUESTION_IS_SCANNED && strcmp(at->agent_id, item->agent_id) == 0 &&
            dynamodb_question_add(at, item, &fault) != 0)
            fail_question(self, at, &fault);
    }
}

static int take_scan_page(dynamodb_t *self, const buffer_t *body, fault_t *fault)
{
    dynamodb_page_t page;
    if (dynamodb_read_page(self->json, body, &page, fault) != 0)
        return -1;
    json_value_t value;
    tenant_item_t item;
    json_cursor_t cursor = json_entries(&page.items);
    while (json_array_next(&cursor, &value)) {
        if (tenant_item_read_attributes(&value, &item) == 0)
            give_item(self, &item);
    }
    return dynamodb_turn_page(&self->scan.start_key, &self->scan.pages, &page, fault);
}

static void end_scan_request(dynamodb_t *self, const aws_result_t *result)
{
    fault_t fault;
    int more = -1;
    if (result->class == AWS_CLASS_OK)
        more = take_scan_page(self, &result->response.body, &fault);
    else
        set_refusal(self, result, &fault);
    if (more > 0)
        send_scan(self);
    else
        end_scan(self, more < 0 ? &fault : NULL);
}

/* Starts a question whose turn has come. */
static void start_question(dynamodb_t *self, dynamodb_question_t *question)
{
    if (!dynamodb_question_is_askable(question))
        end_question(self, question);
    else if (clock_now_ms() < self->no_index_until_ms)
        set_state(self, question, QUESTION_NEEDS_SCAN);
    else
        send_query(self, question);
}

static void start_waiting(dynamodb_t *self)
{
    for (dynamodb_question_t *at = self->questions; at; at = at->next) {
        if (self->in_flight == self->options.in_flight_max)
            break;
        if (at->state == QUESTION_WAITS)
            start_question(self, at);
    }
    if (!self->scan.is_running)
        start_scan(self);
}

void dynamodb_perform(dynamodb_t *self)
{
    aws_result_t result;
    aws_perform(self->aws);
    while (aws_take(self->aws, &result)) {
        if (result.tag == &self->scan)
            end_scan_request(self, &result);
        else
            end_request(self, result.tag, &result);
        aws_result_free(&result);
    }
    start_waiting(self);
    aws_perform(self->aws);
}

int dynamodb_take(dynamodb_t *self, dynamodb_answer_t *answer)
{
    if (self->done == 0)
        return 0;
    dynamodb_question_t **at = &self->questions;
    while ((*at)->state != QUESTION_DONE)
        at = &(*at)->next;
    dynamodb_question_t *question = *at;
    *at = question->next;
    if (!*at)
        self->questions_end = at;
    self->done--;
    *answer = (dynamodb_answer_t){.agent_id = question->agent_id,
                                  .agent_id_bytes = question->agent_id_bytes,
                                  .is_available = question->is_available,
                                  .items = question->items,
                                  .count = question->is_available ? question->count : 0,
                                  .reason = question->reason};
    question->agent_id = NULL;
    question->items = NULL;
    dynamodb_question_destroy(&question);
    return 1;
}

void dynamodb_answer_free(dynamodb_answer_t *answer)
{
    free(answer->agent_id);
    free(answer->items);
    *answer = (dynamodb_answer_t){0};
}

void dynamodb_wait(dynamodb_t *self, struct pollfd *extra, size_t count, int timeout_ms)
{
    aws_wait(self->aws, extra, count, self->done ? 0 : timeout_ms);
}

const char *dynamodb_advice(const dynamodb_t *self)
{
    return self->advice.text;
}

const char *dynamodb_trouble(const dynamodb_t *self)
{
    return self->trouble.text;
}

const char *dynamodb_key_source(const dynamodb_t *self)
{
    return aws_key_source(self->aws);
}
