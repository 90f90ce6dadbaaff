/* One pass over a segment file at start-up: what is in it, and which file header it deserves. */

#include "common/journal/journal_startup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void count_damage(journal_t *self, journal_survey_t *survey, journal_damage_t damage)
{
    char name[JOURNAL_NAME_BYTES];
    if (damage.bytes == 0)
        return;
    survey->index->damaged++;
    journal_name(name, survey->index->segment.ordinal, JOURNAL_NAME_SEGMENT);
    (void)journal_slot_keep_damage(&self->slot, name, survey->fd, damage.offset, damage.bytes);
}

/* Takes in one good record.  -1: the copy could not be written. */
static int take_record(journal_t *self, journal_survey_t *survey, const journal_scan_t *scan,
                       const journal_record_t *record, wire_memory_t *memory)
{
    disk_event_t event;
    size_t length = journal_record_bytes(record->header_bytes, record->body_bytes);
    if (record->kind != DISK_EVENT || wire_decode(record->header, record->header_bytes, &disk_event,
                                                  &event, memory, NULL) != WIRE_OK) {
        count_damage(self, survey, (journal_damage_t){scan->offset - length, length});
        return 0;
    }
    journal_index_add(survey->index, record->sequence, &event);
    if (!survey->copy)
        return 0;
    return file_writer_put(survey->copy, record->header - JOURNAL_FRAME_BYTES, length);
}

int journal_survey(journal_t *self, journal_survey_t *survey, fault_t *fault)
{
    journal_scan_t scan = {0};
    wire_memory_t memory = {0};
    journal_record_t record;
    journal_damage_t damage;
    int status;
    journal_scan_start(&scan, survey->fd, survey->index->segment.segment_id,
                       JOURNAL_FILE_HEADER_BYTES, survey->index->segment_bytes);
    for (;;) {
        status = journal_scan_next(&scan, &record, &damage, fault);
        if (status < 0 && journal_scan_pass_over(&scan)) {
            survey->unreadable = true;
            survey->index->damaged++;
            continue;
        }
        if (status != 1)
            break;
        count_damage(self, survey, damage);
        if (take_record(self, survey, &scan, &record, &memory) != 0) {
            status = fault_set_errno(fault, errno, "copy of a segment");
            break;
        }
    }
    survey->torn_bytes = status == 0 ? damage.bytes : 0;
    journal_scan_free(&scan);
    wire_memory_free(&memory);
    return status;
}

void journal_segment_count_missing(const journal_t *self, journal_index_t *index)
{
    if (index->damaged == 0 &&
        journal_index_claim(&index->segment, self->slot.segments) > index->events)
        index->damaged++;
}

static int read_header(int fd, uint32_t kind, uint64_t ordinal, journal_file_header_t *header)
{
    uint8_t bytes[JOURNAL_FILE_HEADER_BYTES];
    journal_file_header_t found;
    if (file_read_at(fd, bytes, sizeof(bytes), 0) != sizeof(bytes) ||
        journal_file_header_read(bytes, &found) != 0 || found.kind != kind ||
        found.ordinal != ordinal)
        return -1;
    *header = found;
    return 0;
}

/* The header of the outcome file says which segment it belongs to. */
static int identify_by_outcomes(const journal_t *self, journal_file_header_t *header)
{
    char name[JOURNAL_NAME_BYTES];
    journal_name(name, header->ordinal, JOURNAL_NAME_OUTCOMES);
    int fd = openat(self->slot.segments, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int status = read_header(fd, JOURNAL_FILE_OUTCOMES, header->ordinal, header);
    (void)close(fd);
    header->file_id = 0;
    return status;
}

/* The first good record says it, whatever its id is. */
static int identify_by_records(int fd, uint64_t bytes, journal_file_header_t *header)
{
    journal_scan_t scan = {0};
    journal_record_t record;
    journal_damage_t damage;
    journal_scan_start(&scan, fd, JOURNAL_ANY_SEGMENT, JOURNAL_FILE_HEADER_BYTES, bytes);
    int found = journal_scan_next(&scan, &record, &damage, NULL);
    if (found == 1) {
        header->segment_id = record.segment_id;
        header->first_sequence = record.sequence;
    }
    journal_scan_free(&scan);
    return found == 1 ? 0 : -1;
}

static bool is_blank(int fd, uint64_t bytes)
{
    char chunk[4096];
    for (uint64_t offset = 0; offset < bytes; offset += sizeof(chunk)) {
        ssize_t got = file_read_at(fd, chunk, sizeof(chunk), offset);
        if (got < 0)
            return false;
        for (ssize_t i = 0; i < got; i++) {
            if (chunk[i])
                return false;
        }
    }
    return true;
}

static void identify(const journal_t *self, journal_segment_file_t *file)
{
    journal_file_header_t *header = &file->header;
    file->has_header = read_header(file->fd, JOURNAL_FILE_SEGMENT, header->ordinal, header) == 0;
    file->known = file->has_header || identify_by_outcomes(self, header) == 0 ||
                  identify_by_records(file->fd, file->bytes, header) == 0;
    file->blank = !file->has_header &&
                  (file->bytes <= JOURNAL_FILE_HEADER_BYTES || is_blank(file->fd, file->bytes));
    header->kind = JOURNAL_FILE_SEGMENT;
}

int journal_segment_open(const journal_t *self, uint64_t ordinal, journal_segment_file_t *file,
                         fault_t *fault)
{
    char name[JOURNAL_NAME_BYTES];
    struct stat status;
    journal_name(name, ordinal, JOURNAL_NAME_SEGMENT);
    *file = (journal_segment_file_t){.header = {.ordinal = ordinal}};
    file->fd = openat(self->slot.segments, name, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0 && (errno == EIO || errno == ENOENT))
        return 0;
    if (file->fd < 0 || fstat(file->fd, &status))
        return fault_set_errno(fault, errno, "segment '%s'", name);
    file->bytes = (uint64_t)status.st_size;
    identify(self, file);
    return 0;
}

void journal_segment_drop(journal_t *self, uint64_t ordinal, bool damaged, journal_found_t *found)
{
    char name[JOURNAL_NAME_BYTES];
    journal_name(name, ordinal, JOURNAL_NAME_SEGMENT);
    if (damaged) {
        found->damaged_files++;
        journal_slot_set_aside(&self->slot, name);
    } else {
        (void)unlinkat(self->slot.segments, name, 0);
    }
}
