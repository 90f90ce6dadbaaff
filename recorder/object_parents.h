/* object_parents: directories below a store that stay open for a while, because the objects of a
 * group share them: without this most of what a small object costs is walking to its directory.
 *
 * Whoever moves a directory away meanwhile gets the rest of the group into it where it is now; so a
 * set is for one group, not for the life of a process.
 *
 * One owner, one thread at a time. */
#ifndef POSTCALL_RECORDER_OBJECT_PARENTS_H
#define POSTCALL_RECORDER_OBJECT_PARENTS_H

#include "proto/messages.h"

#include <stdbool.h>
#include <stddef.h>

#define OBJECT_PARENTS_MAX 32 /* descriptors that are open at once */

typedef struct {
    wire_view_t path; /* borrowed from a key; with the slash behind it */
    int fd;
} object_parent_t;

/* Initialise with the root alone, which is borrowed. */
typedef struct {
    int root;
    size_t count;
    size_t next_victim;
    object_parent_t open[OBJECT_PARENTS_MAX];
} object_parents_t;

/* Opens the directory of an object with this key as object_path_open would, but the descriptor is
 * the set's, and good until the next call.  The key must live as long as the set. */
int object_parents_open(object_parents_t *self, wire_view_t key, bool create);

void object_parents_close(object_parents_t *self);

#endif
