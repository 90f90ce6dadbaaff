/* Cursors: reading what is durable, segment after segment. */

#include "common/base/clock.h"
#include "common/base/file_io.h"
#include "common/journal/journal_private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct journal_cursor_t {
    journal_t *journal;
    journal_cursor_t *next; /* of all that there are */
    journal_position_t position;
    uint64_t wanted_from;       /* events with a lower sequence are passed over */
    uint64_t next_sequence;     /* that is expected next in `segment` */
    journal_segment_t *segment; /* that is entered, or NULL */
    journal_scan_t scan;        /* of it */
    wire_memory_t memory;
    uint64_t refused_offset; /* where the disk refused to read, */
    int64_t refused_ms;      /* since when; 0: it did not */
    uint64_t erasures;       /* that it knows of */
};

/* A place that the disk refuses to read for so long is damage: it must not keep for ever what comes
 * behind it. */
#define REFUSED_FOR_MS 60000

journal_cursor_t *journal_cursor_new(journal_t *self)
{
    journal_cursor_t *cursor = calloc(1, sizeof(*cursor));
    if (!cursor)
        return NULL;
    cursor->journal = self;
    cursor->next = self->cursors;
    self->cursors = cursor;
    return cursor;
}

static void leave(journal_cursor_t *cursor)
{
    journal_segment_t *segment = cursor->segment;
    cursor->segment = NULL;
    if (!segment)
        return;
    segment->cursors--;
    journal_table_unload(cursor->journal, segment);
}

void journal_cursors_leave(journal_t *self, uint64_t ordinal)
{
    for (journal_cursor_t *cursor = self->cursors; cursor; cursor = cursor->next) {
        if (cursor->segment && cursor->segment->header.ordinal < ordinal)
            leave(cursor);
    }
}

void journal_cursor_destroy(journal_cursor_t **cursor_p)
{
    journal_cursor_t *cursor = *cursor_p;
    if (!cursor)
        return;
    leave(cursor);
    journal_cursor_t **link = &cursor->journal->cursors;
    while (*link != cursor)
        link = &(*link)->next;
    *link = cursor->next;
    journal_scan_free(&cursor->scan);
    wire_memory_free(&cursor->memory);
    free(cursor);
    *cursor_p = NULL;
}

void journal_cursor_seek(journal_cursor_t *cursor, journal_position_t position)
{
    if (!cursor->segment || cursor->segment->header.ordinal != position.segment ||
        position.offset < JOURNAL_FILE_HEADER_BYTES)
        leave(cursor);
    else
        journal_scan_seek(&cursor->scan, position.offset);
    cursor->wanted_from = 0;
    cursor->next_sequence = 0;
    cursor->position = position;
}

journal_position_t journal_cursor_position(const journal_cursor_t *cursor)
{
    return cursor->position;
}

/* The first sequence of a segment that a sink has not settled. */
static uint64_t first_open_sequence(journal_t *self, journal_segment_t *segment, uint16_t bit)
{
    uint64_t sequence = segment->header.first_sequence;
    if (journal_table_load(self, segment, NULL) != 0)
        return sequence;
    while (sequence < atomic_load(&segment->next_sequence) &&
           (outcome_table_settled(segment->table, sequence) & bit))
        sequence++;
    journal_table_unload(self, segment);
    return sequence;
}

void journal_cursor_begin(journal_cursor_t *cursor, size_t sink)
{
    journal_t *self = cursor->journal;
    assert(sink < self->sinks.count);
    uint16_t bit = (uint16_t)(1u << sink);
    journal_position_t position = {0, 0};
    journal_segment_t *segment = journal_registry_from(&self->registry, 0);
    while (segment && (segment->settled_by_all & bit)) {
        position = (journal_position_t){segment->header.ordinal, atomic_load(&segment->end)};
        segment = journal_registry_from(&self->registry, segment->header.ordinal + 1);
    }
    if (segment)
        position = (journal_position_t){segment->header.ordinal, JOURNAL_FILE_HEADER_BYTES};
    journal_cursor_seek(cursor, position);
    cursor->wanted_from = self->sinks.begins[sink];
    if (segment) {
        uint64_t open = first_open_sequence(self, segment, bit);
        if (open > cursor->wanted_from)
            cursor->wanted_from = open;
    }
}

/* Stands the cursor in the segment that is open as `fd`. */
static void enter(journal_cursor_t *cursor, journal_segment_t *segment, int fd)
{
    uint64_t offset = cursor->position.offset;
    cursor->segment = segment;
    cursor->next_sequence =
        offset == JOURNAL_FILE_HEADER_BYTES ? segment->header.first_sequence : 0;
    segment->cursors++;
    journal_scan_start(&cursor->scan, fd, segment->header.segment_id, offset, offset);
}

/* Makes the cursor stand in a segment that exists.  1; 0 when there is none yet; -1. */
static int stand(journal_cursor_t *cursor, fault_t *fault)
{
    journal_t *self = cursor->journal;
    journal_segment_t *segment =
        cursor->segment ? cursor->segment
                        : journal_registry_from(&self->registry, cursor->position.segment);
    if (!segment)
        return 0;
    if (segment->header.ordinal != cursor->position.segment ||
        cursor->position.offset < JOURNAL_FILE_HEADER_BYTES)
        cursor->position = (journal_position_t){segment->header.ordinal, JOURNAL_FILE_HEADER_BYTES};
    int fd = journal_segment_read_fd(self, segment, fault);
    if (fd < 0 || journal_table_load(self, segment, fault) != 0)
        return -1;
    if (!cursor->segment)
        enter(cursor, segment, fd);
    cursor->scan.fd = fd;
    return 1;
}

/* The sinks that an event is not for.  One that no sink can have, or that goes nowhere, is settled
 * by the delivery. */
static uint16_t not_routed(const journal_t *self, const disk_event_t *event)
{
    if (!self->route || event->dead_reason.length > 0)
        return 0;
    const char *const *sinks = (const char *const *)self->sink_names;
    uint32_t routed = self->route(event->provider, event->event_type, sinks);
    if (routed == 0)
        return 0;
    uint16_t bits = self->sinks.all;
    for (size_t i = 0; sinks[i]; i++) {
        if (routed >> i & 1)
            bits &= (uint16_t)~outcome_sinks_bit(&self->sinks, wire_view(sinks[i]));
    }
    return bits;
}

/* Events that were passed over as damaged can never be delivered: they count as settled, or their
 * segment would stay for ever. */
static void settle_lost(journal_cursor_t *cursor, uint64_t next_sequence)
{
    outcome_table_t *table = cursor->segment->table;
    if (cursor->next_sequence == 0)
        return;
    for (uint64_t lost = cursor->next_sequence; lost < next_sequence; lost++)
        (void)outcome_table_settle(table, lost, table->sinks->all);
}

static void count_damage(journal_cursor_t *cursor, journal_damage_t damage)
{
    journal_t *self = cursor->journal;
    journal_segment_t *segment = cursor->segment;
    char name[JOURNAL_NAME_BYTES];
    if (damage.bytes == 0 || damage.offset + damage.bytes <= segment->damage_noticed)
        return;
    segment->damage_noticed = damage.offset + damage.bytes;
    journal_name(name, segment->header.ordinal, JOURNAL_NAME_SEGMENT);
    if (journal_slot_keep_damage(&self->slot, name, cursor->scan.fd, damage.offset, damage.bytes))
        atomic_fetch_add(&self->counts.damaged_records, 1);
}

/* Goes on behind the end of a sealed segment.  False when there is nothing behind it. */
static bool go_on(journal_cursor_t *cursor)
{
    journal_segment_t *segment = cursor->segment;
    settle_lost(cursor, atomic_load(&segment->next_sequence));
    cursor->next_sequence = 0;
    cursor->position.offset = cursor->scan.end;
    journal_scan_seek(&cursor->scan, cursor->scan.end);
    journal_segment_t *next =
        journal_registry_from(&cursor->journal->registry, segment->header.ordinal + 1);
    if (!next)
        return false;
    leave(cursor);
    cursor->position = (journal_position_t){next->header.ordinal, JOURNAL_FILE_HEADER_BYTES};
    return true;
}

/* Decodes a record; false when it is no event, or says another length than its body has. */
static bool decode(journal_cursor_t *cursor, const journal_record_t *record, journal_event_t *event)
{
    disk_event_t *header = &event->event;
    if (record->kind != DISK_EVENT || wire_decode(record->header, record->header_bytes, &disk_event,
                                                  header, &cursor->memory, NULL) != WIRE_OK)
        return false;
    bool spilled = header->body_file.length > 0;
    event->body = spilled ? NULL : record->body;
    event->body_bytes = header->body_bytes;
    return spilled || header->body_bytes == record->body_bytes;
}

/* Makes an event of the record that was scanned.  False when it is not to be returned. */
static bool take(journal_cursor_t *cursor, const journal_record_t *record, journal_event_t *event)
{
    journal_segment_t *segment = cursor->segment;
    outcome_table_t *table = segment->table;
    uint64_t length = journal_record_bytes(record->header_bytes, record->body_bytes);
    journal_position_t position = {segment->header.ordinal, cursor->scan.offset - length};
    cursor->position.offset = cursor->scan.offset;
    settle_lost(cursor, record->sequence);
    cursor->next_sequence = record->sequence + 1;
    (void)outcome_table_cover(table, record->sequence + 1); /* else it is taken for unsettled */
    if (record->sequence < cursor->wanted_from)
        return false;
    *event = (journal_event_t){.position = position, .next = cursor->position};
    if (!decode(cursor, record, event)) {
        (void)outcome_table_settle(table, record->sequence, table->sinks->all);
        count_damage(cursor, (journal_damage_t){position.offset, length});
        return false;
    }
    (void)outcome_table_settle(table, record->sequence, not_routed(cursor->journal, &event->event));
    event->sequence = record->sequence;
    event->settled = outcome_table_settled(table, record->sequence);
    event->resolved = outcome_table_resolution(table, record->sequence) != 0;
    return true;
}

/* The disk has refused to read.  True when the cursor is to go on behind that place. */
static bool give_up(journal_cursor_t *cursor)
{
    int64_t now_ms = clock_now_ms();
    if (!cursor->refused_ms || cursor->refused_offset != cursor->scan.offset) {
        cursor->refused_offset = cursor->scan.offset;
        cursor->refused_ms = now_ms;
    }
    if (now_ms - cursor->refused_ms < REFUSED_FOR_MS || !journal_scan_pass_over(&cursor->scan))
        return false;
    cursor->refused_ms = 0;
    atomic_fetch_add(&cursor->journal->counts.damaged_records, 1);
    return true;
}

/* Scans on while nobody overwrites a record: half of one would be taken for damage. */
static int scan_next(journal_cursor_t *cursor, journal_record_t *record, journal_damage_t *damage,
                     fault_t *fault)
{
    journal_requests_t *requests = &cursor->journal->requests;
    pthread_mutex_lock(&requests->gate);
    uint64_t erasures = atomic_load(&requests->erasures);
    if (cursor->erasures != erasures)
        journal_scan_forget(&cursor->scan);
    cursor->erasures = erasures;
    int status = journal_scan_next(&cursor->scan, record, damage, fault);
    pthread_mutex_unlock(&requests->gate);
    return status;
}

int journal_read(journal_cursor_t *cursor, journal_event_t *event, fault_t *fault)
{
    for (;;) {
        journal_record_t record;
        journal_damage_t damage;
        int status = stand(cursor, fault);
        if (status != 1)
            return status;
        bool sealed = atomic_load(&cursor->segment->sealed);
        cursor->scan.end = atomic_load(&cursor->segment->end);
        status = scan_next(cursor, &record, &damage, fault);
        if (status < 0 && give_up(cursor))
            continue;
        if (status < 0)
            return -1;
        if (status == 1 || sealed)
            count_damage(cursor, damage);
        if (status == 1 && take(cursor, &record, event))
            return 1;
        if (status == 0 && (!sealed || !go_on(cursor)))
            return 0;
    }
}

/* Reads the record at `position`, checked, with `padding` bytes of room behind it; *record has
 * views into what is returned.  NULL when it cannot be read. */
static char *read_record_ungated(journal_t *self, journal_position_t position, size_t padding,
                                 journal_record_t *record, fault_t *fault)
{
    uint8_t frame[JOURNAL_FRAME_BYTES];
    journal_segment_t *segment = journal_registry_find(&self->registry, position.segment);
    int fd = segment ? journal_segment_read_fd(self, segment, fault) : -1;
    if (!segment)
        fault_set(fault, "segment %llu is not there", (unsigned long long)position.segment);
    if (fd < 0)
        return NULL;
    size_t length = 0;
    if (file_read_at(fd, frame, sizeof(frame), position.offset) == sizeof(frame))
        length = journal_record_claim(frame, segment->header.segment_id);
    char *bytes = length > 0 ? malloc(length + padding) : NULL;
    if (bytes && file_read_at(fd, bytes, length, position.offset) == (ssize_t)length &&
        journal_record_check((uint8_t *)bytes, length, record) == 0)
        return bytes;
    fault_set(fault, "the record at %llu of segment %llu cannot be read",
              (unsigned long long)position.offset, (unsigned long long)position.segment);
    free(bytes);
    return NULL;
}

static char *read_record(journal_t *self, journal_position_t position, size_t padding,
                         journal_record_t *record, fault_t *fault)
{
    pthread_mutex_lock(&self->requests.gate);
    char *bytes = read_record_ungated(self, position, padding, record, fault);
    pthread_mutex_unlock(&self->requests.gate);
    return bytes;
}

char *journal_record_read(journal_t *self, journal_position_t position, size_t *bytes,
                          fault_t *fault)
{
    journal_record_t record;
    char *framed = read_record(self, position, 0, &record, fault);
    if (framed)
        *bytes = journal_record_bytes(record.header_bytes, record.body_bytes);
    return framed;
}

static char *read_file(int fd, size_t padding, uint64_t wanted, fault_t *fault)
{
    struct stat status;
    if (fstat(fd, &status) || (uint64_t)status.st_size != wanted) {
        fault_set(fault, "the spilled body has not its %llu bytes", (unsigned long long)wanted);
        return NULL;
    }
    char *bytes = calloc(1, (size_t)wanted + padding + 1);
    if (bytes && file_read_at(fd, bytes, (size_t)wanted, 0) == (ssize_t)wanted)
        return bytes;
    fault_set_errno(fault, errno, "a spilled body of %llu bytes", (unsigned long long)wanted);
    free(bytes);
    return NULL;
}

static char *read_spilled(journal_t *self, const journal_event_t *event, size_t padding,
                          fault_t *fault)
{
    uint64_t number;
    char name[JOURNAL_NAME_BYTES];
    if (journal_body_name_parse(event->event.body_file, &number) != 0) {
        fault_set(fault, "a spilled body has a name that is not ours");
        return NULL;
    }
    journal_body_name(name, number);
    int fd = openat(self->slot.bodies, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fault_set_errno(fault, errno, "spilled body '%s'", name);
        return NULL;
    }
    char *bytes = read_file(fd, padding, event->body_bytes, fault);
    (void)close(fd);
    return bytes;
}

bool journal_body_gone(const journal_t *self, const disk_event_t *event)
{
    uint64_t number;
    struct stat status;
    char name[JOURNAL_NAME_BYTES];
    if (event->body_file.length == 0)
        return false;
    if (journal_body_name_parse(event->body_file, &number) != 0)
        return true;
    journal_body_name(name, number);
    if (fstatat(self->slot.bodies, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT;
    return !S_ISREG(status.st_mode) || (uint64_t)status.st_size != event->body_bytes;
}

char *journal_body_read(journal_t *self, const journal_event_t *event, size_t padding,
                        fault_t *fault)
{
    journal_record_t record;
    if (event->event.body_file.length > 0)
        return read_spilled(self, event, padding, fault);
    char *bytes = read_record(self, event->position, padding, &record, fault);
    if (!bytes)
        return NULL;
    memmove(bytes, record.body, record.body_bytes);
    memset(bytes + record.body_bytes, 0, padding);
    return bytes;
}
