/* Segment and outcome files: whatever stands between good records, each of them is found, in order,
 * and whatever its header holds, taking it in does no harm.
 *
 * The input is a list of pieces: one byte of kind, two of length, and so many bytes.  A piece is
 * damage as it stands, or the header of a good record, or the body of one.  The segment's id is
 * made from the input, so that no piece can know it. */
#include "common/base/digest.h"
#include "common/journal/journal_index.h"
#include "common/journal/journal_scan.h"
#include "common/journal/outcome_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILE_BYTES_MAX (4u << 20)
#define RECORDS_MAX    4096

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes);

typedef struct {
    uint8_t *bytes;
    size_t length;
    uint64_t segment_id;
    uint64_t sequences[RECORDS_MAX]; /* of the good records, in order */
    size_t count;
} file_t;

static void add_bytes(file_t *file, const void *bytes, size_t length)
{
    if (length > 0)
        memcpy(file->bytes + file->length, bytes, length);
    file->length += length;
}

static void add_zeros(file_t *file, size_t length)
{
    memset(file->bytes + file->length, 0, length);
    file->length += length;
}

static void add_record(file_t *file, disk_kind_t kind, const uint8_t *payload, size_t length)
{
    uint8_t frame[JOURNAL_FRAME_BYTES];
    size_t in_header = kind == DISK_LETTER ? 0 : length; /* a letter's payload is its body */
    journal_record_t record = {
        .kind = kind,
        .segment_id = file->segment_id,
        .sequence = 100 + file->count,
        .header = (const char *)payload,
        .header_bytes = in_header,
        .body = (const char *)payload,
        .body_bytes = length - in_header,
    };
    journal_record_frame(&record, frame);
    add_bytes(file, frame, sizeof(frame));
    add_bytes(file, payload, length);
    add_zeros(file, journal_record_padding(in_header, length - in_header));
    file->sequences[file->count++] = record.sequence;
}

static void build(file_t *file, const uint8_t *input, size_t bytes)
{
    while (bytes >= 3 && file->count < RECORDS_MAX && file->length + 70000 < FILE_BYTES_MAX) {
        size_t length = (size_t)(input[1] | input[2] << 8);
        const uint8_t *payload = input + 3;
        if (length > bytes - 3)
            length = bytes - 3;
        unsigned kind = input[0] % 5;
        if (kind == 0) {
            add_bytes(file, payload, length);
            add_zeros(file, (8 - length % 8) % 8);
        } else {
            add_record(file, (disk_kind_t)kind, payload, length);
        }
        input += 3 + length;
        bytes -= 3 + length;
    }
}

static void take_in(outcome_table_t *table, journal_index_t *index, wire_memory_t *memory,
                    const journal_scan_t *scan, const journal_record_t *record)
{
    disk_event_t event;
    disk_resolution_t resolution;
    uint64_t offset = scan->offset - journal_record_bytes(record->header_bytes, record->body_bytes);
    (void)outcome_table_apply(table, record, offset, &resolution);
    if (record->kind == DISK_EVENT && wire_decode(record->header, record->header_bytes, &disk_event,
                                                  &event, memory, NULL) == WIRE_OK)
        journal_index_add(index, record->sequence, &event);
    assert(outcome_table_settled(table, record->sequence) <= table->sinks->all);
    assert(table->open <= table->count);
}

static void read_back(const file_t *file, int fd)
{
    static const char *const names[] = {"logger", "recorder", "resources-sink"};
    const outcome_sinks_t sinks = {names, 3, 7, {0, 101, 0}};
    outcome_table_t *table = outcome_table_new(&sinks, 90);
    journal_index_t index = {.segment_bytes = file->length};
    wire_memory_t memory = {0};
    journal_scan_t scan = {0};
    journal_record_t record;
    journal_damage_t damage;
    size_t found = 0;
    assert(table && outcome_table_cover(table, 120) == 0);
    journal_scan_start(&scan, fd, file->segment_id, 0, file->length);
    while (journal_scan_next(&scan, &record, &damage, NULL) == 1) {
        assert(found < file->count && record.sequence == file->sequences[found]);
        found++;
        take_in(table, &index, &memory, &scan, &record);
    }
    assert(found == file->count);
    assert(damage.offset + damage.bytes == file->length);
    journal_scan_free(&scan);
    journal_index_free(&index);
    outcome_table_destroy(&table);
    wire_memory_free(&memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
    static file_t file;
    uint8_t digest[DIGEST_BYTES];
    if (!file.bytes)
        file.bytes = malloc(FILE_BYTES_MAX);
    assert(file.bytes);
    digest_sha256(input, bytes, digest);
    memcpy(&file.segment_id, digest, sizeof(file.segment_id));
    file.length = file.count = 0;
    build(&file, input, bytes);
    int fd = memfd_create("journal", 0);
    assert(fd >= 0 && write(fd, file.bytes, file.length) == (ssize_t)file.length);
    read_back(&file, fd);
    close(fd);
    return 0;
}
