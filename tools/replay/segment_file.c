#include "tools/replay/segment_file.h"

#include "common/base/file_io.h"
#include "common/journal/journal_scan.h"
#include "common/journal/journal_slot.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_file(const capture_slot_t *slot, uint64_t ordinal, const char *suffix)
{
    char name[JOURNAL_NAME_BYTES];
    journal_name(name, ordinal, suffix);
    return openat(slot->segments, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static bool read_header(int fd, const char *suffix, journal_file_header_t *header)
{
    uint8_t bytes[JOURNAL_FILE_HEADER_BYTES];
    bool segment = strcmp(suffix, JOURNAL_NAME_SEGMENT) == 0;
    return fd >= 0 && file_read_at(fd, bytes, sizeof(bytes), 0) == sizeof(bytes) &&
           journal_file_header_read(bytes, header) == 0 &&
           header->kind == (uint32_t)(segment ? JOURNAL_FILE_SEGMENT : JOURNAL_FILE_OUTCOMES);
}

/* Asks the file beside this one, or the first event. */
static void ask_others(segment_file_t *self, const capture_slot_t *slot, uint64_t ordinal,
                       const char *suffix)
{
    bool segment = strcmp(suffix, JOURNAL_NAME_SEGMENT) == 0;
    const char *beside = segment ? JOURNAL_NAME_OUTCOMES : JOURNAL_NAME_SEGMENT;
    journal_file_header_t header;
    int fd = open_file(slot, ordinal, beside);
    if (read_header(fd, beside, &header)) {
        self->segment_id = header.segment_id;
        self->first_sequence = header.first_sequence;
    } else {
        journal_scan_t scan = {0};
        journal_record_t record;
        journal_damage_t damage;
        int events = segment ? self->fd : fd;
        journal_scan_start(&scan, events, JOURNAL_ANY_SEGMENT, JOURNAL_FILE_HEADER_BYTES,
                           segment ? self->bytes : UINT64_MAX);
        if (events >= 0 && journal_scan_next(&scan, &record, &damage, NULL) == 1) {
            self->segment_id = record.segment_id;
            self->first_sequence = record.sequence;
        }
        journal_scan_free(&scan);
    }
    if (fd >= 0)
        (void)close(fd);
}

int segment_file_open(segment_file_t *self, const capture_slot_t *slot, uint64_t ordinal,
                      const char *suffix, fault_t *fault)
{
    struct stat status;
    *self = (segment_file_t){.fd = open_file(slot, ordinal, suffix)};
    if (self->fd < 0 || fstat(self->fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        int reason = self->fd < 0 ? errno : EINVAL;
        fault_set_errno(fault, reason, "segment %llu of %s", (unsigned long long)ordinal,
                        slot->path);
        segment_file_close(self);
        errno = reason;
        return -1;
    }
    self->bytes = (uint64_t)status.st_size;
    self->has_header = read_header(self->fd, suffix, &self->header);
    if (self->has_header) {
        self->segment_id = self->header.segment_id;
        self->first_sequence = self->header.first_sequence;
    } else {
        ask_others(self, slot, ordinal, suffix);
    }
    return 0;
}

void segment_file_close(segment_file_t *self)
{
    if (self->fd >= 0)
        (void)close(self->fd);
    self->fd = -1;
}
