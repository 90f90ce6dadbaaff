#include "common/dead_letters.h"

#include "common/buffer.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/file_io.h"
#include "common/journal_record.h"
#include "common/journal_slot.h"
#include "proto/messages.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LETTER_SUFFIX ".letter"
#define BODY_SUFFIX   ".body"
#define NAME_BYTES    256
#define ID_HEX        (2 * MESSAGE_EVENT_ID_BYTES)

typedef enum { MAKE_IT, LEAVE_IT } missing_t;

static int open_dead(const char *slot_directory, missing_t missing, fault_t *fault)
{
    int slot = open(slot_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int dead = -1;
    if (slot >= 0)
        dead = openat(slot, DEAD_LETTERS_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dead < 0 && slot >= 0 && errno == ENOENT && missing == MAKE_IT)
        dead = file_open_directory(slot, DEAD_LETTERS_DIRECTORY);
    if (dead < 0)
        fault_set_errno(fault, errno, "dead letters of '%s'", slot_directory);
    if (slot >= 0)
        (void)close(slot);
    return dead;
}

/* The event id in hex, then the sink, if any, in characters that no file name minds. */
static void letter_stem(const disk_letter_t *letter, char stem[NAME_BYTES])
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    digest_hex((const uint8_t *)letter->event_id.bytes, MESSAGE_EVENT_ID_BYTES, stem);
    size_t length = ID_HEX;
    if (letter->sink.length > 0)
        stem[length++] = '-';
    for (size_t i = 0; i < letter->sink.length && length + 4 < NAME_BYTES - 16; i++) {
        unsigned char byte = (unsigned char)letter->sink.bytes[i];
        if (byte && strchr(safe, byte))
            stem[length++] = (char)byte;
        else
            length += (size_t)snprintf(stem + length, 4, "%%%02X", byte);
    }
    stem[length] = '\0';
}

/* Writes the file: a file header, and one record around the event's. */
static int compose(const dead_letter_t *letter, const wire_output_t *header, buffer_t *file)
{
    static const char zeros[JOURNAL_ALIGNMENT];
    uint8_t file_header[JOURNAL_FILE_HEADER_BYTES], frame[JOURNAL_FRAME_BYTES];
    journal_file_header_t opening = {
        .kind = JOURNAL_FILE_LETTER,
        .file_id = journal_random(),
        .segment_id = journal_random(),
        .first_sequence = letter->letter.sequence,
        .created_us = (uint64_t)clock_unix_us(),
    };
    journal_record_t record = {
        .kind = DISK_LETTER,
        .segment_id = opening.segment_id,
        .sequence = letter->letter.sequence,
        .header = header->bytes,
        .header_bytes = header->length,
        .body = letter->event_record,
        .body_bytes = letter->event_record_bytes,
    };
    journal_file_header_write(&opening, file_header);
    journal_record_frame(&record, frame);
    if (buffer_append(file, file_header, sizeof(file_header)) != 0 ||
        buffer_append(file, frame, sizeof(frame)) != 0 ||
        buffer_append(file, record.header, record.header_bytes) != 0 ||
        buffer_append(file, record.body, record.body_bytes) != 0)
        return -1;
    return buffer_append(file, zeros,
                         journal_record_padding(record.header_bytes, record.body_bytes));
}

/* Hard-links a spilled body beside the letter. */
static int keep_body(int dead, const char *slot_directory, const char *body_file, const char *stem)
{
    char from[PATH_MAX], to[NAME_BYTES + sizeof(BODY_SUFFIX)];
    uint64_t number;
    if (journal_body_name_parse(wire_view(body_file), &number) != 0) {
        errno = EINVAL;
        return -1;
    }
    snprintf(from, sizeof(from), "%s/bodies/%s", slot_directory, body_file);
    snprintf(to, sizeof(to), "%s" BODY_SUFFIX, stem);
    if (linkat(AT_FDCWD, from, dead, to, 0) == 0 || errno == EEXIST || errno == ENOENT)
        return 0;
    return -1;
}

static int put_letter(int dead, const char *slot_directory, const dead_letter_t *letter,
                      fault_t *fault)
{
    char stem[NAME_BYTES], name[NAME_BYTES + sizeof(LETTER_SUFFIX)];
    wire_output_t header = {0};
    buffer_t file = {0};
    int status = -1;
    if (letter->letter.event_id.length != MESSAGE_EVENT_ID_BYTES)
        return fault_set(fault, "a dead letter without an event id");
    letter_stem(&letter->letter, stem);
    snprintf(name, sizeof(name), "%s" LETTER_SUFFIX, stem);
    if (wire_encode(&header, NULL, &disk_letter, &letter->letter) != 0 ||
        compose(letter, &header, &file) != 0)
        fault_set(fault, "dead letter '%s' cannot be encoded", name);
    else if ((letter->body_file && keep_body(dead, slot_directory, letter->body_file, stem) != 0) ||
             file_replace(dead, name, file.bytes, file.length, FILE_SYNCED) != 0)
        fault_set_errno(fault, errno, "dead letter '%s'", name);
    else
        status = 0;
    wire_output_free(&header);
    buffer_free(&file);
    return status;
}

int dead_letters_put(const char *slot_directory, const dead_letter_t *letters, size_t count,
                     fault_t *fault)
{
    int status = 0;
    int dead = open_dead(slot_directory, MAKE_IT, fault);
    if (dead < 0)
        return -1;
    for (size_t i = 0; i < count && status == 0; i++)
        status = put_letter(dead, slot_directory, &letters[i], fault);
    if (status == 0 && fsync(dead))
        status = fault_set_errno(fault, errno, "sync of the dead letters");
    (void)close(dead);
    return status;
}

/* The length of the stem, or 0 when the name is no letter's. */
static size_t stem_length(const char *name)
{
    size_t length = strlen(name), suffix = strlen(LETTER_SUFFIX);
    if (length < ID_HEX + suffix || length >= NAME_BYTES || strchr(name, '/') ||
        strcmp(name + length - suffix, LETTER_SUFFIX) != 0 ||
        strspn(name, "0123456789abcdef") < ID_HEX)
        return 0;
    return length - suffix;
}

/* Reads a whole file.  Owned; NULL when it cannot be read. */
static uint8_t *read_letter(int dead, const char *name, size_t *length)
{
    struct stat status;
    uint8_t *bytes = NULL;
    int fd = openat(dead, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
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

/* Hands one file to `each`, whose answer is returned; damage answers 0. */
static int visit(int dead, const char *name,
                 int (*each)(void *context, const char *name, const dead_letter_t *letter),
                 void *context, uint64_t *damaged)
{
    wire_memory_t memory = {0};
    dead_letter_t letter = {0};
    char body[NAME_BYTES + sizeof(BODY_SUFFIX)];
    size_t length = 0;
    int answer = 0;
    uint8_t *bytes = read_letter(dead, name, &length);
    if (bytes && parse_letter(bytes, length, &letter, &memory) == 0) {
        snprintf(body, sizeof(body), "%.*s" BODY_SUFFIX, (int)stem_length(name), name);
        if (faccessat(dead, body, F_OK, 0) == 0)
            letter.body_file = body;
        answer = each(context, name, &letter);
    } else {
        (*damaged)++;
    }
    free(bytes);
    wire_memory_free(&memory);
    return answer;
}

int dead_letters_each(const char *slot_directory,
                      int (*each)(void *context, const char *name, const dead_letter_t *letter),
                      void *context, uint64_t *damaged, fault_t *fault)
{
    int dead = open_dead(slot_directory, LEAVE_IT, fault);
    if (dead < 0)
        return errno == ENOENT && access(slot_directory, F_OK) == 0 ? 0 : -1;
    DIR *listing = fdopendir(dead);
    if (!listing) {
        fault_set_errno(fault, errno, "dead letters of '%s'", slot_directory);
        (void)close(dead);
        return -1;
    }
    int answer = 0;
    for (struct dirent *entry = readdir(listing); entry && answer == 0; entry = readdir(listing)) {
        if (stem_length(entry->d_name) > 0)
            answer = visit(dead, entry->d_name, each, context, damaged);
    }
    (void)closedir(listing);
    return 0;
}

int dead_letters_remove(const char *slot_directory, const char *name, fault_t *fault)
{
    char body[NAME_BYTES + sizeof(BODY_SUFFIX)];
    size_t stem = stem_length(name);
    if (stem == 0)
        return fault_set(fault, "'%s' is not the name of a dead letter", name);
    snprintf(body, sizeof(body), "%.*s" BODY_SUFFIX, (int)stem, name);
    int dead = open_dead(slot_directory, LEAVE_IT, fault);
    if (dead < 0)
        return errno == ENOENT && access(slot_directory, F_OK) == 0 ? 0 : -1;
    int status = 0;
    if ((unlinkat(dead, name, 0) && errno != ENOENT) ||
        (unlinkat(dead, body, 0) && errno != ENOENT) || fsync(dead))
        status = fault_set_errno(fault, errno, "dead letter '%s'", name);
    (void)close(dead);
    return status;
}
