/* file_io: whole reads and writes of files, and files that change all at once.
 *
 * read(2) and write(2) may do less than they were asked for; these go on until it is done or cannot
 * be.  All of them block for the disk.  Errors are in errno.  Safe from any thread. */
#ifndef POSTCALL_COMMON_BASE_FILE_IO_H
#define POSTCALL_COMMON_BASE_FILE_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Writes all `length` bytes at `offset`.  0, or -1: some of them may have been written. */
int file_write_at(int fd, const void *bytes, size_t length, uint64_t offset);

/* Reads up to `length` bytes at `offset`; fewer only at the end of the file, or before a place that
 * cannot be read.  Returns how many, or -1 when the first one cannot be. */
ssize_t file_read_at(int fd, void *bytes, size_t length, uint64_t offset);

/* Writes the first `bytes` of a file over themselves, and syncs it: what was in the page cache
 * alone is then on the disk, and no more room is taken.  A crash on the way changes nothing.  0, or
 * -1. */
int file_rewrite(int fd, uint64_t bytes);

/* How file_replace leaves the file: one that is synced survives a power cut once the directory is
 * synced as well. */
typedef enum { FILE_HINT, FILE_SYNCED } file_durability_t;

/* Puts `bytes` where `name` stands in `directory`: written to `name`.tmp, then renamed over it, so
 * that a reader finds the old content or the new, never half.  0, or -1: the old one stands. */
int file_replace(int directory, const char *name, const void *bytes, size_t length,
                 file_durability_t durability);

/* Gathers small pieces into large writes at the end of a file that is being made.  Zero-initialise
 * with the descriptor; flush at the end; free in any case. */
typedef struct {
    int fd;
    uint64_t offset; /* of the next piece; set it to begin elsewhere than at 0 */
    char *pending;
    size_t pending_bytes;
} file_writer_t;

/* 0, or -1 when the disk refuses it or memory is out. */
int file_writer_put(file_writer_t *self, const void *bytes, size_t length);
int file_writer_flush(file_writer_t *self);
void file_writer_free(file_writer_t *self);

/* Opens the directory `name` in `parent`, made (mode 0700) when it is not there.  The descriptor,
 * or -1. */
int file_open_directory(int parent, const char *name);

#endif
