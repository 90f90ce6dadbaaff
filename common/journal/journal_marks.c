#include "common/journal/journal_marks.h"

#include "common/base/crc32c.h"
#include "common/base/file_io.h"
#include "common/journal/journal_slot.h"

#include <endian.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The file: a file header, this, then conversations, resolutions and settled bits. */
typedef struct {
    uint64_t outcomes_bytes;
    uint64_t events;
    uint64_t conversations;
    uint8_t sinks[FINGERPRINT_BYTES];
    uint32_t settled_by_all;
    uint32_t arrays_crc;
    uint32_t reserved;
    uint32_t crc; /* of the file header and everything before it here */
} summary_t;

typedef struct {
    uint8_t header[JOURNAL_FILE_HEADER_BYTES];
    summary_t summary;
} head_t;

_Static_assert(sizeof(head_t) == 120, "the head has no holes");
_Static_assert(sizeof(outcome_conversation_t) == 24, "a conversation has no holes");

#define EVENT_BYTES (sizeof(uint32_t) + sizeof(uint16_t))

/* Where the three arrays begin in the bytes behind the head. */
typedef struct {
    size_t resolutions;
    size_t settled;
    size_t end;
} layout_t;

static layout_t layout_of(size_t conversations, size_t events)
{
    layout_t layout;
    layout.resolutions = conversations * sizeof(outcome_conversation_t);
    layout.settled = layout.resolutions + events * sizeof(uint32_t);
    layout.end = layout.settled + events * sizeof(uint16_t);
    return layout;
}

static void put_arrays(const outcome_table_t *table, char *arrays)
{
    layout_t layout = layout_of(table->conversation_count, table->count);
    for (size_t i = 0; i < table->conversation_count; i++) {
        outcome_conversation_t conversation = table->conversations[i];
        conversation.offset = htole64(conversation.offset);
        memcpy(arrays + i * sizeof(conversation), &conversation, sizeof(conversation));
    }
    for (size_t i = 0; i < table->count; i++) {
        uint32_t resolution = htole32(table->resolutions[i]);
        uint16_t settled = htole16(table->settled[i]);
        memcpy(arrays + layout.resolutions + i * sizeof(resolution), &resolution,
               sizeof(resolution));
        memcpy(arrays + layout.settled + i * sizeof(settled), &settled, sizeof(settled));
    }
}

static void put_head(const journal_marks_of_t *of, const outcome_table_t *table,
                     uint32_t arrays_crc, head_t *head)
{
    journal_file_header_t header = of->segment;
    header.kind = JOURNAL_FILE_MARKS;
    header.file_id = of->outcomes_file_id;
    journal_file_header_write(&header, head->header);
    head->summary = (summary_t){
        .outcomes_bytes = htole64(of->outcomes_bytes),
        .events = htole64(table->count),
        .conversations = htole64(table->conversation_count),
        .settled_by_all = htole32(outcome_table_settled_by_all(table)),
        .arrays_crc = htole32(arrays_crc),
    };
    outcome_sinks_key(table->sinks, head->summary.sinks);
    head->summary.crc = htole32(crc32c_update(0, head, sizeof(*head) - sizeof(uint32_t)));
}

char *journal_marks_make(const journal_marks_of_t *of, const outcome_table_t *table, size_t *length)
{
    size_t arrays_bytes = layout_of(table->conversation_count, table->count).end;
    char *bytes = table->incomplete ? NULL : malloc(sizeof(head_t) + arrays_bytes);
    if (!bytes)
        return NULL;
    head_t head;
    char *arrays = bytes + sizeof(head);
    put_arrays(table, arrays);
    put_head(of, table, crc32c_update(0, arrays, arrays_bytes), &head);
    memcpy(bytes, &head, sizeof(head));
    *length = sizeof(head) + arrays_bytes;
    return bytes;
}

void journal_marks_write(int segments, uint64_t ordinal, const char *bytes, size_t length)
{
    char name[JOURNAL_NAME_BYTES];
    journal_name(name, ordinal, JOURNAL_NAME_MARKS);
    (void)file_replace(segments, name, bytes, length, FILE_HINT);
}

/* Reads the head, and believes it when it is whole and about the outcome file that is meant. */
static int load_head(const journal_marks_of_t *of, const outcome_sinks_t *sinks, int fd,
                     summary_t *summary)
{
    head_t head;
    journal_file_header_t header;
    uint8_t key[FINGERPRINT_BYTES];
    struct stat status;
    if (file_read_at(fd, &head, sizeof(head), 0) != sizeof(head) || fstat(fd, &status) ||
        le32toh(head.summary.crc) != crc32c_update(0, &head, sizeof(head) - sizeof(uint32_t)) ||
        journal_file_header_read(head.header, &header) != 0)
        return -1;
    outcome_sinks_key(sinks, key);
    uint64_t room = ((uint64_t)status.st_size - sizeof(head)) / sizeof(uint16_t);
    uint64_t events = le64toh(head.summary.events);
    uint64_t conversations = le64toh(head.summary.conversations);
    if (header.kind != JOURNAL_FILE_MARKS || header.file_id != of->outcomes_file_id ||
        header.segment_id != of->segment.segment_id || header.ordinal != of->segment.ordinal ||
        header.first_sequence != of->segment.first_sequence ||
        le64toh(head.summary.outcomes_bytes) != of->outcomes_bytes ||
        memcmp(head.summary.sinks, key, sizeof(key)) != 0 || events > room ||
        conversations > room ||
        (uint64_t)status.st_size != sizeof(head) + layout_of(conversations, events).end)
        return -1;
    *summary = head.summary;
    return 0;
}

static int open_marks(const journal_marks_of_t *of, int segments)
{
    char name[JOURNAL_NAME_BYTES];
    journal_name(name, of->segment.ordinal, JOURNAL_NAME_MARKS);
    return openat(segments, name, O_RDONLY | O_CLOEXEC);
}

int journal_marks_peek(const journal_marks_of_t *of, const outcome_sinks_t *sinks, uint64_t events,
                       int segments, uint16_t *settled_by_all)
{
    summary_t summary;
    int fd = open_marks(of, segments);
    if (fd < 0)
        return -1;
    int status = load_head(of, sinks, fd, &summary);
    (void)close(fd);
    if (status != 0 || le64toh(summary.events) != events)
        return -1;
    *settled_by_all = (uint16_t)le32toh(summary.settled_by_all);
    return 0;
}

static void take_events(outcome_table_t *table, const char *arrays, layout_t layout, size_t events)
{
    for (size_t i = 0; i < events; i++) {
        uint32_t resolution;
        uint16_t settled;
        memcpy(&resolution, arrays + layout.resolutions + i * sizeof(resolution),
               sizeof(resolution));
        memcpy(&settled, arrays + layout.settled + i * sizeof(settled), sizeof(settled));
        table->resolutions[i] = le32toh(resolution);
        (void)outcome_table_settle(table, table->first_sequence + i, le16toh(settled));
    }
}

static int take_conversations(outcome_table_t *table, const char *arrays, size_t count)
{
    if (count == 0)
        return 0;
    table->conversations = malloc(count * sizeof(*table->conversations));
    if (!table->conversations)
        return -1;
    table->conversation_count = table->conversation_capacity = count;
    memcpy(table->conversations, arrays, count * sizeof(*table->conversations));
    for (size_t i = 0; i < count; i++)
        table->conversations[i].offset = le64toh(table->conversations[i].offset);
    return 0;
}

int journal_marks_load(const journal_marks_of_t *of, outcome_table_t *table, int segments)
{
    summary_t summary;
    char *arrays = NULL;
    int status = -1;
    int fd = open_marks(of, segments);
    if (fd < 0)
        return -1;
    if (load_head(of, table->sinks, fd, &summary) == 0 && le64toh(summary.events) <= table->count) {
        size_t conversations = (size_t)le64toh(summary.conversations);
        size_t events = (size_t)le64toh(summary.events);
        layout_t layout = layout_of(conversations, events);
        arrays = malloc(layout.end + 1);
        if (arrays && file_read_at(fd, arrays, layout.end, sizeof(head_t)) == (ssize_t)layout.end &&
            crc32c_update(0, arrays, layout.end) == le32toh(summary.arrays_crc) &&
            take_conversations(table, arrays, conversations) == 0) {
            take_events(table, arrays, layout, events);
            table->changed = false;
            status = 0;
        }
    }
    free(arrays);
    (void)close(fd);
    return status;
}
