#include "tools/replay/replayed.h"

#include "common/base/offload.h"
#include "common/journal/slot_requests.h"
#include "tools/replay/tell_slot.h"
#include "tools/replay/tenant_log.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    tenant_log_t *log; /* NULL until somebody asks for it */
    bool dirty;
    tell_slot_t told; /* reassignments that who has the slot is yet to know */
} kept_t;

/* One sync of every log that is dirty. */
typedef struct {
    const capture_t *capture;
    tenant_log_t **logs;
    tell_slot_t *told; /* for each slot */
    size_t count;
    uint64_t upto; /* what is durable then */
    bool failed;
    fault_t fault;
} sync_t;

struct replayed_t {
    const capture_t *capture;
    const char *loose_log;
    kept_t *kept; /* of each slot; all loose ones share that of the first of them */
    offload_t *offload;
    sync_t sync;
    bool syncing; /* `sync` is the offload's */
    bool failed;
    uint64_t added, durable;
};

static void run_sync(void *context, void *job)
{
    sync_t *sync = job;
    (void)context;
    for (size_t i = 0; i < sync->count; i++)
        sync->failed = tenant_log_sync(sync->logs[i]) != 0 || sync->failed;
    for (size_t i = 0; i < sync->capture->count; i++) {
        if (!sync->failed && sync->told[i].count > 0)
            sync->failed =
                tell_slot_now(&sync->told[i], &sync->capture->slots[i], &sync->fault) != 0;
        tell_slot_free(&sync->told[i]);
    }
}

replayed_t *replayed_new(const capture_t *capture, const char *loose_log, fault_t *fault)
{
    replayed_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    self->capture = capture;
    self->loose_log = loose_log;
    self->kept = calloc(capture->count, sizeof(*self->kept));
    self->sync.logs = calloc(capture->count, sizeof(*self->sync.logs));
    self->sync.told = calloc(capture->count, sizeof(*self->sync.told));
    self->sync.capture = capture;
    self->offload = offload_new(1, run_sync, NULL, fault);
    bool complete = self->kept && self->sync.logs && self->sync.told;
    if (!complete)
        fault_set(fault, "out of memory");
    if (!complete || !self->offload)
        replayed_destroy(&self);
    return self;
}

void replayed_destroy(replayed_t **self_p)
{
    replayed_t *self = *self_p;
    if (!self)
        return;
    offload_destroy(&self->offload); /* what is being synced is finished first */
    for (size_t i = 0; self->kept && i < self->capture->count; i++) {
        tenant_log_close(&self->kept[i].log);
        tell_slot_free(&self->kept[i].told);
        if (self->sync.told)
            tell_slot_free(&self->sync.told[i]);
    }
    free(self->sync.told);
    free(self->kept);
    free(self->sync.logs);
    free(self);
    *self_p = NULL;
}

/* The slot whose log is that of `slot`: all loose ones share one. */
static size_t keeper_of(const replayed_t *self, size_t slot)
{
    const capture_slot_t *slots = self->capture->slots;
    if (slots[slot].directory >= 0)
        return slot;
    for (slot = 0; slots[slot].directory >= 0;)
        slot++;
    return slot;
}

/* Opens the log of a slot.  1: kept->log is it; 0: there is none; -1. */
static int open_log(const replayed_t *self, size_t slot, kept_t *kept, fault_t *fault)
{
    char path[PATH_MAX];
    const capture_slot_t *of = &self->capture->slots[slot];
    if (kept->log)
        return 1;
    if (of->directory < 0 && !self->loose_log)
        return 0;
    int length = of->directory < 0
                     ? snprintf(path, sizeof(path), "%s", self->loose_log)
                     : snprintf(path, sizeof(path), "%s/" SLOT_REPLAYED_FILE, of->slot_path);
    if (length >= (int)sizeof(path))
        return fault_set(fault, "a path is too long");
    kept->log = tenant_log_open(path, fault);
    return kept->log ? 1 : -1;
}

int replayed_find(replayed_t *self, size_t slot, const disk_event_t *event,
                  disk_resolution_t *resolution, fault_t *fault)
{
    kept_t *kept = &self->kept[keeper_of(self, slot)];
    int found = open_log(self, slot, kept, fault);
    if (found != 1)
        return found;
    return tenant_log_find(kept->log, event->provider, event->conversation_id, resolution);
}

int replayed_add(replayed_t *self, size_t slot, const disk_resolution_t *resolution, fault_t *fault)
{
    kept_t *kept = &self->kept[keeper_of(self, slot)];
    int found = open_log(self, slot, kept, fault);
    if (found == 0)
        return fault_set(fault, "there is no place to keep whose a call is");
    if (found != 1)
        return -1;
    bool tells = resolution->former.count > 0 && self->capture->slots[slot].directory >= 0;
    /* First, for its views may be of the log, which is read anew before it is written. */
    if (tells && tell_slot_add(&kept->told, resolution) != 0)
        return fault_set(fault, "out of memory");
    if (tenant_log_add(kept->log, resolution, fault) != 0)
        return -1;
    kept->dirty = true;
    self->added++;
    return 0;
}

uint64_t replayed_added(const replayed_t *self)
{
    return self->added;
}

uint64_t replayed_durable(const replayed_t *self)
{
    return self->durable;
}

static int begin_sync(replayed_t *self)
{
    self->sync.count = 0;
    for (size_t i = 0; i < self->capture->count; i++) {
        if (!self->kept[i].dirty)
            continue;
        self->sync.told[i] = self->kept[i].told;
        self->kept[i].told = (tell_slot_t){0};
        self->sync.logs[self->sync.count++] = self->kept[i].log;
        self->kept[i].dirty = false;
    }
    self->sync.upto = self->added;
    return offload_put(self->offload, &self->sync);
}

int replayed_turn(replayed_t *self, fault_t *fault)
{
    if (self->syncing && offload_take(self->offload)) {
        self->syncing = false;
        self->failed = self->sync.failed;
        if (!self->failed)
            self->durable = self->sync.upto;
    }
    if (self->failed)
        return self->sync.fault.text[0]
                   ? fault_set(fault, "%s", self->sync.fault.text)
                   : fault_set(fault, "what a resolver said cannot be kept on disk");
    if (!self->syncing && self->durable < self->added) {
        if (begin_sync(self) != 0)
            return fault_set(fault, "out of memory");
        self->syncing = true;
    }
    return 0;
}

int replayed_fd(const replayed_t *self)
{
    return offload_fd(self->offload);
}
