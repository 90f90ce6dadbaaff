/* tenant_log: a file with the resolutions that replays were told, beside the outcome log, which
 * only the ingress writes.
 *
 * An outcome file that holds resolutions alone, of any segment (proto/JOURNAL.md).  For one
 * conversation the last counts.  It is made when there is something to keep, and a process that
 * writes it has its lock, so that two replays do not give one call to two tenants.
 *
 * One owner, one thread; tenant_log_sync from any. */
#ifndef POSTCALL_TOOLS_REPLAY_TENANT_LOG_H
#define POSTCALL_TOOLS_REPLAY_TENANT_LOG_H

#include "common/base/fault.h"
#include "proto/disk.h"

typedef struct tenant_log_t tenant_log_t;

/* Reads the file `path`, which may be missing.  NULL when it cannot be read, or memory is out. */
tenant_log_t *tenant_log_open(const char *path, fault_t *fault);
void tenant_log_close(tenant_log_t **self_p);

/* 1: *resolution is filled, its views live until the next call; 0: unknown. */
int tenant_log_find(tenant_log_t *self, wire_view_t provider, wire_view_t conversation_id,
                    disk_resolution_t *resolution);

/* Writes a resolution; durable after the next tenant_log_sync.  0, or -1: it is not there. */
int tenant_log_add(tenant_log_t *self, const disk_resolution_t *resolution, fault_t *fault);

/* Syncs what was written before.  0, or -1: it never will be. */
int tenant_log_sync(tenant_log_t *self);

#endif
