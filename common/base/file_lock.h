/* file_lock: an exclusive flock(2), waited for no longer than wanted.
 *
 * Keeps processes apart that write the same files, and threads, too, when each has opened the file
 * for itself: the lock belongs to the open file description.  It goes when the descriptor is closed
 * or the process ends, however it ends.  Advisory: it binds only those who ask.  Blocks, so not for
 * a loop that answers pings.  Safe from any thread. */
#ifndef POSTCALL_COMMON_BASE_FILE_LOCK_H
#define POSTCALL_COMMON_BASE_FILE_LOCK_H

#include "common/base/fault.h"

#include <stdint.h>

/* Takes the lock of the file open as `fd`; polls for it, for at most `wait_ms` (0: one try).  0, or
 * -1 when another holds it all the time or the file system has no locks; the fault calls the file
 * `name`. */
int file_lock_take(int fd, const char *name, int64_t wait_ms, fault_t *fault);

/* Gives the lock back. */
void file_lock_release(int fd);

#endif
