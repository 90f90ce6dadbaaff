#include "tools/replay/check.h"

#include "common/base/crc32c.h"
#include "common/base/digest.h"
#include "common/base/file_io.h"
#include "common/journal/dead_letter_file.h"
#include "common/journal/journal_scan.h"
#include "proto/routes.h"
#include "providers/providers.h"
#include "tools/replay/outcomes.h"
#include "tools/replay/repair.h"
#include "tools/replay/segment_file.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* proto/JOURNAL.md: where the hint of a segment has the segment's length and its own checksum. */
#define INDEX_HEAD_BYTES  136
#define INDEX_LENGTH_AT   64
#define INDEX_CHECKSUM_AT 132

typedef struct {
    const options_t *options;
    const capture_slot_t *slot;
    journal_slot_t taken; /* with --repair */
    uint64_t events, outcomes, bodies, letters;
    uint64_t damaged;  /* in all */
    uint64_t repaired; /* of these */
    wire_memory_t memory;
} check_t;

/* One file of a segment. */
typedef struct {
    check_t *check;
    char name[JOURNAL_NAME_BYTES];
    uint64_t ordinal;
    bool last;        /* of its slot: its end may be torn */
    uint64_t damaged; /* before this file */
    outcomes_t *outcomes;
} checked_t;

static void say(check_t *self, const char *directory, const char *name, uint64_t offset,
                const char *what)
{
    self->damaged++;
    printf("%s/%s%s: offset %" PRIu64 ": %s\n", self->slot->path,
           self->slot->directory >= 0 ? directory : "", name, offset, what);
}

static void say_damage(check_t *self, const char *name, const journal_damage_t *damage)
{
    char what[64];
    snprintf(what, sizeof(what), "%" PRIu64 " bytes hold no record", damage->bytes);
    say(self, "segments/", name, damage->offset, what);
}

/* Bodies. */

static bool is_settled(const checked_t *checked, uint64_t sequence, const disk_event_t *event)
{
    uint32_t routed = provider_sink_bits(event->provider, event->event_type, route_sink_names);
    return (outcomes_of(checked->outcomes, sequence).settled & routed) == routed;
}

static int set_body_aside(check_t *self, const char *name, fault_t *fault)
{
    if (!self->options->repair)
        return 0;
    if (repair_move(&self->taken, self->slot->bodies[0], name, fault) != 0)
        return -1;
    self->repaired++;
    return 0;
}

/* A webhook in a file of its own.  One that may not be kept is gone as it should be, once its event
 * is settled. */
static int check_body(checked_t *checked, uint64_t sequence, const disk_event_t *event,
                      fault_t *fault)
{
    check_t *self = checked->check;
    uint8_t digest[DIGEST_BYTES];
    char name[DISK_BODY_FILE_BYTES_MAX + 1];
    snprintf(name, sizeof(name), "%.*s", WIRE_ARGUMENTS(event->body_file));
    char *body = capture_read_body(self->slot, event, NULL, fault);
    int reason = errno;
    self->bodies++;
    if (body) {
        digest_sha256(body, event->body_bytes, digest);
        free(body);
        if (memcmp(digest, event->digest.bytes, sizeof(digest)) == 0)
            return 0;
        say(self, "bodies/", name, 0, "it is not the webhook that came");
        return set_body_aside(self, name, fault);
    }
    if (reason == ENOENT &&
        (is_settled(checked, sequence, event) || repair_was_moved(self->slot, name)))
        return 0;
    say(self, "bodies/", name, 0, reason == ENOENT ? "it is not there" : strerror(reason));
    return set_body_aside(self, name, fault);
}

/* Segments. */

/* Was the segment longer when its hint was written? */
static void check_length(checked_t *checked, const segment_file_t *file)
{
    uint8_t hint[INDEX_HEAD_BYTES];
    char name[JOURNAL_NAME_BYTES];
    journal_file_header_t header;
    uint32_t crc;
    uint64_t length;
    journal_name(name, checked->ordinal, JOURNAL_NAME_INDEX);
    int fd = openat(checked->check->slot->segments, name, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? file_read_at(fd, hint, sizeof(hint), 0) : -1;
    if (fd >= 0)
        (void)close(fd);
    if (got != sizeof(hint) || journal_file_header_read(hint, &header) != 0)
        return;
    memcpy(&crc, hint + INDEX_CHECKSUM_AT, sizeof(crc));
    memcpy(&length, hint + INDEX_LENGTH_AT, sizeof(length));
    if (le32toh(crc) == crc32c_update(0, hint, INDEX_CHECKSUM_AT) && file->has_header &&
        header.file_id == file->header.file_id && le64toh(length) > file->bytes)
        say(checked->check, "segments/", checked->name, file->bytes, "it was longer once");
}

static int check_record(checked_t *checked, const journal_record_t *record, uint64_t offset,
                        fault_t *fault)
{
    check_t *self = checked->check;
    disk_event_t event;
    if (record->kind != DISK_EVENT || wire_decode(record->header, record->header_bytes, &disk_event,
                                                  &event, &self->memory, NULL) != WIRE_OK) {
        say(self, "segments/", checked->name, offset, "a record that is no event");
        return 0;
    }
    self->events++;
    return event.body_file.length > 0 ? check_body(checked, record->sequence, &event, fault) : 0;
}

static int check_outcome(checked_t *checked, const journal_record_t *record, uint64_t offset)
{
    check_t *self = checked->check;
    union {
        disk_resolution_t resolution;
        disk_settlement_t settlement;
    } unused;
    bool resolution = record->kind == DISK_RESOLUTION;
    const wire_table_t *table = resolution ? &disk_resolution : &disk_settlement;
    if ((!resolution && record->kind != DISK_SETTLEMENT) ||
        wire_decode(record->header, record->header_bytes, table, &unused, &self->memory, NULL) !=
            WIRE_OK)
        say(self, "segments/", checked->name, offset, "a record that is no outcome");
    self->outcomes++;
    return 0;
}

/* Reads every record of a file.  0, or -1. */
static int scan_file(checked_t *checked, const segment_file_t *file, bool segment, fault_t *fault)
{
    journal_scan_t scan = {0};
    journal_record_t record;
    journal_damage_t damage;
    int found, status = 0;
    journal_scan_start(&scan, file->fd, file->segment_id, JOURNAL_FILE_HEADER_BYTES, file->bytes);
    do {
        found = journal_scan_next(&scan, &record, &damage, fault);
        if (found < 0) {
            say(checked->check, "segments/", checked->name, scan.offset, fault->text);
            found = journal_scan_pass_over(&scan) ? 1 : -1;
            continue;
        }
        if (damage.bytes > 0 && (found == 1 || !checked->last))
            say_damage(checked->check, checked->name, &damage);
        uint64_t offset =
            found == 1 ? scan.offset - journal_record_bytes(record.header_bytes, record.body_bytes)
                       : 0;
        if (found == 1)
            status = segment ? check_record(checked, &record, offset, fault)
                             : check_outcome(checked, &record, offset);
    } while (found == 1 && status == 0);
    journal_scan_free(&scan);
    return found < 0 ? -1 : status;
}

/* Sets aside what was said of a file of records since it was begun. */
static int repair(checked_t *checked, const char *suffix, uint64_t bodies, fault_t *fault)
{
    check_t *self = checked->check;
    uint64_t hit = self->damaged - checked->damaged - bodies;
    if (!self->options->repair || hit == 0)
        return 0;
    if (repair_file(&self->taken, self->slot, checked->ordinal, suffix, fault) != 0)
        return -1;
    self->repaired += hit;
    return 0;
}

static int check_file(checked_t *checked, const char *suffix, fault_t *fault)
{
    check_t *self = checked->check;
    bool segment = strcmp(suffix, JOURNAL_NAME_SEGMENT) == 0;
    segment_file_t file;
    uint64_t repaired = self->repaired;
    checked->damaged = self->damaged;
    journal_name(checked->name, checked->ordinal, suffix);
    if (segment_file_open(&file, self->slot, checked->ordinal, suffix, fault) != 0)
        return errno == ENOENT ? 0 : -1;
    bool begun = checked->last && file.bytes < JOURNAL_FILE_HEADER_BYTES;
    if (!file.has_header && !begun)
        say(self, "segments/", checked->name, 0, "no file header");
    if (segment)
        check_length(checked, &file);
    int status = scan_file(checked, &file, segment, fault);
    segment_file_close(&file);
    return status == 0 ? repair(checked, suffix, self->repaired - repaired, fault) : -1;
}

static int check_segment(check_t *self, size_t index, fault_t *fault)
{
    checked_t checked = {.check = self,
                         .ordinal = self->slot->items[index].ordinal,
                         .last = index + 1 == self->slot->count};
    if (check_file(&checked, JOURNAL_NAME_OUTCOMES, fault) != 0)
        return -1;
    checked.outcomes = outcomes_new(self->slot, checked.ordinal, fault);
    if (!checked.outcomes)
        return errno == ENOENT ? 0 : -1; /* deleted meanwhile */
    int status = check_file(&checked, JOURNAL_NAME_SEGMENT, fault);
    outcomes_destroy(&checked.outcomes);
    return status;
}

/* Letters. */

static int check_letter(check_t *self, const char *name, fault_t *fault)
{
    dead_letter_file_t file = {0};
    wire_memory_t memory = {0};
    disk_event_t event;
    const char *body;
    bool good = dead_letter_file_read(&file, self->slot->dead, name) == 0 &&
                dead_letter_event(&file.letter, &memory, &event, &body) == 0;
    bool there = good || faccessat(self->slot->dead, name, F_OK, 0) == 0;
    int status = 0;
    self->letters += there;
    if (!good && there) {
        say(self, DEAD_LETTERS_DIRECTORY "/", name, 0, "it is no letter");
        if (self->options->repair) {
            status = repair_move(&self->taken, self->slot->dead, name, fault);
            self->repaired += status == 0;
        }
    }
    dead_letter_file_free(&file);
    wire_memory_free(&memory);
    return status;
}

static int check_letters(check_t *self, fault_t *fault)
{
    dead_letter_page_t page = {0};
    char after[DEAD_LETTER_NAME_BYTES] = "";
    int status = 0;
    if (self->slot->dead < 0)
        return 0;
    do {
        status = dead_letter_page_read(&page, self->slot->dead, after, fault);
        for (size_t i = 0; i < page.count && status == 0; i++)
            status = check_letter(self, page.names[i], fault);
        if (page.count > 0)
            snprintf(after, sizeof(after), "%s", page.names[page.count - 1]);
    } while (page.count > 0 && status == 0);
    dead_letter_page_free(&page);
    return status;
}

static int check_slot(check_t *self, fault_t *fault)
{
    int status = 0;
    if (self->options->repair && repair_take(&self->taken, self->slot, fault) != 0)
        return -1;
    for (size_t i = 0; i < self->slot->count && status == 0; i++)
        status = check_segment(self, i, fault);
    if (status == 0)
        status = check_letters(self, fault);
    if (self->options->repair)
        journal_slot_release(&self->taken);
    return status;
}

int check_run(const options_t *options, const capture_t *capture, fault_t *fault)
{
    check_t self = {.options = options};
    int status = 0;
    for (size_t i = 0; i < capture->count && status == 0; i++) {
        self.slot = &capture->slots[i];
        status = check_slot(&self, fault);
    }
    wire_memory_free(&self.memory);
    if (status != 0)
        return -1;
    printf("checked %" PRIu64 " events, %" PRIu64 " outcomes, %" PRIu64
           " spilled webhooks, %" PRIu64 " dead letters: ",
           self.events, self.outcomes, self.bodies, self.letters);
    if (self.damaged == 0)
        puts("nothing is damaged");
    else
        printf("%" PRIu64 " damaged, %" PRIu64 " set aside\n", self.damaged, self.repaired);
    return self.damaged > 0;
}
