#include "common/journal/journal_record.h"

#include "common/base/crc32c.h"

#include <endian.h>
#include <string.h>

static const char file_magic[8] = "POSTCALL";
static const char record_magic[4] = "PCRC";

/* A frame as it stands on disk. */
typedef struct {
    char magic[4];
    uint32_t crc; /* of everything behind it, to the end of the padding */
    uint64_t segment_id;
    uint64_t sequence;
    uint32_t kind;
    uint32_t header_bytes;
    uint64_t body_bytes;
} frame_t;

typedef struct {
    char magic[8];
    uint32_t kind;
    uint32_t version;
    uint64_t file_id;
    uint64_t segment_id;
    uint64_t ordinal;
    uint64_t first_sequence;
    uint64_t created_us;
    uint32_t reserved;
    uint32_t crc; /* of everything before it */
} file_header_t;

_Static_assert(sizeof(frame_t) == JOURNAL_FRAME_BYTES, "the frame has no holes");
_Static_assert(sizeof(file_header_t) == JOURNAL_FILE_HEADER_BYTES, "the file header has no holes");

#define CRC_FROM (offsetof(frame_t, crc) + sizeof(uint32_t))

void journal_file_header_write(const journal_file_header_t *header,
                               uint8_t out[JOURNAL_FILE_HEADER_BYTES])
{
    file_header_t disk = {
        .kind = htole32(header->kind),
        .version = htole32(JOURNAL_FORMAT_VERSION),
        .file_id = htole64(header->file_id),
        .segment_id = htole64(header->segment_id),
        .ordinal = htole64(header->ordinal),
        .first_sequence = htole64(header->first_sequence),
        .created_us = htole64(header->created_us),
    };
    memcpy(disk.magic, file_magic, sizeof(disk.magic));
    disk.crc = htole32(crc32c_update(0, &disk, offsetof(file_header_t, crc)));
    memcpy(out, &disk, sizeof(disk));
}

int journal_file_header_read(const uint8_t bytes[JOURNAL_FILE_HEADER_BYTES],
                             journal_file_header_t *header)
{
    file_header_t disk;
    memcpy(&disk, bytes, sizeof(disk));
    if (memcmp(disk.magic, file_magic, sizeof(disk.magic)) != 0 ||
        le32toh(disk.crc) != crc32c_update(0, &disk, offsetof(file_header_t, crc)) ||
        le32toh(disk.version) != JOURNAL_FORMAT_VERSION)
        return -1;
    *header = (journal_file_header_t){
        .kind = le32toh(disk.kind),
        .file_id = le64toh(disk.file_id),
        .segment_id = le64toh(disk.segment_id),
        .ordinal = le64toh(disk.ordinal),
        .first_sequence = le64toh(disk.first_sequence),
        .created_us = le64toh(disk.created_us),
    };
    return 0;
}

size_t journal_record_padding(size_t header_bytes, size_t body_bytes)
{
    size_t over = (header_bytes + body_bytes) % JOURNAL_ALIGNMENT;
    return over ? JOURNAL_ALIGNMENT - over : 0;
}

size_t journal_record_bytes(size_t header_bytes, size_t body_bytes)
{
    return JOURNAL_FRAME_BYTES + header_bytes + body_bytes +
           journal_record_padding(header_bytes, body_bytes);
}

void journal_record_frame(const journal_record_t *record, uint8_t out[JOURNAL_FRAME_BYTES])
{
    static const char zeros[JOURNAL_ALIGNMENT];
    frame_t disk = {
        .segment_id = htole64(record->segment_id),
        .sequence = htole64(record->sequence),
        .kind = htole32((uint32_t)record->kind),
        .header_bytes = htole32((uint32_t)record->header_bytes),
        .body_bytes = htole64(record->body_bytes),
    };
    memcpy(disk.magic, record_magic, sizeof(disk.magic));
    uint32_t crc = crc32c_update(0, (const char *)&disk + CRC_FROM, sizeof(disk) - CRC_FROM);
    crc = crc32c_update(crc, record->header, record->header_bytes);
    crc = crc32c_update(crc, record->body, record->body_bytes);
    crc =
        crc32c_update(crc, zeros, journal_record_padding(record->header_bytes, record->body_bytes));
    disk.crc = htole32(crc);
    memcpy(out, &disk, sizeof(disk));
}

size_t journal_record_claim(const uint8_t *bytes, uint64_t segment_id)
{
    frame_t disk;
    memcpy(&disk, bytes, sizeof(disk));
    uint64_t claimed_id = le64toh(disk.segment_id);
    uint32_t kind = le32toh(disk.kind);
    if (memcmp(disk.magic, record_magic, sizeof(disk.magic)) != 0 ||
        claimed_id == JOURNAL_ANY_SEGMENT ||
        (segment_id != JOURNAL_ANY_SEGMENT && claimed_id != segment_id) || kind < DISK_EVENT ||
        kind > DISK_ERASURE || le32toh(disk.header_bytes) > JOURNAL_HEADER_BYTES_MAX ||
        le64toh(disk.body_bytes) > JOURNAL_BODY_BYTES_MAX)
        return 0;
    return journal_record_bytes(le32toh(disk.header_bytes), (size_t)le64toh(disk.body_bytes));
}

int journal_record_check(const uint8_t *bytes, size_t length, journal_record_t *record)
{
    frame_t disk;
    memcpy(&disk, bytes, sizeof(disk));
    if (crc32c_update(0, bytes + CRC_FROM, length - CRC_FROM) != le32toh(disk.crc))
        return -1;
    const char *header = (const char *)bytes + JOURNAL_FRAME_BYTES;
    *record = (journal_record_t){
        .kind = (disk_kind_t)le32toh(disk.kind),
        .segment_id = le64toh(disk.segment_id),
        .sequence = le64toh(disk.sequence),
        .header = header,
        .header_bytes = le32toh(disk.header_bytes),
        .body = header + le32toh(disk.header_bytes),
        .body_bytes = (size_t)le64toh(disk.body_bytes),
    };
    return 0;
}
