#include "common/journal/journal_scan.h"

#include "common/base/file_io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES     (16u << 10)
#define UNREADABLE_STEP 4096 /* what is passed over when the disk refuses to read */

void journal_scan_start(journal_scan_t *self, int fd, uint64_t segment_id, uint64_t offset,
                        uint64_t end)
{
    self->fd = fd;
    self->segment_id = segment_id;
    self->offset = offset;
    self->end = end;
    self->window_offset = offset;
    self->window_length = 0;
}

void journal_scan_seek(journal_scan_t *self, uint64_t offset)
{
    self->offset = offset;
}

void journal_scan_forget(journal_scan_t *self)
{
    self->window_length = 0;
}

bool journal_scan_pass_over(journal_scan_t *self)
{
    if (errno != EIO)
        return false;
    self->offset += UNREADABLE_STEP - self->offset % UNREADABLE_STEP;
    return true;
}

void journal_scan_free(journal_scan_t *self)
{
    free(self->window);
    *self = (journal_scan_t){0};
}

/* Gives the window room for `length` bytes, and gives back what a large record once needed. */
static int make_room(journal_scan_t *self, size_t length, fault_t *fault)
{
    size_t wanted = length > JOURNAL_SCAN_BYTES ? length : JOURNAL_SCAN_BYTES;
    bool shrink = self->window_capacity > 4 * (size_t)JOURNAL_SCAN_BYTES &&
                  wanted == JOURNAL_SCAN_BYTES && self->window_length <= wanted;
    if (self->window_capacity >= wanted && !shrink)
        return 0;
    uint8_t *window = realloc(self->window, wanted);
    if (!window)
        return fault_set_errno(fault, errno, "a record of %zu bytes", length);
    self->window = window;
    self->window_capacity = wanted;
    return 0;
}

/* Moves the window so that it begins at `offset`, and keeps what it already has from there on.  The
 * more it is read on from where it was, the more is read ahead: a single record here and there
 * costs little, a long way is made in large steps. */
static void shift_window(journal_scan_t *self, uint64_t offset)
{
    uint64_t window_end = self->window_offset + self->window_length;
    size_t kept = 0;
    if (offset >= self->window_offset && offset <= window_end && self->window_length > 0) {
        kept = (size_t)(window_end - offset);
        memmove(self->window, self->window + (offset - self->window_offset), kept);
        self->ahead = self->ahead < JOURNAL_SCAN_BYTES ? 2 * self->ahead : JOURNAL_SCAN_BYTES;
    } else {
        self->ahead = FIRST_BYTES;
    }
    self->window_offset = offset;
    self->window_length = kept;
}

/* Fills the window to `length` bytes, and some more. */
static int fill_window(journal_scan_t *self, size_t length, fault_t *fault)
{
    size_t wanted = length > self->ahead ? length : self->ahead;
    if (make_room(self, length, fault) != 0)
        return -1;
    if (wanted > self->end - self->window_offset)
        wanted = (size_t)(self->end - self->window_offset);
    while (self->window_length < length) {
        uint64_t from = self->window_offset + self->window_length;
        ssize_t got = file_read_at(self->fd, self->window + self->window_length,
                                   wanted - self->window_length, from);
        if (got < 0)
            return fault_set_errno(fault, errno, "offset %llu", (unsigned long long)from);
        if (got == 0)
            return 0;
        self->window_length += (size_t)got;
    }
    return 0;
}

/* Makes `length` bytes at `offset` readable.  1 and *bytes; 0 when the file does not have them; -1
 * when they cannot be read. */
static int look(journal_scan_t *self, uint64_t offset, size_t length, const uint8_t **bytes,
                fault_t *fault)
{
    if (offset > self->end || length > self->end - offset)
        return 0;
    if (offset < self->window_offset ||
        offset + length > self->window_offset + self->window_length) {
        shift_window(self, offset);
        if (fill_window(self, length, fault) != 0)
            return -1;
        if (self->window_length < length)
            return 0;
    }
    *bytes = self->window + (offset - self->window_offset);
    return 1;
}

/* Tries the record at `offset`.  1: good, *length is its size; 0: none there; -1: unreadable. */
static int try_record(journal_scan_t *self, uint64_t offset, journal_record_t *record,
                      size_t *length, fault_t *fault)
{
    const uint8_t *bytes;
    int found = look(self, offset, JOURNAL_FRAME_BYTES, &bytes, fault);
    if (found != 1)
        return found;
    *length = journal_record_claim(bytes, self->segment_id);
    if (*length == 0)
        return 0;
    found = look(self, offset, *length, &bytes, fault);
    if (found != 1)
        return found;
    return journal_record_check(bytes, *length, record) == 0;
}

int journal_scan_next(journal_scan_t *self, journal_record_t *record, journal_damage_t *damage,
                      fault_t *fault)
{
    *damage = (journal_damage_t){self->offset, 0};
    for (uint64_t at = self->offset; at < self->end; at += JOURNAL_ALIGNMENT) {
        size_t length = 0;
        int found = try_record(self, at, record, &length, fault);
        if (found < 0)
            return -1;
        if (found == 0)
            continue;
        damage->bytes = at - self->offset;
        self->offset = at + length;
        self->segment_id = record->segment_id;
        return 1;
    }
    damage->bytes = self->end > self->offset ? self->end - self->offset : 0;
    return 0;
}
