/* Group commit: a batch of events is written, synced once, and then completed.
 *
 * Nothing is completed, and the reader sees nothing, before the sync of its batch has returned. */

#include "common/base/clock.h"
#include "common/journal/journal_private.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define PIECES_PER_RECORD 4 /* frame, header, body, padding */
#define FULL_FOR_MS       1000

/* An event that the batch stores. */
typedef struct {
    size_t item;          /* in the batch */
    size_t header_offset; /* in the headers of the batch */
    size_t header_bytes;
    uint8_t frame[JOURNAL_FRAME_BYTES];
} stored_t;

/* One append and what it will be answered. */
typedef struct {
    journal_append_t *append;
    journal_answer_t answer;
    bool follows; /* a duplicate of an event that this batch stores: shares its fate */
} item_t;

struct journal_batch_t {
    item_t items[JOURNAL_BATCH_MAX];
    size_t count;
    stored_t stored[JOURNAL_BATCH_MAX];
    size_t stored_count;
    wire_output_t headers;
    struct iovec pieces[PIECES_PER_RECORD * JOURNAL_BATCH_MAX];
    uint64_t bytes;         /* of all records */
    uint64_t dedupe_serial; /* of the first key that the batch put */
    uint64_t first_sequence;
};

journal_batch_t *journal_batch_new(void)
{
    return calloc(1, sizeof(journal_batch_t));
}

void journal_batch_destroy(journal_batch_t **self_p)
{
    if (!*self_p)
        return;
    wire_output_free(&(*self_p)->headers);
    free(*self_p);
    *self_p = NULL;
}

/* The event as it is stored: with what only the journal knows. */
static disk_event_t stored_event(const journal_append_t *append)
{
    disk_event_t event = *append->event;
    event.dedupe = (wire_view_t){(const char *)append->dedupe, sizeof(append->dedupe)};
    if (event.body_file.length == 0)
        event.body_bytes = append->body_bytes;
    return event;
}

/* Is the event remembered?  *pending: as one that this batch stores. */
static bool is_duplicate(const journal_t *self, const journal_append_t *append, bool *pending)
{
    uint64_t received_us, serial;
    if (!fingerprint_map_find(self->writer.dedupe, append->dedupe, &received_us, &serial))
        return false;
    *pending = serial >= self->writer.batch->dedupe_serial;
    int64_t age_us = (int64_t)(append->event->received_us - received_us);
    return *pending || age_us <= self->limits.dedupe_ms * 1000;
}

static void plan_storing(journal_t *self, item_t *item)
{
    journal_batch_t *batch = self->writer.batch;
    journal_append_t *append = item->append;
    stored_t *stored = &batch->stored[batch->stored_count];
    disk_event_t event = stored_event(append);
    stored->item = (size_t)(item - batch->items);
    stored->header_offset = batch->headers.length;
    if (wire_encode(&batch->headers, NULL, &disk_event, &event) != 0 ||
        batch->headers.length - stored->header_offset > JOURNAL_HEADER_BYTES_MAX ||
        append->body_bytes > JOURNAL_BODY_BYTES_MAX) {
        batch->headers.failed = false;
        batch->headers.length = stored->header_offset;
        item->answer = JOURNAL_FULL;
        return;
    }
    stored->header_bytes = batch->headers.length - stored->header_offset;
    batch->bytes +=
        journal_record_bytes(stored->header_bytes, append->body ? append->body_bytes : 0);
    batch->stored_count++;
    item->answer = JOURNAL_STORED;
    fingerprint_map_put(self->writer.dedupe, append->dedupe, append->event->received_us);
}

static void plan(journal_t *self, journal_append_t *append)
{
    journal_batch_t *batch = self->writer.batch;
    item_t *item = &batch->items[batch->count++];
    *item = (item_t){.append = append};
    if (is_duplicate(self, append, &item->follows))
        item->answer = JOURNAL_DUPLICATE;
    else
        plan_storing(self, item);
}

/* Fills the batch from the list until it or the segment is full; returns the rest. */
static journal_append_t *plan_batch(journal_t *self, journal_append_t *list)
{
    journal_batch_t *batch = self->writer.batch;
    const journal_segment_t *segment = self->writer.segment;
    uint64_t end = segment ? segment->end : JOURNAL_FILE_HEADER_BYTES;
    if (end >= self->limits.segment_bytes)
        end = JOURNAL_FILE_HEADER_BYTES;
    batch->count = batch->stored_count = 0;
    batch->headers.length = 0;
    batch->bytes = 0;
    batch->dedupe_serial = fingerprint_map_next_serial(self->writer.dedupe);
    batch->first_sequence = self->writer.next_sequence;
    while (list && batch->count < JOURNAL_BATCH_MAX &&
           end + batch->bytes < self->limits.segment_bytes) {
        journal_append_t *append = list;
        list = append->next;
        plan(self, append);
    }
    return list;
}

static void add_piece(journal_batch_t *batch, size_t *count, const void *bytes, size_t length)
{
    if (length > 0)
        batch->pieces[(*count)++] = (struct iovec){(void *)(uintptr_t)bytes, length};
}

/* Frames the records, now that no header moves any more.  Returns how many pieces they are. */
static size_t frame_batch(journal_t *self)
{
    static const char zeros[JOURNAL_ALIGNMENT];
    journal_batch_t *batch = self->writer.batch;
    size_t pieces = 0;
    for (size_t i = 0; i < batch->stored_count; i++) {
        stored_t *stored = &batch->stored[i];
        const journal_append_t *append = batch->items[stored->item].append;
        journal_record_t record = {
            .kind = DISK_EVENT,
            .segment_id = self->writer.segment->header.segment_id,
            .sequence = batch->first_sequence + i,
            .header = batch->headers.bytes + stored->header_offset,
            .header_bytes = stored->header_bytes,
            .body = append->body,
            .body_bytes = append->body ? append->body_bytes : 0,
        };
        journal_record_frame(&record, stored->frame);
        add_piece(batch, &pieces, stored->frame, sizeof(stored->frame));
        add_piece(batch, &pieces, record.header, record.header_bytes);
        add_piece(batch, &pieces, record.body, record.body_bytes);
        add_piece(batch, &pieces, zeros,
                  journal_record_padding(record.header_bytes, record.body_bytes));
    }
    return pieces;
}

/* Drops what was written from the front of the pieces; returns the first that is left. */
static struct iovec *skip_written(struct iovec *piece, size_t written)
{
    while (written > 0 && written >= piece->iov_len) {
        written -= piece->iov_len;
        piece++;
    }
    if (written > 0) {
        piece->iov_base = (char *)piece->iov_base + written;
        piece->iov_len -= written;
    }
    return piece;
}

static int write_pieces(int fd, struct iovec *piece, size_t count, uint64_t offset)
{
    const struct iovec *end = piece + count;
    while (piece < end) {
        int some = end - piece < IOV_MAX ? (int)(end - piece) : IOV_MAX;
        ssize_t written = pwritev(fd, piece, some, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        offset += (uint64_t)written;
        piece = skip_written(piece, (size_t)written);
    }
    return 0;
}

/* The events of the batch were not stored, and leave no trace but the answer. */
static void refuse(journal_t *self, journal_answer_t answer)
{
    journal_batch_t *batch = self->writer.batch;
    for (size_t i = 0; i < batch->count; i++) {
        item_t *item = &batch->items[i];
        if (item->answer == JOURNAL_STORED || item->follows)
            item->answer = answer;
    }
    fingerprint_map_take_back(self->writer.dedupe, batch->dedupe_serial);
    if (answer == JOURNAL_FULL)
        atomic_store(&self->full_until_ms, clock_now_ms() + FULL_FOR_MS);
}

/* Seals the segment that is appended to; all of it is synced. */
static void seal(journal_t *self)
{
    journal_writer_t *writer = &self->writer;
    writer->index.segment_bytes = writer->segment->end;
    journal_index_save(&writer->index, self->slot.segments);
    journal_index_free(&writer->index);
    atomic_store(&writer->segment->sealed, true);
    (void)close(writer->fd);
    writer->fd = -1;
    writer->segment = NULL;
}

/* Begins a new segment.  0, or -1: `answer` says what that means. */
static int begin_segment(journal_t *self, journal_answer_t *answer)
{
    journal_writer_t *writer = &self->writer;
    bool sync_failed = false;
    journal_file_header_t header = {
        .kind = JOURNAL_FILE_SEGMENT,
        .file_id = journal_random(),
        .segment_id = journal_random(),
        .ordinal = writer->next_ordinal,
        .first_sequence = writer->next_sequence,
        .created_us = (uint64_t)clock_unix_us(),
    };
    *answer = JOURNAL_FULL;
    journal_segment_t *segment = journal_segment_new(&header);
    if (!segment)
        return -1;
    int fd = journal_segment_create(self, segment, &sync_failed);
    if (fd < 0 || journal_registry_add(&self->registry, segment) != 0) {
        if (fd >= 0)
            (void)close(fd);
        journal_segment_destroy(&segment);
        writer->next_ordinal++; /* a name that may be half made is not used again */
        *answer = sync_failed ? JOURNAL_DEAD : JOURNAL_FULL;
        return -1;
    }
    writer->next_ordinal++;
    writer->segment = segment;
    writer->fd = fd;
    writer->index = (journal_index_t){.segment = header};
    atomic_fetch_add(&self->counts.bytes, 2 * JOURNAL_FILE_HEADER_BYTES);
    return 0;
}

/* Writes the batch behind what is durable.  JOURNAL_STORED: it may be synced. */
static journal_answer_t write_batch(journal_t *self)
{
    journal_writer_t *writer = &self->writer;
    journal_answer_t answer;
    if (writer->segment && writer->segment->end >= self->limits.segment_bytes)
        seal(self);
    if (!writer->segment && begin_segment(self, &answer) != 0)
        return answer;
    uint64_t end = writer->segment->end;
    if (write_pieces(writer->fd, writer->batch->pieces, frame_batch(self), end) == 0)
        return JOURNAL_STORED;
    if (ftruncate(writer->fd, (off_t)end) != 0)
        return JOURNAL_DEAD;
    return JOURNAL_FULL;
}

/* The batch is on stable storage: lets the reader see it. */
static void publish(journal_t *self)
{
    journal_writer_t *writer = &self->writer;
    journal_batch_t *batch = writer->batch;
    journal_segment_t *segment = writer->segment;
    for (size_t i = 0; i < batch->stored_count; i++) {
        disk_event_t event = stored_event(batch->items[batch->stored[i].item].append);
        journal_index_add(&writer->index, batch->first_sequence + i, &event);
    }
    writer->next_sequence = batch->first_sequence + batch->stored_count;
    atomic_store(&segment->next_sequence, writer->next_sequence);
    atomic_store(&segment->newest_us, writer->index.newest_us);
    atomic_store(&self->last_sequence, writer->next_sequence - 1);
    atomic_store(&segment->end, segment->end + batch->bytes);
    atomic_fetch_add(&self->counts.bytes, batch->bytes);
    atomic_fetch_add(&self->counts.stored, batch->stored_count);
    atomic_store(&self->full_until_ms, 0);
    journal_notify(self);
}

static void store_batch(journal_t *self)
{
    journal_batch_t *batch = self->writer.batch;
    journal_answer_t answer = JOURNAL_FULL;
    if (batch->stored_count == 0)
        return;
    if (journal_make_room(self, batch->bytes))
        answer = write_batch(self);
    while (answer == JOURNAL_FULL && journal_delete_settled(self))
        answer = write_batch(self);
    if (answer == JOURNAL_STORED) {
        atomic_fetch_add(&self->counts.syncs, 1);
        if (fdatasync(self->writer.fd) != 0)
            answer = JOURNAL_DEAD;
    }
    if (answer == JOURNAL_STORED) {
        publish(self);
        return;
    }
    refuse(self, answer);
    if (answer == JOURNAL_DEAD)
        journal_die(self);
}

static void complete_batch(journal_t *self)
{
    journal_batch_t *batch = self->writer.batch;
    for (size_t i = 0; i < batch->count; i++) {
        item_t *item = &batch->items[i];
        if (item->answer == JOURNAL_DUPLICATE)
            atomic_fetch_add(&self->counts.duplicates, 1);
        item->append->complete(item->append, item->answer);
    }
}

static void answer_dead(journal_append_t *list)
{
    while (list) {
        journal_append_t *append = list;
        list = append->next;
        append->complete(append, JOURNAL_DEAD);
    }
}

void journal_append_all(journal_t *self, journal_append_t *list)
{
    while (list && !atomic_load(&self->dead)) {
        list = plan_batch(self, list);
        store_batch(self);
        complete_batch(self);
    }
    answer_dead(list);
}
