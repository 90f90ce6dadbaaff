/* journal_sinks: the list of sinks that a slot ever had, and from which event on each wants events.
 *
 * It is a hint (proto/JOURNAL.md): without it every sink begins at the beginning.  Reading takes no
 * lock and changes nothing.  Safe from any thread. */
#ifndef POSTCALL_COMMON_JOURNAL_JOURNAL_SINKS_H
#define POSTCALL_COMMON_JOURNAL_JOURNAL_SINKS_H

#include "proto/messages.h"

#define JOURNAL_SINKS_EVER_MAX 64

typedef struct {
    char name[MESSAGE_NAME_BYTES_MAX + 1];
    uint64_t begin; /* it wants no event with a lower sequence */
} journal_sink_t;

/* Reads the list of the slot whose directory is open as `slot_directory`.  Returns how many there
 * are, or -1 when there is no list to be believed. */
int journal_sinks_read(int slot_directory, journal_sink_t sinks[JOURNAL_SINKS_EVER_MAX]);

#endif
