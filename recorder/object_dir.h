/* object_dir: objects as files below a directory (RECORDER_STORE=file:DIR).
 *
 * An object's key is its path below DIR.  It is there whole or not at all, and once it has been
 * reported it stays: it is written aside, synced, renamed, and the directories on its way synced.
 * Many objects share the syncs.  Versions only go up: an event never replaces what a later event
 * wrote or removes it, and the same event writes nothing again (recorder/object_version says where
 * versions are kept).  No link below DIR is followed (recorder/object_path).
 *
 * Several processes may use one DIR, on a local file system: comparing and renaming happens under a
 * lock.  New directories get mode 0750 and files 0640, less the umask.  DIR itself must be there (a
 * volume that is not mounted should not be filled beside it), and must stay: when it is removed
 * under a running store, every object is RETRY until it is opened again.  The content type is not
 * kept.
 *
 * How a batch is synced: small ones file by file; from `syncfs_objects_min` objects on with
 * syncfs(2), which syncs what others wrote to the same file system, too, but takes half the time.
 * That is done only where syncfs reports write errors: Linux 5.8 or later (syncfs(2), "VERSIONS")
 * on ext4, XFS or Btrfs; on others (overlayfs, FUSE) they can get lost.
 *
 * Thread rule: object_dir_put blocks for the disk, so it runs as jobs of an offload, on as many
 * threads as one likes. */
#ifndef POSTCALL_RECORDER_OBJECT_DIR_H
#define POSTCALL_RECORDER_OBJECT_DIR_H

#include "common/base/fault.h"
#include "proto/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OBJECT_DIR_LOCK_WAIT_MS       5000
#define OBJECT_DIR_SYNCFS_OBJECTS_MIN 8
#define OBJECT_DIR_DESCRIPTORS        64 /* files that one object_dir_put has open */

typedef struct object_dir object_dir_t;

/* Zero means the default above. */
typedef struct {
    const char *directory;     /* DIR; may itself be a link */
    int64_t lock_wait_ms;      /* how long a put waits for other processes */
    size_t syncfs_objects_min; /* SIZE_MAX: never syncfs */
} object_dir_options_t;

typedef enum {
    OBJECT_DIR_WRITTEN,    /* on stable storage under its name */
    OBJECT_DIR_SAME,       /* has been there, from the same event; or nothing is there to remove */
    OBJECT_DIR_KEPT_NEWER, /* a later event's object is there, and stays */
    OBJECT_DIR_REMOVED,    /* and its name is gone from stable storage */
    OBJECT_DIR_RETRY,      /* not now; `scope` and `fault` say what stands in the way */
    OBJECT_DIR_REJECTED,   /* no file can be at this key; `fault` says why */
} object_dir_result_t;

/* One object to be put, or removed.  The first group is the caller's, borrowed until object_dir_put
 * returns; the second is its answer. */
typedef struct {
    wire_view_t key;
    wire_view_t version; /* at most OBJECT_VERSION_BYTES_MAX; text that sorts */
    const void *bytes;
    size_t length;
    bool removes; /* what stands at the key, if it is of this version or an earlier one */

    object_dir_result_t result;
    const char *scope; /* of RETRY: SCOPE_SINK when the whole store is concerned, or SCOPE_EVENT */
    fault_t fault;
} object_dir_write_t;

/* Opens the store, and removes files that a process which was killed was writing.  NULL and a fault
 * when DIR cannot be used. */
object_dir_t *object_dir_new(const object_dir_options_t *options, fault_t *fault);

/* Takes null, and nulls the caller's pointer. */
void object_dir_destroy(object_dir_t **self_p);

/* Puts `count` objects; each has its own result.  The same key may come more than once.  RETRY may
 * mean that the object is there all the same. */
void object_dir_put(object_dir_t *self, object_dir_write_t *writes, size_t count);

/* Files of killed processes that object_dir_new removed. */
uint64_t object_dir_removed(const object_dir_t *self);

/* A put as a job. */
typedef struct {
    object_dir_write_t *writes;
    size_t count;
} object_dir_job_t;

/* offload_run_t: `self` is the object_dir_t, `job` an object_dir_job_t. */
void object_dir_run(void *self, void *job);

#endif
