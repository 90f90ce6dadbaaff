/* object_aside: where a directory store writes files before they have their name.
 *
 * Below DIR stands `.postcall`, which no object's key can name:
 *   .postcall/lock        held by whoever gives files their names
 *   .postcall/N/lock      held by the process whose files are in N (0, 1, ...)
 *   .postcall/N/<number>  a file that is being written
 * A process takes the first N that no other holds.  When one starts, it empties all that no other
 * holds: what killed processes left goes, and what living ones write stays.  The files are on the
 * file system of DIR, so that they can be renamed.
 *
 * Links are not followed.  Thread rule: object_aside_create from any thread; the rest from one. */
#ifndef POSTCALL_RECORDER_OBJECT_ASIDE_H
#define POSTCALL_RECORDER_OBJECT_ASIDE_H

#include "common/base/fault.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define OBJECT_ASIDE_PROCESSES_MAX 64
#define OBJECT_ASIDE_NAME_BYTES    24

typedef struct {
    int top;  /* .postcall */
    int fd;   /* .postcall/N: the directory that the names of object_aside_create are in */
    int lock; /* .postcall/N/lock */
    _Atomic uint64_t created;
} object_aside_t;

/* Makes what is missing, takes a place, and removes what killed processes left: `removed` files.
 * -1 when `.postcall` is no directory, or none of OBJECT_ASIDE_PROCESSES_MAX places can be taken.
 */
int object_aside_open(object_aside_t *self, int root, uint64_t *removed, fault_t *fault);

/* Gives the place back.  May be called after a failed object_aside_open. */
void object_aside_close(object_aside_t *self);

/* Opens a new empty file for reading and writing, mode 0640 less the umask, and writes its name.
 * The descriptor, or -1 with errno. */
int object_aside_create(object_aside_t *self, char name[OBJECT_ASIDE_NAME_BYTES]);

/* Takes the lock of all processes and threads that use the same DIR, for at most `wait_ms`: a
 * descriptor whose closing gives it back, or -1. */
int object_aside_lock(const object_aside_t *self, int64_t wait_ms, fault_t *fault);

#endif
