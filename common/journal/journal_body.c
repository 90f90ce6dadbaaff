/* Spilled bodies: files that nobody sees before they are whole and synced. */

#include "common/journal/journal_startup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROC_FD_BYTES 32

struct journal_body_t {
    journal_t *journal;
    int fd;
    uint64_t bytes;
    uint64_t number;
    bool kept;
    char name[JOURNAL_NAME_BYTES];
    char aside[JOURNAL_NAME_BYTES]; /* where there are no unnamed files; else empty */
    void *map;
    size_t map_bytes;
};

/* What start-up takes for an orphan. */
static void aside_name(char name[JOURNAL_NAME_BYTES], uint64_t number)
{
    snprintf(name, JOURNAL_NAME_BYTES, "tmp-%016llx", (unsigned long long)number);
}

static int open_unseen(journal_body_t *self)
{
    int bodies = self->journal->slot.bodies;
    if (self->journal->unnamed_files)
        return openat(bodies, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    aside_name(self->aside, self->number);
    return openat(bodies, self->aside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static int link_unnamed(int fd, int directory, const char *name)
{
    char path[PROC_FD_BYTES];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, path, directory, name, AT_SYMLINK_FOLLOW);
}

bool journal_slot_has_unnamed_files(const journal_slot_t *slot)
{
    char name[JOURNAL_NAME_BYTES];
    aside_name(name, journal_random());
    int fd = openat(slot->bodies, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool linked = link_unnamed(fd, slot->bodies, name) == 0;
    if (linked)
        (void)unlinkat(slot->bodies, name, 0);
    (void)close(fd);
    return linked;
}

journal_body_t *journal_body_new(journal_t *self, fault_t *fault)
{
    journal_body_t *body = calloc(1, sizeof(*body));
    if (!body) {
        fault_set(fault, "no memory for a spilled body");
        return NULL;
    }
    body->journal = self;
    body->number = journal_random();
    journal_body_name(body->name, body->number);
    body->fd = open_unseen(body);
    if (body->fd >= 0)
        return body;
    fault_set_errno(fault, errno, "a file for a body");
    free(body);
    return NULL;
}

int journal_body_write(journal_body_t *body, const void *bytes, size_t length)
{
    journal_t *journal = body->journal;
    if (atomic_fetch_add(&journal->counts.bytes, length) + length > journal->limits.max_bytes) {
        atomic_fetch_sub(&journal->counts.bytes, length);
        errno = ENOSPC;
        return -1;
    }
    if (file_write_at(body->fd, bytes, length, body->bytes) == 0) {
        body->bytes += length;
        return 0;
    }
    atomic_fetch_sub(&journal->counts.bytes, length);
    return -1;
}

/* The file ends somewhere in its last page; what a reader may look at beyond is memory of zeros. */
const char *journal_body_map(journal_body_t *body, size_t padding, fault_t *fault)
{
    size_t length = (size_t)body->bytes + padding + 1;
    char *map = mmap(NULL, length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        fault_set_errno(fault, errno, "a mapping of %zu bytes", length);
        return NULL;
    }
    if (body->bytes > 0 && mmap(map, (size_t)body->bytes, PROT_READ, MAP_SHARED | MAP_FIXED,
                                body->fd, 0) == MAP_FAILED) {
        fault_set_errno(fault, errno, "a mapping of %zu bytes", length);
        (void)munmap(map, length);
        return NULL;
    }
    if (body->map)
        (void)munmap(body->map, body->map_bytes);
    body->map = map;
    body->map_bytes = length;
    return map;
}

static int name_body(journal_body_t *body)
{
    int bodies = body->journal->slot.bodies;
    if (!body->aside[0])
        return link_unnamed(body->fd, bodies, body->name);
    return renameat(bodies, body->aside, bodies, body->name);
}

const char *journal_body_keep(journal_body_t *body, fault_t *fault)
{
    if (fdatasync(body->fd) == 0 && name_body(body) == 0) {
        body->kept = true;
        body->aside[0] = '\0';
        if (fsync(body->journal->slot.bodies) == 0)
            return body->name;
    }
    fault_set_errno(fault, errno, "a spilled body");
    return NULL;
}

void journal_body_destroy(journal_body_t **body_p, bool discard)
{
    journal_body_t *body = *body_p;
    if (!body)
        return;
    int bodies = body->journal->slot.bodies;
    if (body->aside[0])
        (void)unlinkat(bodies, body->aside, 0);
    if (body->kept && discard)
        (void)unlinkat(bodies, body->name, 0);
    if (!body->kept || discard)
        atomic_fetch_sub(&body->journal->counts.bytes, body->bytes);
    if (body->map)
        (void)munmap(body->map, body->map_bytes);
    (void)close(body->fd);
    free(body);
    *body_p = NULL;
}

static int compare_numbers(const void *one, const void *other)
{
    const uint64_t *a = one, *b = other;
    return (*a > *b) - (*a < *b);
}

/* An event that was lost to damage may have named the body: then it is kept aside. */
static void drop_orphan(journal_t *self, const char *name, journal_found_t *found)
{
    bool damage = found->damaged_records > 0 || found->damaged_files > 0;
    if (damage && renameat(self->slot.bodies, name, self->slot.damaged, name) == 0)
        return;
    if (unlinkat(self->slot.bodies, name, 0) == 0)
        found->orphan_bodies++;
}

void journal_bodies_restore(journal_t *self, uint64_t *named, size_t count, journal_found_t *found)
{
    int fd = openat(self->slot.bodies, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;
    if (!listing) {
        if (fd >= 0)
            (void)close(fd);
        return;
    }
    if (count > 0)
        qsort(named, count, sizeof(*named), compare_numbers);
    for (struct dirent *entry = readdir(listing); entry; entry = readdir(listing)) {
        uint64_t number;
        struct stat status;
        if (entry->d_name[0] == '.')
            continue;
        bool ours = journal_body_name_parse(wire_view(entry->d_name), &number) == 0;
        if (!ours || count == 0 || !bsearch(&number, named, count, sizeof(*named), compare_numbers))
            drop_orphan(self, entry->d_name, found);
        else if (fstatat(self->slot.bodies, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0)
            atomic_fetch_add(&self->counts.bytes, (uint64_t)status.st_size);
    }
    (void)closedir(listing);
}
