/* object_path: an object's key as a path below a directory, walked without following links.
 *
 * A key is `component/component/.../name`.  No component is empty or begins with a full stop: so
 * none is "..", and hidden names are free for the store's own files.  Directories are opened one by
 * one, each in the one before, and a symbolic link among them is an error: whoever may write
 * somewhere below the directory cannot make the store write elsewhere.
 *
 * No state; safe from any thread.  Errors are errno values. */
#ifndef POSTCALL_RECORDER_OBJECT_PATH_H
#define POSTCALL_RECORDER_OBJECT_PATH_H

#include "common/base/fault.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <stddef.h>

#define OBJECT_PATH_NAME_BYTES 256 /* NAME_MAX of Linux, with the NUL */

/* The first byte behind the directories: where the key's last component begins. */
size_t object_path_name(wire_view_t key);

/* 0 when a file can stand at `key`, else -1: empty, longer than MESSAGE_KEY_BYTES_MAX, a NUL, an
 * absolute path, a component that is empty, too long, or begins with a full stop. */
int object_path_check(wire_view_t key, fault_t *fault);

/* Opens the directory that the component of a checked key at `at` names, in the directory that all
 * before it names.  Else as object_path_open. */
int object_path_open_below(int parent, wire_view_t key, size_t at, bool create);

/* Opens the directory that the first `length` bytes of a checked key name, with or without the
 * slash behind it (0: `root` itself), to be closed by the caller.  `create` makes directories that
 * are not there, with mode 0750 less the umask; they are not synced.  -1 with errno; ENOTDIR where
 * a component is a link or a file. */
int object_path_open(int root, wire_view_t key, size_t length, bool create);

#endif
