/* rows: a batch of events into PostgreSQL, and what the ingress is told of each.
 *
 * Thread rule: rows_run is called on one offload thread, which owns the rest while it runs. */
#ifndef POSTCALL_RESOURCES_SINK_ROWS_H
#define POSTCALL_RESOURCES_SINK_ROWS_H

#include "common/base/metrics.h"
#include "common/link/batches.h"
#include "resources-sink/postgres.h"

typedef struct rows_t rows_t;

/* `postgres` stays the caller's. */
rows_t *rows_new(postgres_t *postgres, size_t events_max, metrics_t *metrics, fault_t *fault);
void rows_destroy(rows_t **self_p);

/* batches_run_t: `self` is the rows_t.  An empty batch checks the connection. */
void rows_run(void *self, batch_t *batch);

#endif
