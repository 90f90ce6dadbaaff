#include "tools/replay/repair.h"

#include "common/base/clock.h"
#include "common/base/file_io.h"
#include "common/base/file_lock.h"
#include "common/journal/journal_scan.h"
#include "tools/replay/segment_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DAMAGED_DIRECTORY "damaged"
#define LOCK_WAIT_MS      100

int repair_take(journal_slot_t *slot, const capture_slot_t *of, fault_t *fault)
{
    *slot =
        (journal_slot_t){.lock = -1, .directory = -1, .segments = -1, .bodies = -1, .damaged = -1};
    if (of->directory < 0)
        return fault_set(fault, "%s: only a whole slot can be repaired", of->path);
    slot->lock = openat(of->directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (slot->lock < 0)
        return fault_set_errno(fault, errno, "%s", of->path);
    if (file_lock_take(slot->lock, of->path, LOCK_WAIT_MS, fault) != 0) {
        journal_slot_release(slot);
        return fault_set(fault, "%s: a process has this slot; stop it first", of->path);
    }
    snprintf(slot->path, sizeof(slot->path), "%s", of->slot_path);
    slot->segments = file_open_directory(of->directory, "segments");
    slot->damaged = file_open_directory(of->directory, DAMAGED_DIRECTORY);
    if (slot->segments >= 0 && slot->damaged >= 0)
        return 0;
    fault_set_errno(fault, errno, "%s", of->path);
    journal_slot_release(slot);
    return -1;
}

/* A file on its way to its successor. */
typedef struct {
    const journal_slot_t *slot;
    const char *name;
    segment_file_t old;
    file_writer_t copy;
} rewrite_t;

static void keep(const rewrite_t *self, uint64_t offset, uint64_t bytes)
{
    if (bytes > 0)
        (void)journal_slot_keep_damage(self->slot, self->name, self->old.fd, offset, bytes);
}

static int write_header(rewrite_t *self, journal_file_kind_t kind, uint64_t ordinal)
{
    uint8_t bytes[JOURNAL_FILE_HEADER_BYTES];
    journal_file_header_t header = self->old.header;
    if (!self->old.has_header) {
        header = (journal_file_header_t){.kind = kind,
                                         .segment_id = self->old.segment_id,
                                         .ordinal = ordinal,
                                         .first_sequence = self->old.first_sequence,
                                         .created_us = (uint64_t)clock_unix_us()};
        keep(self, 0, JOURNAL_FILE_HEADER_BYTES);
    }
    header.file_id = journal_random(); /* hints of the old file are to be believed no more */
    journal_file_header_write(&header, bytes);
    return file_writer_put(&self->copy, bytes, sizeof(bytes));
}

static int copy_records(rewrite_t *self, fault_t *fault)
{
    journal_scan_t scan = {0};
    journal_record_t record;
    journal_damage_t damage;
    int found, status = 0;
    journal_scan_start(&scan, self->old.fd, self->old.segment_id, JOURNAL_FILE_HEADER_BYTES,
                       self->old.bytes);
    do {
        found = journal_scan_next(&scan, &record, &damage, fault);
        if (found >= 0)
            keep(self, damage.offset, damage.bytes);
        if (found == 1)
            status = file_writer_put(&self->copy, record.header - JOURNAL_FRAME_BYTES,
                                     journal_record_bytes(record.header_bytes, record.body_bytes));
        else if (found < 0 && journal_scan_pass_over(&scan))
            found = 1;
    } while (found == 1 && status == 0);
    journal_scan_free(&scan);
    return found < 0 ? -1 : status;
}

static int rewrite(rewrite_t *self, journal_file_kind_t kind, uint64_t ordinal, fault_t *fault)
{
    char aside[JOURNAL_NAME_BYTES + 4];
    int segments = self->slot->segments;
    snprintf(aside, sizeof(aside), "%s.tmp", self->name);
    self->copy.fd = openat(segments, aside, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int status = -1;
    if (self->copy.fd >= 0 && write_header(self, kind, ordinal) == 0 &&
        copy_records(self, fault) == 0 && file_writer_flush(&self->copy) == 0 &&
        fdatasync(self->copy.fd) == 0 && fsync(self->slot->damaged) == 0 &&
        renameat(segments, aside, segments, self->name) == 0 && fsync(segments) == 0)
        status = 0;
    if (status != 0)
        fault_set_errno(fault, errno, "%s cannot be written anew", self->name);
    if (self->copy.fd >= 0)
        (void)close(self->copy.fd);
    file_writer_free(&self->copy);
    return status;
}

int repair_file(const journal_slot_t *slot, const capture_slot_t *of, uint64_t ordinal,
                const char *suffix, fault_t *fault)
{
    char name[JOURNAL_NAME_BYTES];
    rewrite_t self = {.slot = slot, .name = name};
    bool segment = strcmp(suffix, JOURNAL_NAME_SEGMENT) == 0;
    journal_name(name, ordinal, suffix);
    if (segment_file_open(&self.old, of, ordinal, suffix, fault) != 0)
        return -1;
    int status = 0;
    if (self.old.segment_id == JOURNAL_ANY_SEGMENT)
        journal_slot_set_aside(slot, name); /* nothing in it is good */
    else
        status =
            rewrite(&self, segment ? JOURNAL_FILE_SEGMENT : JOURNAL_FILE_OUTCOMES, ordinal, fault);
    segment_file_close(&self.old);
    return status;
}

int repair_move(const journal_slot_t *slot, int directory, const char *name, fault_t *fault)
{
    if (renameat(directory, name, slot->damaged, name) == 0 && fsync(slot->damaged) == 0)
        return 0;
    if (errno != ENOENT)
        return fault_set_errno(fault, errno, "%s cannot be moved", name);
    /* There is nothing left of it: its name alone says that this is known. */
    int fd = openat(slot->damaged, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fault_set_errno(fault, errno, "%s cannot be noted", name);
    (void)close(fd);
    return 0;
}

bool repair_was_moved(const capture_slot_t *of, const char *name)
{
    char path[NAME_MAX + sizeof(DAMAGED_DIRECTORY) + 1];
    snprintf(path, sizeof(path), DAMAGED_DIRECTORY "/%s", name);
    return of->directory >= 0 && faccessat(of->directory, path, F_OK, 0) == 0;
}
