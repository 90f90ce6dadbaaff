#include "common/journal/journal_index.h"

#include "common/base/crc32c.h"
#include "common/base/file_io.h"
#include "common/journal/journal_slot.h"

#include <endian.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALLEST_CAPACITY 64

/* The file: a file header, this, the bodies, the keys. */
typedef struct {
    uint64_t segment_bytes;
    uint64_t events;
    uint64_t last_sequence;
    uint64_t newest_us;
    uint64_t damaged;
    uint64_t keys;
    uint64_t bodies;
    uint32_t keys_crc;
    uint32_t bodies_crc;
    uint32_t reserved;
    uint32_t crc; /* of the file header and everything before it here */
} summary_t;

_Static_assert(sizeof(summary_t) == 72, "the summary has no holes");
_Static_assert(sizeof(journal_key_t) == 24, "a key has no holes");

typedef struct {
    uint8_t header[JOURNAL_FILE_HEADER_BYTES];
    summary_t summary;
} head_t;

_Static_assert(sizeof(head_t) == 136, "the head has no holes");

/* Grows an array to hold one more; NULL when memory is out. */
static void *grown(void *array, size_t count, size_t *capacity, size_t item_bytes)
{
    if (count < *capacity)
        return array;
    size_t wanted = *capacity ? 2 * *capacity : SMALLEST_CAPACITY;
    void *larger = realloc(array, wanted * item_bytes);
    if (larger)
        *capacity = wanted;
    return larger;
}

static void add_key(journal_index_t *self, const disk_event_t *event)
{
    journal_key_t *keys =
        grown(self->keys, self->key_count, &self->key_capacity, sizeof(*self->keys));
    if (!keys) {
        self->incomplete = true;
        return;
    }
    self->keys = keys;
    journal_key_t *key = &keys[self->key_count++];
    memcpy(key->key, event->dedupe.bytes, sizeof(key->key));
    key->received_us = event->received_us;
}

static void add_body(journal_index_t *self, uint64_t number)
{
    uint64_t *bodies =
        grown(self->bodies, self->body_count, &self->body_capacity, sizeof(*self->bodies));
    if (!bodies) {
        self->incomplete = true;
        return;
    }
    self->bodies = bodies;
    bodies[self->body_count++] = number;
}

void journal_index_add(journal_index_t *self, uint64_t sequence, const disk_event_t *event)
{
    uint64_t body;
    self->events++;
    if (sequence > self->last_sequence)
        self->last_sequence = sequence;
    if (event->received_us > self->newest_us)
        self->newest_us = event->received_us;
    if (event->dedupe.length == sizeof(((journal_key_t *)0)->key))
        add_key(self, event);
    if (journal_body_name_parse(event->body_file, &body) == 0)
        add_body(self, body);
}

void journal_index_free(journal_index_t *self)
{
    free(self->keys);
    free(self->bodies);
    *self = (journal_index_t){0};
}

static void put_head(const journal_index_t *self, head_t *head)
{
    journal_file_header_t header = self->segment;
    header.kind = JOURNAL_FILE_INDEX;
    journal_file_header_write(&header, head->header);
    head->summary = (summary_t){
        .segment_bytes = htole64(self->segment_bytes),
        .events = htole64(self->events),
        .last_sequence = htole64(self->last_sequence),
        .newest_us = htole64(self->newest_us),
        .damaged = htole64(self->damaged),
        .keys = htole64(self->key_count),
        .bodies = htole64(self->body_count),
    };
}

void journal_index_save(const journal_index_t *self, int segments)
{
    size_t bodies_bytes = self->body_count * sizeof(*self->bodies);
    size_t keys_bytes = self->key_count * sizeof(*self->keys);
    char *bytes = self->incomplete ? NULL : malloc(sizeof(head_t) + bodies_bytes + keys_bytes);
    if (!bytes)
        return;
    char *bodies = bytes + sizeof(head_t);
    char *keys = bodies + bodies_bytes;
    for (size_t i = 0; i < self->body_count; i++) {
        uint64_t body = htole64(self->bodies[i]);
        memcpy(bodies + i * sizeof(body), &body, sizeof(body));
    }
    for (size_t i = 0; i < self->key_count; i++) {
        journal_key_t key = self->keys[i];
        key.received_us = htole64(key.received_us);
        memcpy(keys + i * sizeof(key), &key, sizeof(key));
    }
    head_t head;
    put_head(self, &head);
    head.summary.bodies_crc = htole32(crc32c_update(0, bodies, bodies_bytes));
    head.summary.keys_crc = htole32(crc32c_update(0, keys, keys_bytes));
    head.summary.crc = htole32(crc32c_update(0, &head, sizeof(head) - sizeof(uint32_t)));
    memcpy(bytes, &head, sizeof(head));
    char name[JOURNAL_NAME_BYTES];
    journal_name(name, self->segment.ordinal, JOURNAL_NAME_INDEX);
    (void)file_replace(segments, name, bytes, sizeof(head) + bodies_bytes + keys_bytes, FILE_HINT);
    free(bytes);
}

/* Reads a head that is whole.  0, or -1. */
static int read_head(int fd, head_t *head, journal_file_header_t *header)
{
    if (file_read_at(fd, head, sizeof(*head), 0) != sizeof(*head) ||
        le32toh(head->summary.crc) != crc32c_update(0, head, sizeof(*head) - sizeof(uint32_t)) ||
        journal_file_header_read(head->header, header) != 0 || header->kind != JOURNAL_FILE_INDEX)
        return -1;
    return 0;
}

/* Reads the head, and believes it when it is whole and about the file that `self` names. */
static int load_head(journal_index_t *self, int fd, summary_t *summary)
{
    head_t head;
    journal_file_header_t header;
    struct stat status;
    if (fstat(fd, &status) || read_head(fd, &head, &header) != 0)
        return -1;
    *summary = head.summary;
    uint64_t room = ((uint64_t)status.st_size - sizeof(head)) / sizeof(uint64_t);
    if (header.file_id != self->segment.file_id || header.segment_id != self->segment.segment_id ||
        header.ordinal != self->segment.ordinal ||
        header.first_sequence != self->segment.first_sequence ||
        le64toh(summary->segment_bytes) != self->segment_bytes || le64toh(summary->bodies) > room ||
        le64toh(summary->keys) > room ||
        (uint64_t)status.st_size != sizeof(head) + le64toh(summary->bodies) * sizeof(uint64_t) +
                                        le64toh(summary->keys) * sizeof(journal_key_t))
        return -1;
    return 0;
}

uint64_t journal_index_claim(const journal_file_header_t *segment, int segments)
{
    head_t head;
    journal_file_header_t header;
    char name[JOURNAL_NAME_BYTES];
    journal_name(name, segment->ordinal, JOURNAL_NAME_INDEX);
    int fd = openat(segments, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    int status = read_head(fd, &head, &header);
    (void)close(fd);
    if (status != 0 ||
        (segment->segment_id != JOURNAL_ANY_SEGMENT && header.segment_id != segment->segment_id))
        return 0;
    return le64toh(head.summary.events);
}

/* Reads an array of `count` items; NULL when there are none or it is not whole, which *broken
 * tells apart. */
static void *load_array(int fd, uint64_t offset, size_t bytes, uint32_t crc, bool *broken)
{
    if (bytes == 0)
        return NULL;
    void *array = malloc(bytes);
    if (array && file_read_at(fd, array, bytes, offset) == (ssize_t)bytes &&
        crc32c_update(0, array, bytes) == crc)
        return array;
    free(array);
    *broken = true;
    return NULL;
}

static int load_arrays(journal_index_t *self, int fd, const summary_t *summary,
                       journal_index_part_t part)
{
    bool broken = false;
    size_t bodies_bytes = (size_t)le64toh(summary->bodies) * sizeof(uint64_t);
    size_t keys_bytes = (size_t)le64toh(summary->keys) * sizeof(journal_key_t);
    self->bodies =
        load_array(fd, sizeof(head_t), bodies_bytes, le32toh(summary->bodies_crc), &broken);
    if (part == JOURNAL_INDEX_WITH_KEYS)
        self->keys = load_array(fd, sizeof(head_t) + bodies_bytes, keys_bytes,
                                le32toh(summary->keys_crc), &broken);
    self->body_count = self->body_capacity = self->bodies ? (size_t)le64toh(summary->bodies) : 0;
    self->key_count = self->key_capacity = self->keys ? (size_t)le64toh(summary->keys) : 0;
    for (size_t i = 0; i < self->body_count; i++)
        self->bodies[i] = le64toh(self->bodies[i]);
    for (size_t i = 0; i < self->key_count; i++)
        self->keys[i].received_us = le64toh(self->keys[i].received_us);
    return broken ? -1 : 0;
}

int journal_index_load(journal_index_t *self, int segments, journal_index_part_t part)
{
    char name[JOURNAL_NAME_BYTES];
    journal_file_header_t segment = self->segment;
    uint64_t segment_bytes = self->segment_bytes;
    journal_name(name, segment.ordinal, JOURNAL_NAME_INDEX);
    int fd = openat(segments, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    summary_t summary;
    int status = load_head(self, fd, &summary);
    if (status == 0)
        status = load_arrays(self, fd, &summary, part);
    (void)close(fd);
    if (status == 0) {
        self->events = le64toh(summary.events);
        self->last_sequence = le64toh(summary.last_sequence);
        self->newest_us = le64toh(summary.newest_us);
        self->damaged = le64toh(summary.damaged);
        return 0;
    }
    journal_index_free(self);
    self->segment = segment;
    self->segment_bytes = segment_bytes;
    return -1;
}
