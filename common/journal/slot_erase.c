#include "common/journal/slot_erase.h"

#include "common/base/file_io.h"
#include "common/journal/dead_letter_file.h"
#include "common/journal/journal_record.h"
#include "common/journal/journal_slot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether the file is the one that the place was found in, and the record fits there. */
static bool is_the_place(int fd, const slot_erasure_t *erasure)
{
    uint8_t bytes[JOURNAL_FILE_HEADER_BYTES];
    char id[DISK_FILE_ID_BYTES];
    journal_file_header_t header;
    journal_record_t record;
    struct stat status;
    const disk_erasure_t *place = &erasure->place;
    if (erasure->record_bytes < JOURNAL_FRAME_BYTES || fstat(fd, &status) ||
        file_read_at(fd, bytes, sizeof(bytes), 0) != sizeof(bytes) ||
        journal_file_header_read(bytes, &header) != 0)
        return false;
    slot_erasure_file_id(header.file_id, id);
    return place->file_id.length == sizeof(id) &&
           memcmp(place->file_id.bytes, id, sizeof(id)) == 0 &&
           place->offset >= JOURNAL_FILE_HEADER_BYTES && place->offset % JOURNAL_ALIGNMENT == 0 &&
           place->offset + erasure->record_bytes <= (uint64_t)status.st_size &&
           journal_record_claim(erasure->record, header.segment_id) == erasure->record_bytes &&
           journal_record_check(erasure->record, erasure->record_bytes, &record) == 0;
}

static int overwrite(const slot_keeper_t *keeper, int fd, const slot_erasure_t *erasure)
{
    if (keeper->gate)
        pthread_mutex_lock(keeper->gate);
    int status = file_write_at(fd, erasure->record, erasure->record_bytes, erasure->place.offset);
    if (keeper->erasures)
        atomic_fetch_add(keeper->erasures, 1);
    if (keeper->gate)
        pthread_mutex_unlock(keeper->gate);
    return status == 0 ? fdatasync(fd) : -1;
}

static int erase_record(const slot_keeper_t *keeper, const char *path,
                        const slot_erasure_t *erasure, fault_t *fault)
{
    int fd = openat(keeper->directory, path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : fault_set_errno(fault, errno, "file '%s'", path);
    int status = is_the_place(fd, erasure) ? overwrite(keeper, fd, erasure) : 0;
    if (status != 0)
        fault_set_errno(fault, errno, "file '%s'", path);
    (void)close(fd);
    return status;
}

static int erase_body(const slot_keeper_t *keeper, uint64_t number, fault_t *fault)
{
    char name[JOURNAL_NAME_BYTES];
    journal_body_name(name, number);
    int bodies = openat(keeper->directory, "bodies", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status = -1;
    if (bodies >= 0 && (unlinkat(bodies, name, 0) == 0 || errno == ENOENT))
        status = fsync(bodies);
    if (status != 0)
        fault_set_errno(fault, errno, "spilled body '%s'", name);
    if (bodies >= 0)
        (void)close(bodies);
    return status;
}

/* A letter, whether or not a replay has settled it, and its body. */
static int erase_letter(const slot_keeper_t *keeper, const char *name, fault_t *fault)
{
    static const char *const suffixes[] = {".letter", ".settled", ".body"};
    char path[DEAD_LETTER_NAME_BYTES + 16];
    int dead =
        openat(keeper->directory, DEAD_LETTERS_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status = dead >= 0 ? 0 : -1;
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]) && status == 0; i++) {
        snprintf(path, sizeof(path), "%.*s%s", (int)dead_letter_stem_length(name), name,
                 suffixes[i]);
        if (unlinkat(dead, path, 0) != 0 && errno != ENOENT)
            status = -1;
    }
    if (status != 0 || fsync(dead) != 0)
        status = fault_set_errno(fault, errno, "dead letter '%s'", name);
    if (dead >= 0)
        (void)close(dead);
    return status;
}

int slot_erase(const slot_keeper_t *keeper, const slot_erasure_t *erasure, fault_t *fault)
{
    const disk_erasure_t *place = &erasure->place;
    char name[NAME_MAX], path[sizeof("segments/") + NAME_MAX];
    uint64_t number;
    const char *suffix;
    if (place->file.length >= sizeof(name))
        return 0;
    memcpy(name, place->file.bytes, place->file.length);
    name[place->file.length] = '\0';
    if (strcmp(name, REASSIGNMENTS_FILE) == 0)
        return reassignments_forget(keeper->reassignments, place->provider, place->conversation_id,
                                    fault);
    if (journal_body_name_parse(place->file, &number) == 0)
        return erase_body(keeper, number, fault);
    if (strcmp(name, SLOT_REPLAYED_FILE) == 0)
        return erase_record(keeper, name, erasure, fault);
    if (journal_name_parse(name, &number, &suffix) == 0 &&
        (strcmp(suffix, JOURNAL_NAME_SEGMENT) == 0 || strcmp(suffix, JOURNAL_NAME_OUTCOMES) == 0)) {
        snprintf(path, sizeof(path), "segments/%s", name);
        return erase_record(keeper, path, erasure, fault);
    }
    if (dead_letter_stem_length(name) > 0)
        return erase_letter(keeper, name, fault);
    return 0; /* nothing of ours has such a name */
}
