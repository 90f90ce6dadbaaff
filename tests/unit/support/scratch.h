/* scratch: directories for one test, files in them, and small or poor file systems where the test
 * may mount some.  What goes wrong here fails the test. */
#ifndef POSTCALL_TESTS_SCRATCH_H
#define POSTCALL_TESTS_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

#define SCRATCH_PATH_BYTES 512

/* Makes an empty directory and writes its path.  All of them stand in one directory of this process
 * below $TMPDIR or /tmp, which is gone soon after the process and its children, even if they were
 * killed. */
void scratch_new(char path[SCRATCH_PATH_BYTES]);

/* Makes a file with this text in a place like that, and writes its path. */
void scratch_file(char path[SCRATCH_PATH_BYTES], const char *text);

/* Unmounts what scratch_mount mounted there, and removes the directory with all that is in it. */
void scratch_remove(const char *path);

/* Mounts a file system of `type` (tmpfs, ramfs) with `options` (or "") on the directory, seen by
 * this process and its children alone.  False when this process may not. */
bool scratch_mount(const char *path, const char *type, const char *options);

/* Writes `directory`/`name` to `path` and returns it. */
char *scratch_join(char path[SCRATCH_PATH_BYTES], const char *directory, const char *name);

/* Makes or overwrites a file. */
void scratch_write(const char *path, const void *bytes, size_t length);

/* The bytes of a file, owned by the caller, with a NUL behind them; NULL when there is none. */
char *scratch_read(const char *path, size_t *length);

#endif
