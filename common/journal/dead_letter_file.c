#include "common/journal/dead_letter_file.h"

#include "common/base/digest.h"
#include "common/base/file_io.h"
#include "common/journal/journal_record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LETTER_SUFFIX  ".letter"
#define BODY_SUFFIX    ".body"
#define SETTLED_SUFFIX ".settled"
#define SUFFIX_BYTES   sizeof(SETTLED_SUFFIX) /* of the longest, with the NUL */

/* Names. */

/* The event id in hex, then the sink, if any, in characters that no file name minds. */
void dead_letter_name(const uint8_t event_id[MESSAGE_EVENT_ID_BYTES], wire_view_t sink,
                      char name[DEAD_LETTER_NAME_BYTES])
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    digest_hex(event_id, MESSAGE_EVENT_ID_BYTES, name);
    size_t length = DEAD_LETTER_ID_HEX;
    if (sink.length > 0)
        name[length++] = '-';
    for (size_t i = 0; i < sink.length && length + 4 < DEAD_LETTER_NAME_BYTES - 16; i++) {
        unsigned char byte = (unsigned char)sink.bytes[i];
        if (byte && strchr(safe, byte))
            name[length++] = (char)byte;
        else
            length += (size_t)snprintf(name + length, 4, "%%%02X", byte);
    }
    snprintf(name + length, DEAD_LETTER_NAME_BYTES - length, LETTER_SUFFIX);
}

/* The length of the stem of a name that ends so, or 0. */
static size_t stem_length(const char *name, const char *suffix)
{
    size_t length = strlen(name), tail = strlen(suffix);
    if (length < DEAD_LETTER_ID_HEX + tail || length >= DEAD_LETTER_NAME_BYTES - SUFFIX_BYTES ||
        strchr(name, '/') || strcmp(name + length - tail, suffix) != 0 ||
        strspn(name, "0123456789abcdef") < DEAD_LETTER_ID_HEX)
        return 0;
    return length - tail;
}

size_t dead_letter_stem_length(const char *name)
{
    return stem_length(name, LETTER_SUFFIX);
}

void dead_letter_body_name(const char *name, char body[DEAD_LETTER_NAME_BYTES])
{
    snprintf(body, DEAD_LETTER_NAME_BYTES, "%.*s" BODY_SUFFIX, (int)dead_letter_stem_length(name),
             name);
}

/* Reading. */

/* Reads a whole file.  Owned; NULL when it cannot be read. */
static uint8_t *read_file(int directory, const char *name, size_t *length)
{
    struct stat status;
    uint8_t *bytes = NULL;
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0 &&
        status.st_size < JOURNAL_BODY_BYTES_MAX) {
        *length = (size_t)status.st_size;
        bytes = malloc(*length);
        if (bytes && file_read_at(fd, bytes, *length, 0) != (ssize_t)*length) {
            free(bytes);
            bytes = NULL;
        }
    }
    (void)close(fd);
    errno = EIO; /* whatever it was, it is there */
    return bytes;
}

/* The record proves itself: a damaged file header costs nothing. */
static int parse_letter(const uint8_t *bytes, size_t length, dead_letter_t *letter,
                        wire_memory_t *memory)
{
    journal_record_t record;
    if (length < JOURNAL_FILE_HEADER_BYTES + JOURNAL_FRAME_BYTES)
        return -1;
    const uint8_t *at = bytes + JOURNAL_FILE_HEADER_BYTES;
    size_t claim = journal_record_claim(at, JOURNAL_ANY_SEGMENT);
    if (claim == 0 || claim > length - JOURNAL_FILE_HEADER_BYTES ||
        journal_record_check(at, claim, &record) != 0 || record.kind != DISK_LETTER ||
        wire_decode(record.header, record.header_bytes, &disk_letter, &letter->letter, memory,
                    NULL) != WIRE_OK)
        return -1;
    letter->event_record = record.body;
    letter->event_record_bytes = record.body_bytes;
    return 0;
}

int dead_letter_file_read(dead_letter_file_t *self, int directory, const char *name)
{
    size_t length = 0;
    free(self->bytes);
    self->letter = (dead_letter_t){0};
    self->bytes = read_file(directory, name, &length);
    if (!self->bytes || parse_letter(self->bytes, length, &self->letter, &self->memory) != 0)
        return -1;
    dead_letter_body_name(name, self->body_name);
    if (faccessat(directory, self->body_name, F_OK, 0) == 0)
        self->letter.body_file = self->body_name;
    return 0;
}

void dead_letter_file_free(dead_letter_file_t *self)
{
    free(self->bytes);
    wire_memory_free(&self->memory);
    *self = (dead_letter_file_t){0};
}

int dead_letter_event(const dead_letter_t *letter, wire_memory_t *memory, disk_event_t *event,
                      const char **body)
{
    journal_record_t record;
    const uint8_t *bytes = letter->event_record;
    if (letter->event_record_bytes < JOURNAL_FRAME_BYTES)
        return -1;
    size_t claim = journal_record_claim(bytes, JOURNAL_ANY_SEGMENT);
    if (claim == 0 || claim > letter->event_record_bytes ||
        journal_record_check(bytes, claim, &record) != 0 || record.kind != DISK_EVENT ||
        wire_decode(record.header, record.header_bytes, &disk_event, event, memory, NULL) !=
            WIRE_OK)
        return -1;
    *body = event->body_file.length > 0 ? NULL : record.body;
    return 0;
}

/* Pages. */

static int compare_names(const void *one, const void *other)
{
    return strcmp(one, other);
}

static void keep_lowest(dead_letter_page_t *self)
{
    qsort(self->names, self->count, sizeof(*self->names), compare_names);
    if (self->count > DEAD_LETTER_PAGE_NAMES)
        self->count = DEAD_LETTER_PAGE_NAMES;
}

static DIR *open_listing(int directory)
{
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;
    if (fd >= 0 && !listing)
        (void)close(fd);
    return listing;
}

int dead_letter_page_read(dead_letter_page_t *self, int directory, const char *after,
                          fault_t *fault)
{
    const size_t capacity = 2 * DEAD_LETTER_PAGE_NAMES;
    if (!self->names)
        self->names = calloc(capacity, sizeof(*self->names));
    DIR *listing = self->names ? open_listing(directory) : NULL;
    self->count = 0;
    if (!listing)
        return fault_set_errno(fault, errno, "the dead letters cannot be listed");
    for (struct dirent *entry = readdir(listing); entry; entry = readdir(listing)) {
        if (dead_letter_stem_length(entry->d_name) == 0 || strcmp(entry->d_name, after) <= 0)
            continue;
        memcpy(self->names[self->count++], entry->d_name, strlen(entry->d_name) + 1);
        if (self->count == capacity)
            keep_lowest(self);
    }
    (void)closedir(listing);
    keep_lowest(self);
    return 0;
}

void dead_letter_page_free(dead_letter_page_t *self)
{
    free(self->names);
    *self = (dead_letter_page_t){0};
}

/* Marks. */

int dead_letter_settle(int directory, const uint8_t event_id[MESSAGE_EVENT_ID_BYTES],
                       wire_view_t sink, fault_t *fault)
{
    char name[DEAD_LETTER_NAME_BYTES], settled[DEAD_LETTER_NAME_BYTES + SUFFIX_BYTES];
    dead_letter_name(event_id, sink, name);
    snprintf(settled, sizeof(settled), "%.*s" SETTLED_SUFFIX, (int)dead_letter_stem_length(name),
             name);
    if (renameat(directory, name, directory, settled) == 0)
        return 1;
    return errno == ENOENT ? 0 : fault_set_errno(fault, errno, "dead letter '%s'", name);
}

/* Deletes one that was settled; its body too, unless the event has died for the sink again. */
static bool expire(int directory, const char *settled, size_t stem)
{
    char name[DEAD_LETTER_NAME_BYTES];
    if (unlinkat(directory, settled, 0) != 0)
        return false;
    snprintf(name, sizeof(name), "%.*s" LETTER_SUFFIX, (int)stem, settled);
    if (faccessat(directory, name, F_OK, 0) == 0)
        return true;
    snprintf(name, sizeof(name), "%.*s" BODY_SUFFIX, (int)stem, settled);
    (void)unlinkat(directory, name, 0); /* most have none */
    return true;
}

uint64_t dead_letters_expire(int directory, int64_t before_us)
{
    struct stat status;
    uint64_t expired = 0;
    DIR *listing = open_listing(directory);
    if (!listing)
        return 0;
    for (struct dirent *entry = readdir(listing); entry; entry = readdir(listing)) {
        size_t stem = stem_length(entry->d_name, SETTLED_SUFFIX);
        /* A rename changes st_ctim: rename(2). */
        if (stem > 0 && fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            status.st_ctim.tv_sec < before_us / 1000000 && expire(directory, entry->d_name, stem))
            expired++;
    }
    (void)closedir(listing);
    return expired;
}
