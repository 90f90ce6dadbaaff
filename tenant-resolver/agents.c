#include "tenant-resolver/agents.h"

#include "proto/routes.h"

#include <czmq.h>
#include <stdlib.h>
#include <string.h>

typedef struct agent_t {
    char *agent_id;
    agent_verdict_t verdict; /* the last answer of the directory; AGENT_ASKED before the first */
    int64_t answered_ms;
    int64_t asked_ms;      /* when the question was put that it answers */
    int64_t asking_ms;     /* as asked_ms, of the question that is being asked */
    int64_t not_before_ms; /* of the next question, after the directory was unavailable */
    bool asking;
    agents_waiter_t *first, *last;
    struct agent_t *newer, *older; /* by when it was looked at */
} agent_t;

struct agents_t {
    agents_options_t options;
    zhashx_t *agents;
    agent_t *newest, *oldest;
    agents_figures_t figures;
    int64_t forgotten_ms; /* answers to questions from before are not fresh */
};

static const agent_verdict_t unavailable = {.state = AGENT_UNAVAILABLE};

static void destroy_agent(void **item)
{
    agent_t *agent = *item;
    free(agent->agent_id);
    free(agent);
    *item = NULL;
}

agents_t *agents_new(const agents_options_t *options, fault_t *fault)
{
    agents_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    self->options = *options;
    self->forgotten_ms = INT64_MIN;
    self->agents = zhashx_new();
    zhashx_set_destructor(self->agents, destroy_agent);
    return self;
}

void agents_destroy(agents_t **self_p)
{
    agents_t *self = *self_p;
    if (!self)
        return;
    zhashx_destroy(&self->agents);
    free(self);
    *self_p = NULL;
}

static void unlink_agent(agents_t *self, agent_t *agent)
{
    if (agent->newer)
        agent->newer->older = agent->older;
    else
        self->newest = agent->older;
    if (agent->older)
        agent->older->newer = agent->newer;
    else
        self->oldest = agent->newer;
    agent->newer = agent->older = NULL;
}

static void link_newest(agents_t *self, agent_t *agent)
{
    agent->older = self->newest;
    if (self->newest)
        self->newest->newer = agent;
    else
        self->oldest = agent;
    self->newest = agent;
}

/* Makes room for one more; those that are being asked about stay, as many as there are. */
static void evict(agents_t *self)
{
    agent_t *agent = self->oldest;
    while (agent && zhashx_size(self->agents) >= self->options.entries_max) {
        agent_t *newer = agent->newer;
        if (!agent->asking) {
            unlink_agent(self, agent);
            zhashx_delete(self->agents, agent->agent_id);
            self->figures.evicted++;
        }
        agent = newer;
    }
}

static agent_t *agent_new(agents_t *self, const char *agent_id)
{
    evict(self); /* before it is there: it is not being asked about yet */
    agent_t *agent = calloc(1, sizeof(*agent));
    if (!agent)
        return NULL;
    agent->agent_id = strdup(agent_id);
    if (!agent->agent_id || zhashx_insert(self->agents, agent_id, agent) != 0) {
        free(agent->agent_id);
        free(agent);
        return NULL;
    }
    agent->not_before_ms = INT64_MIN;
    link_newest(self, agent);
    return agent;
}

/* No item can name any other: the cache's keys are C strings, and so is what is typed into an item.
 */
static bool is_agent_id(wire_view_t agent_id)
{
    return agent_id.length > 0 && !memchr(agent_id.bytes, '\0', agent_id.length);
}

/* The agent's entry, made the newest; NULL when there is none and `make` is false, or no memory. */
static agent_t *find(agents_t *self, wire_view_t agent_id, bool make)
{
    char *text = strndup(agent_id.bytes, agent_id.length);
    if (!text)
        return NULL;
    agent_t *agent = zhashx_lookup(self->agents, text);
    if (agent) {
        unlink_agent(self, agent);
        link_newest(self, agent);
    } else if (make) {
        agent = agent_new(self, text);
    }
    free(text);
    return agent;
}

static bool is_fresh(const agents_t *self, const agent_t *agent, int64_t since_ms, int64_t now_ms)
{
    if (since_ms > 0)
        return agent->verdict.state != AGENT_ASKED && !agent->verdict.dated &&
               agent->asked_ms >= since_ms;
    int64_t ttl_ms =
        agent->verdict.state == AGENT_TENANT ? self->options.ttl_ms : self->options.negative_ttl_ms;
    return agent->verdict.state != AGENT_ASKED && agent->asked_ms >= self->forgotten_ms &&
           now_ms - agent->answered_ms < ttl_ms;
}

/* What to believe when the directory does not answer. */
static const agent_verdict_t *last_known(agents_t *self, const agent_t *agent, int64_t now_ms)
{
    if (agent->verdict.state != AGENT_TENANT ||
        now_ms - agent->answered_ms >= self->options.max_stale_ms)
        return &unavailable;
    self->figures.stale_served++;
    return &agent->verdict;
}

const agent_verdict_t *agents_look(agents_t *self, wire_view_t agent_id, int64_t now_ms,
                                   agents_waiter_t *waiter, bool *ask)
{
    static const agent_verdict_t asked = {.state = AGENT_ASKED}, unknown = {.state = AGENT_UNKNOWN};
    *ask = false;
    if (!is_agent_id(agent_id))
        return &unknown;
    agent_t *agent = find(self, agent_id, true);
    if (!agent)
        return &unavailable;
    if (is_fresh(self, agent, waiter->since_ms, now_ms)) {
        self->figures.hits++;
        return &agent->verdict;
    }
    if (!agent->asking && now_ms < agent->not_before_ms)
        return waiter->since_ms > 0 ? &unavailable : last_known(self, agent, now_ms);
    *ask = !agent->asking;
    if (*ask) {
        self->figures.misses++;
        agent->asking_ms = now_ms;
    }
    agent->asking = true;
    waiter->next = NULL;
    if (agent->last)
        agent->last->next = waiter;
    else
        agent->first = waiter;
    agent->last = waiter;
    return &asked;
}

const agent_verdict_t *agents_answer(agents_t *self, wire_view_t agent_id,
                                     const agent_verdict_t *answer, int64_t now_ms,
                                     agents_waiter_t **waiters)
{
    agent_t *agent = is_agent_id(agent_id) ? find(self, agent_id, false) : NULL;
    *waiters = NULL;
    if (!agent || !agent->asking)
        return &unavailable; /* never asked */
    *waiters = agent->first;
    agent->first = agent->last = NULL;
    agent->asking = false;
    if (answer->state == AGENT_UNAVAILABLE) {
        agent->not_before_ms = now_ms + self->options.retry_ms;
        return last_known(self, agent, now_ms);
    }
    agent->verdict = *answer;
    agent->answered_ms = now_ms;
    agent->asked_ms = agent->asking_ms;
    agent->not_before_ms = INT64_MIN;
    return &agent->verdict;
}

void agents_forget(agents_t *self, int64_t now_ms)
{
    self->forgotten_ms = now_ms;
}

static bool is_tenant_id(wire_view_t id)
{
    if (id.length == 0 || id.length > AGENTS_TENANT_ID_BYTES_MAX)
        return false;
    for (size_t i = 0; i < id.length; i++) {
        unsigned char byte = (unsigned char)id.bytes[i];
        if (byte < 0x20 || byte == 0x7f || byte == ':')
            return false;
    }
    return true;
}

void agents_decide(const agent_item_t *items, size_t count, agent_verdict_t *verdict)
{
    const agent_item_t *enabled = NULL;
    *verdict = (agent_verdict_t){.state = count == 0 ? AGENT_UNKNOWN : AGENT_DISABLED};
    for (size_t i = 0; i < count; i++) {
        if (!items[i].enabled)
            continue;
        verdict->state = enabled ? AGENT_AMBIGUOUS : AGENT_TENANT;
        enabled = &items[i];
        if (verdict->state == AGENT_AMBIGUOUS)
            return;
    }
    if (!enabled)
        return;
    if (!is_tenant_id(enabled->business_id) || !is_tenant_id(enabled->location_id)) {
        verdict->state = AGENT_INVALID;
        return;
    }
    memcpy(verdict->business_id, enabled->business_id.bytes, enabled->business_id.length);
    memcpy(verdict->location_id, enabled->location_id.bytes, enabled->location_id.length);
    verdict->record_calls = enabled->record_calls;
}

void agents_figures(const agents_t *self, agents_figures_t *figures)
{
    *figures = self->figures;
    figures->entries = zhashx_size(self->agents);
}

void agents_named(wire_view_t kind, wire_view_t key, agent_verdict_t *verdict)
{
    *verdict = (agent_verdict_t){.state = AGENT_UNKNOWN, .record_calls = true};
    if (!wire_equals(kind, TENANT_KEY_TENANT))
        return;
    const char *colon = key.length > 0 ? memchr(key.bytes, ':', key.length) : NULL;
    wire_view_t business_id = {key.bytes, colon ? (size_t)(colon - key.bytes) : 0};
    wire_view_t location_id = {colon ? colon + 1 : key.bytes,
                               colon ? key.length - business_id.length - 1 : 0};
    verdict->state = AGENT_INVALID;
    if (!is_tenant_id(business_id) || !is_tenant_id(location_id))
        return;
    verdict->state = AGENT_TENANT;
    memcpy(verdict->business_id, business_id.bytes, business_id.length);
    memcpy(verdict->location_id, location_id.bytes, location_id.length);
}
