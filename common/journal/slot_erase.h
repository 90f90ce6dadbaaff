/* slot_erase: takes one thing out of a slot for good: a record, a spilled body, a dead letter, or
 * what is recorded of a conversation.
 *
 * A record is overwritten in place by one of the same length that says nothing, so that offsets,
 * sequences and the memory of duplicates stay.  It is done only in the very file that it was asked
 * for: file ids are new with every file that is written.  Done again it changes nothing, and when
 * it was interrupted it is made good.  Blocks for the disk; under the slot's lock. */
#ifndef POSTCALL_COMMON_JOURNAL_SLOT_ERASE_H
#define POSTCALL_COMMON_JOURNAL_SLOT_ERASE_H

#include "common/journal/slot_requests.h"

/* 0: it is gone, or is not there (any more); -1: to be tried again. */
int slot_erase(const slot_keeper_t *keeper, const slot_erasure_t *erasure, fault_t *fault);

#endif
