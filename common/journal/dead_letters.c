#include "common/journal/dead_letters.h"

#include "common/base/buffer.h"
#include "common/base/clock.h"
#include "common/base/file_io.h"
#include "common/journal/dead_letter_file.h"
#include "common/journal/journal_record.h"
#include "common/journal/journal_slot.h"
#include "proto/messages.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
static int keep_body(int dead, const char *slot_directory, const char *body_file, const char *name)
{
    char from[PATH_MAX], to[DEAD_LETTER_NAME_BYTES];
    uint64_t number;
    if (journal_body_name_parse(wire_view(body_file), &number) != 0) {
        errno = EINVAL;
        return -1;
    }
    snprintf(from, sizeof(from), "%s/bodies/%s", slot_directory, body_file);
    dead_letter_body_name(name, to);
    if (linkat(AT_FDCWD, from, dead, to, 0) == 0 || errno == EEXIST || errno == ENOENT)
        return 0;
    return -1;
}

static int put_letter(int dead, const char *slot_directory, const dead_letter_t *letter,
                      fault_t *fault)
{
    char name[DEAD_LETTER_NAME_BYTES];
    wire_output_t header = {0};
    buffer_t file = {0};
    int status = -1;
    if (letter->letter.event_id.length != MESSAGE_EVENT_ID_BYTES)
        return fault_set(fault, "a dead letter without an event id");
    dead_letter_name((const uint8_t *)letter->letter.event_id.bytes, letter->letter.sink, name);
    if (wire_encode(&header, NULL, &disk_letter, &letter->letter) != 0 ||
        compose(letter, &header, &file) != 0)
        fault_set(fault, "dead letter '%s' cannot be encoded", name);
    else if ((letter->body_file && keep_body(dead, slot_directory, letter->body_file, name) != 0) ||
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

/* Hands one file to `each`, whose answer is returned; damage answers 0. */
static int visit(int dead, const char *name,
                 int (*each)(void *context, const char *name, const dead_letter_t *letter),
                 void *context, uint64_t *damaged)
{
    dead_letter_file_t file = {0};
    int answer = 0;
    if (dead_letter_file_read(&file, dead, name) == 0)
        answer = each(context, name, &file.letter);
    else
        (*damaged)++;
    dead_letter_file_free(&file);
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
        if (dead_letter_stem_length(entry->d_name) > 0)
            answer = visit(dead, entry->d_name, each, context, damaged);
    }
    (void)closedir(listing);
    return 0;
}

int dead_letters_remove(const char *slot_directory, const char *name, fault_t *fault)
{
    char body[DEAD_LETTER_NAME_BYTES];
    if (dead_letter_stem_length(name) == 0)
        return fault_set(fault, "'%s' is not the name of a dead letter", name);
    dead_letter_body_name(name, body);
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
