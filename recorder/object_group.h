/* object_group: objects that are put into a directory store together and share their syncs.
 *
 * The inside of recorder/object_dir: what is done to a group, step by step.  Each object is
 *
 *   staged    written aside, with its version; then all of the group are synced
 *   standing  renamed to its key, under the lock, unless it or a newer one stands there already;
 *             then all directories on the way to the keys are synced
 *
 * or has failed; then nothing of it is left aside.  One that is to be removed is staged with
 * nothing aside, and "standing" when its name is gone.  An object that was found standing goes
 * through the last sync, too: whoever put it there may have been killed before his.
 *
 * One group belongs to one thread; several may run at once. */
#ifndef POSTCALL_RECORDER_OBJECT_GROUP_H
#define POSTCALL_RECORDER_OBJECT_GROUP_H

#include "recorder/object_aside.h"
#include "recorder/object_dir.h"

#include <stdatomic.h>
#include <stdbool.h>

#define OBJECT_GROUP_MAX 256 /* objects in a group */

/* What all groups of a store share. */
typedef struct {
    int root;
    bool attributes; /* versions are kept as attributes, not beside the objects */
    int64_t lock_wait_ms;
    object_aside_t aside;
    atomic_bool doubtful; /* directories could not be synced: an object that stands may not be on
                             stable storage, and is written again rather than believed */
} object_place_t;

/* Puts up to OBJECT_GROUP_MAX objects and fills in their results.  `with_syncfs`: two syncs of the
 * whole file system; else the files are synced one by one, and `count` descriptors are open. */
void object_group_put(object_place_t *place, object_dir_write_t *writes, size_t count,
                      bool with_syncfs);

#endif
