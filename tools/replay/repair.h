/* repair: sets aside what is damaged in a slot that no process has.
 *
 * The damaged bytes go to the slot's damaged/, as an ingress puts them there at its start; the file
 * is written anew with every good record byte for byte, synced, and put in its place, so that a
 * crash leaves the old one or the new.  Blocks for the disk.  One owner, one thread. */
#ifndef POSTCALL_TOOLS_REPLAY_REPAIR_H
#define POSTCALL_TOOLS_REPLAY_REPAIR_H

#include "common/journal/journal_slot.h"
#include "tools/replay/capture.h"

/* Takes the slot, as an ingress would.  0, or -1: another process has it, or it is no slot. */
int repair_take(journal_slot_t *slot, const capture_slot_t *of, fault_t *fault);

/* Writes a segment (JOURNAL_NAME_SEGMENT) or outcome file anew without its damage, of which a copy
 * is kept.  0, or -1: it is as it was. */
int repair_file(const journal_slot_t *slot, const capture_slot_t *of, uint64_t ordinal,
                const char *suffix, fault_t *fault);

/* Moves a file of bodies/ or dead/, whose directory is given, to damaged/.  0, or -1. */
int repair_move(const journal_slot_t *slot, int directory, const char *name, fault_t *fault);

/* True when a file of that name was moved there before. */
bool repair_was_moved(const capture_slot_t *of, const char *name);

#endif
