/* dead_letters: full copies of events that can never succeed, kept until a replay settles them or a
 * person purges them.
 *
 * A letter is one file in the slot's dead/ directory, named by event id and sink, so that the same
 * letter written twice is one.  It holds a DISK_LETTER record around the whole DISK_EVENT record; a
 * spilled body is a hard link beside it.  A letter is on stable storage, directory entry included,
 * before dead_letters_put returns; only then may the event be settled.
 *
 * Thread rule: put from one thread (it blocks for the disk: run it on an offload thread); the rest
 * from any. */
#ifndef POSTCALL_COMMON_JOURNAL_DEAD_LETTERS_H
#define POSTCALL_COMMON_JOURNAL_DEAD_LETTERS_H

#include "common/base/fault.h"
#include "proto/disk.h"

#include <stddef.h>
#include <stdint.h>

typedef struct {
    disk_letter_t letter;
    const void *event_record; /* the whole framed DISK_EVENT record, as in the segment */
    size_t event_record_bytes;
    const char *body_file; /* of a spilled body, or NULL: to be put, its name in bodies/; of a
                              letter that is there, its name in dead/ */
} dead_letter_t;

#define DEAD_LETTERS_DIRECTORY "dead"

/* Writes letters, syncing each file and then the directory once.  `slot_directory` is the slot's.
 * A spilled body that is not there any more is no reason to fail: there is nothing left to keep.
 * 0, or -1: none, some or all may be there, and putting them again is right. */
int dead_letters_put(const char *slot_directory, const dead_letter_t *letters, size_t count,
                     fault_t *fault);

/* Calls `each` for every readable letter (name is the file's, and all views die with the call);
 * stops when it returns non-zero.  Unreadable files are counted in *damaged and skipped.  0, also
 * when it was stopped or nothing was ever put there; -1 when the directory cannot be read. */
int dead_letters_each(const char *slot_directory,
                      int (*each)(void *context, const char *name, const dead_letter_t *letter),
                      void *context, uint64_t *damaged, fault_t *fault);

/* Deletes a letter and its body for good (synced); 0 also when it was not there.  -1 also for a
 * name that is no letter's. */
int dead_letters_remove(const char *slot_directory, const char *name, fault_t *fault);

#endif
