/* agents: what is known of each agent id, for how long it may be believed, and who waits for more.
 *
 * A cache (core: no I/O).  It says when to ask the directory, one question per agent however many
 * events wait, and what to believe while the directory is down.  It is bounded: the agent that was
 * looked at longest ago is forgotten first.
 *
 * Thread rule: one thread. */
#ifndef POSTCALL_TENANT_RESOLVER_AGENTS_H
#define POSTCALL_TENANT_RESOLVER_AGENTS_H

#include "common/base/fault.h"
#include "proto/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longer business or location ids are an invalid_tenant. */
#define AGENTS_TENANT_ID_BYTES_MAX 256

typedef enum {
    AGENT_ASKED,      /* the answer is awaited */
    AGENT_TENANT,     /* it is this tenant's */
    AGENT_UNKNOWN,    /* no item names it (yet) */
    AGENT_AMBIGUOUS,  /* two enabled items name it */
    AGENT_DISABLED,   /* only disabled items name it */
    AGENT_INVALID,    /* its item's ids cannot be a tenant's */
    AGENT_UNAVAILABLE /* the directory cannot be asked, and nothing recent enough is known */
} agent_state_t;

typedef struct {
    agent_state_t state;
    char business_id[AGENTS_TENANT_ID_BYTES_MAX + 1]; /* of AGENT_TENANT, as the rest */
    char location_id[AGENTS_TENANT_ID_BYTES_MAX + 1];
    bool record_calls;
    bool dated; /* of an earlier version of the directory, since today's cannot be read */
} agent_verdict_t;

typedef struct {
    int64_t ttl_ms;          /* AGENT_CACHE_TTL_SECONDS */
    int64_t negative_ttl_ms; /* of everything but AGENT_TENANT */
    int64_t max_stale_ms;    /* AGENT_CACHE_MAX_STALE_SECONDS: while the directory is down */
    int64_t retry_ms;        /* an unavailable directory is not asked again before this */
    size_t entries_max;
} agents_options_t;

typedef struct agents_t agents_t;

agents_t *agents_new(const agents_options_t *options, fault_t *fault);
void agents_destroy(agents_t **self_p);

/* A thing that waits for an answer; embedded in the caller's object. */
typedef struct agents_waiter_t {
    int64_t since_ms; /* only what the directory was asked for since then will do; 0: any answer */
    struct agents_waiter_t *next;
} agents_waiter_t;

/* What is known of an agent now; an id that is empty or holds a NUL is AGENT_UNKNOWN.  With
 * AGENT_ASKED the waiter is queued, and *ask says whether the caller is to put the question
 * (someone else may have: a waiter with a `since_ms` looks again when it is answered).  The verdict
 * is valid until the next call.  Never NULL: when memory runs out it is AGENT_UNAVAILABLE. */
const agent_verdict_t *agents_look(agents_t *self, wire_view_t agent_id, int64_t now_ms,
                                   agents_waiter_t *waiter, bool *ask);

/* The directory's answer (state AGENT_UNAVAILABLE: it could not be had).  Returns the verdict that
 * counts now, which is an older one when that may still be believed, and moves those who waited
 * into *waiters. */
const agent_verdict_t *agents_answer(agents_t *self, wire_view_t agent_id,
                                     const agent_verdict_t *answer, int64_t now_ms,
                                     agents_waiter_t **waiters);

/* Everything that was known is looked up again: the directory has changed.  So is what is being
 * asked now: its answer may be from before. */
void agents_forget(agents_t *self, int64_t now_ms);

/* One item of the directory that names an agent. */
typedef struct {
    wire_view_t business_id;
    wire_view_t location_id;
    bool enabled;
    bool record_calls;
} agent_item_t;

/* Makes a verdict of all the items that name an agent. */
void agents_decide(const agent_item_t *items, size_t count, agent_verdict_t *verdict);

typedef struct {
    uint64_t entries, hits, misses, stale_served, evicted;
} agents_figures_t;
void agents_figures(const agents_t *self, agents_figures_t *figures);

/* The verdict for a tenant key that names the tenant itself (TENANT_KEY_TENANT), which no directory
 * is asked for: recordings are allowed.  AGENT_INVALID when its ids cannot be a tenant's;
 * AGENT_UNKNOWN for a kind of key that is not known here. */
void agents_named(wire_view_t kind, wire_view_t key, agent_verdict_t *verdict);

#endif
