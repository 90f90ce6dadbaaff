/* item: one event inside the resolver, and what is made of it for each sink (core: no I/O).
 *
 * A sink may have several things to do for one event, one after another: first what stands under
 * tenants that the call was taken from is removed, one by one, then the event is written.
 *
 * Thread rule: one thread. */
#ifndef POSTCALL_TENANT_RESOLVER_ITEM_H
#define POSTCALL_TENANT_RESOLVER_ITEM_H

#include "common/base/event_time.h"
#include "common/link/worker.h"
#include "tenant-resolver/agents.h"
#include "tenant-resolver/object_key.h"
#include "tenant-resolver/record.h"

#define ITEM_SINKS_MAX 8

typedef enum { ITEM_LOGGER, ITEM_RECORDER, ITEM_RESOURCES_SINK } item_sink_t;

/* Its name is a sink of proto/routes.h. */
extern const char *const item_sinks[];

/* A tenant, and where the objects of the call are under it. */
typedef struct {
    char business_id[AGENTS_TENANT_ID_BYTES_MAX + 1];
    char location_id[AGENTS_TENANT_ID_BYTES_MAX + 1];
    char transcript_key[OBJECT_KEY_BYTES];
    char recording_key[OBJECT_KEY_BYTES];
} item_tenant_t;

/* A tenant under which the call is to be removed. */
typedef struct {
    item_tenant_t tenant;
    record_t record; /* that takes the call's back; made when all tenants are known */
} item_former_t;

typedef struct item_t {
    uint64_t id;
    worker_event_t *upstream; /* the event and its leases */
    agents_waiter_t waiter;
    bool orphan; /* its source has restarted since */
    bool awaits_go;
    int64_t awaits_since_ms;
    struct item_t *twin;                 /* the same event, given twice: both wait for one `go` */
    struct item_t *next[ITEM_SINKS_MAX]; /* in the queues of the sinks */
    uint32_t queued; /* bit per sink: waits for a worker; else it is out, or done with */

    bool resolved;
    item_tenant_t tenant;
    bool record_calls;
    item_former_t *former;
    size_t former_count;
    uint8_t step[ITEM_SINKS_MAX]; /* what each sink does: below former_count it removes */

    char version[EVENT_VERSION_BYTES];
    record_t record; /* made when the tenant is known */
} item_t;

item_t *item_new(uint64_t id, worker_event_t *upstream);
/* Not the upstream event: that goes with its last outcome. */
void item_destroy(item_t **self_p);

/* Takes the tenant over; 0, or -1 when keys cannot be made of its ids (an invalid tenant). */
int item_set_tenant(item_t *self, const agent_verdict_t *verdict, const char *recordings_prefix,
                    fault_t *fault);
/* Takes over what was recorded; 0, or -1 when it is longer than a tenant's ids or keys can be.  The
 * upstream event has the tenant from then on too, as if it had come with it: in views into the
 * item, which goes after it. */
int item_set_recorded(item_t *self, const message_tenant_t *tenant, bool record_calls);
/* Whether the tenant that was found is the one that the event came with. */
bool item_is_recorded(const item_t *self);
/* Takes over the tenants to remove it from, but for the one that it has unless it is a deletion;
 * after item_set_recorded.  0, or -1 when one is too long or memory is out. */
int item_set_former(item_t *self, const wire_list_t *former);
/* The tenant that came with an event. */
message_tenant_t item_tenant_of(const message_event_t *event);

/* Makes records and version; afterwards item_for_sink may be asked. */
record_status_t item_make(item_t *self, json_reader_t *reader, const record_rules_t *rules,
                          fault_t *fault);

/* What a sink is to have of it in its present step. */
typedef struct {
    bool wanted;
    const char *done_reason; /* when not wanted: why the sink is done with it */
    message_event_t message; /* when wanted: all but the lease; views into the item */
    bool with_body;
} item_share_t;
void item_for_sink(const item_t *self, size_t sink, item_share_t *share);
/* Takes the sink to its next step; false when there is none. */
bool item_next_step(item_t *self, size_t sink);

#endif
