/* snapshot: the files below a directory, kept in memory, to be put back as they were or damaged.
 *
 * For directories of a few small files.  What goes wrong here aborts the test. */
#ifndef POSTCALL_TESTS_SNAPSHOT_H
#define POSTCALL_TESTS_SNAPSHOT_H

#include <stddef.h>

#define SNAPSHOT_FILES_MAX 64

typedef struct {
    char name[128]; /* below the directory */
    char *bytes;
    size_t length;
} snapshot_file_t;

typedef struct {
    snapshot_file_t files[SNAPSHOT_FILES_MAX]; /* ordered by name */
    size_t count;
} snapshot_t;

void snapshot_take(snapshot_t *self, const char *directory);
/* Makes the directory hold exactly the files of the snapshot. */
void snapshot_restore(const snapshot_t *self, const char *directory);
/* Writes other contents for one file. */
void snapshot_write(const char *directory, const char *name, const void *bytes, size_t length);
void snapshot_free(snapshot_t *self);

#endif
