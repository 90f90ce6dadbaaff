/* ndjson: the stream as a file, one record per line (LOGGER_STREAM=file:PATH; http://ndjson.org).
 *
 * What is confirmed is on stable storage: a batch is one append and one fdatasync, and the file's
 * directory entry is synced whenever the file is opened.  What is not confirmed may be there, too,
 * whole, and comes again: delivery is at least once, and a repeat is the same line.  Every line is
 * a whole record.  A writer that is killed leaves at most a piece without a line break at the end;
 * whoever opens or appends next cuts it off and keeps it in PATH.torn.
 *
 * Several processes may write one file: each appends, and cuts, under a lock of the file, held over
 * the sync, so that lines never mix and nobody cuts what another is writing.
 *
 * The path may be a symbolic link (operators link logs to other disks); its target must be a
 * regular file.  To rotate, rename the file, then have each writer call ndjson_reopen (SIGHUP);
 * logrotate's `copytruncate` loses lines.  New files get mode 0640 less the umask: transcripts may
 * stand in them.  The process must ignore SIGXFSZ if it runs under a file size limit.
 *
 * Thread rule: appends block for the disk, so they run as jobs of an offload with one thread;
 * ndjson_reopen and ndjson_figures from any thread. */
#ifndef POSTCALL_LOGGER_NDJSON_H
#define POSTCALL_LOGGER_NDJSON_H

#include "common/base/fault.h"
#include "proto/wire.h"

#include <stddef.h>
#include <stdint.h>

#define NDJSON_LOCK_WAIT_MS   5000
#define NDJSON_TORN_BYTES_MAX ((uint64_t)64 << 20)

typedef struct ndjson ndjson_t;

/* Zero means the default above. */
typedef struct {
    const char *path;        /* copied */
    int64_t lock_wait_ms;    /* an append fails when the lock is not to be had for so long */
    uint64_t torn_bytes_max; /* a longer piece without a line break was not left by a writer like
                                this one: the file is another's, and is not touched */
} ndjson_options_t;

/* Opens the file, creates it if need be, and mends its end.  NULL and a fault when it cannot be
 * opened, is no regular file, or is another's; a lock that others hold is no reason to fail. */
ndjson_t *ndjson_new(const ndjson_options_t *options, fault_t *fault);

/* Closes the file.  Takes null, and nulls the caller's pointer. */
void ndjson_destroy(ndjson_t **self_p);

/* Appends `count` records, a line each.  A record is JSON text; line breaks in it, which can only
 * be white space, become blanks.  An empty record adds no line.  0 when all of it is on stable
 * storage.  -1 when it may not be, with the reason (no room, a failed write or sync, a removed
 * file...): what was written is cut off again if the disk lets us, and the whole batch may be tried
 * again, in the end with success; no record is ever at fault.  After a failed sync the file is
 * opened anew, since a second sync of the same descriptor reports nothing. */
int ndjson_append(ndjson_t *self, const wire_view_t *records, size_t count, fault_t *fault);

/* From now on, that is from the next append, writes to whatever PATH names then.  Any thread. */
void ndjson_reopen(ndjson_t *self);

/* Since ndjson_new.  Any thread. */
typedef struct {
    uint64_t torn_pieces; /* cut off the end and set aside */
    uint64_t torn_bytes;
    uint64_t opened; /* times the file was opened */
} ndjson_figures_t;
void ndjson_figures(const ndjson_t *self, ndjson_figures_t *figures);

/* An append as a job: everything but the last two is borrowed until the job has been taken. */
typedef struct {
    const wire_view_t *records;
    size_t count;
    int result; /* of ndjson_append */
    fault_t fault;
} ndjson_job_t;

/* offload_run_t: `self` is the ndjson_t, `job` an ndjson_job_t. */
void ndjson_run(void *self, void *job);

#endif
