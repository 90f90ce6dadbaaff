/* journal_slot: the directory of one journal, taken by one process at a time, and the names in it.
 *
 * The data directory holds slots 0, 1, ...; a process takes the first that is free, so that a
 * single one always has slot 0, and a slot left behind is taken over by the next start.
 *
 * Thread rule: taken and released by one thread; the descriptors may be used by all. */
#ifndef POSTCALL_COMMON_JOURNAL_JOURNAL_SLOT_H
#define POSTCALL_COMMON_JOURNAL_JOURNAL_SLOT_H

#include "common/base/fault.h"
#include "proto/wire.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define JOURNAL_SLOTS_MAX 1024

#define JOURNAL_NAME_SEGMENT  "journal"
#define JOURNAL_NAME_OUTCOMES "outcomes"
#define JOURNAL_NAME_INDEX    "index"
#define JOURNAL_NAME_MARKS    "marks"

typedef struct {
    unsigned number;
    char path[PATH_MAX];
    int lock;      /* descriptor that holds the lock; the others are directories */
    int directory; /* the slot itself */
    int segments;
    int bodies;
    int damaged;
} journal_slot_t;

#define JOURNAL_SLOT_ANY (-1)

/* Takes the slot `number`, or the first free one, below `data_directory`; what is missing is made
 * and synced into its directory.  0, or -1. */
int journal_slot_take(journal_slot_t *self, const char *data_directory, int number, fault_t *fault);
void journal_slot_release(journal_slot_t *self);

/* Does a process have the slot whose directory is open?  Takes the lock away from nobody. */
bool journal_slot_held(int slot_directory);

#define JOURNAL_NAME_BYTES 64

/* The name of a file in segments/: ten digits, a point, and one of JOURNAL_NAME_*. */
void journal_name(char name[JOURNAL_NAME_BYTES], uint64_t ordinal, const char *suffix);
/* Reads such a name.  0, or -1 when it is none. */
int journal_name_parse(const char *name, uint64_t *ordinal, const char **suffix);

/* The name in bodies/ of a spilled body, and back; -1 when it is none, so that a damaged record can
 * never name a file elsewhere. */
void journal_body_name(char name[JOURNAL_NAME_BYTES], uint64_t number);
int journal_body_name_parse(wire_view_t name, uint64_t *number);

/* A random number that is not 0. */
uint64_t journal_random(void);

/* Copies `bytes` of `fd` at `offset` to damaged/, named by the file they are from.  True when they
 * were not there before (or could not be kept), so that damage met twice is counted once. */
bool journal_slot_keep_damage(const journal_slot_t *self, const char *from, int fd, uint64_t offset,
                              uint64_t bytes);

/* Moves a whole file of segments/ to damaged/. */
void journal_slot_set_aside(const journal_slot_t *self, const char *name);
/* Gives it a name there as well: until another file has taken its place, it is the only one. */
void journal_slot_keep_file(const journal_slot_t *self, const char *name);

#endif
