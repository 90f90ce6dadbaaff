#include "common/journal/journal_slot.h"

#include "common/base/clock.h"
#include "common/base/file_io.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ORDINAL_DIGITS   10
#define BODY_DIGITS      16
#define BODY_SUFFIX      ".body"
#define COPY_CHUNK_BYTES 65536
#define LOCK_NAME        "lock"
#define LOCK_TRIES       20
#define LOCK_PAUSE_NS    5000000

static const journal_slot_t no_slot = {
    .lock = -1, .directory = -1, .segments = -1, .bodies = -1, .damaged = -1};

static void close_directory(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

void journal_slot_release(journal_slot_t *self)
{
    close_directory(&self->damaged);
    close_directory(&self->bodies);
    close_directory(&self->segments);
    close_directory(&self->directory);
    close_directory(&self->lock);
}

static int open_below(int parent, const char *name, int *fd, fault_t *fault)
{
    *fd = file_open_directory(parent, name);
    return *fd >= 0 ? 0 : fault_set_errno(fault, errno, "directory '%s'", name);
}

static int open_directories(journal_slot_t *self, fault_t *fault)
{
    int dead = -1;
    if (open_below(self->directory, "segments", &self->segments, fault) != 0 ||
        open_below(self->directory, "bodies", &self->bodies, fault) != 0 ||
        open_below(self->directory, "dead", &dead, fault) != 0 ||
        open_below(self->directory, "damaged", &self->damaged, fault) != 0)
        return -1;
    (void)close(dead);
    if (fsync(self->directory))
        return fault_set_errno(fault, errno, "sync of '%s'", self->path);
    return 0;
}

/* Tries the lock of the slot that is open.  1: it is ours; 0: another process has it.  One that
 * only asks whether the slot is held has the lock for an instant, and must not send an ingress to
 * another slot: so it is tried for a while. */
static int try_lock(journal_slot_t *self, fault_t *fault)
{
    self->lock = openat(self->directory, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (self->lock < 0)
        return fault_set_errno(fault, errno, "lock of '%s'", self->path);
    for (int tries = 0; flock(self->lock, LOCK_EX | LOCK_NB) != 0; tries++) {
        if (errno != EWOULDBLOCK)
            return fault_set_errno(fault, errno, "lock of '%s'", self->path);
        if (tries == LOCK_TRIES)
            return 0;
        (void)nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_NS}, NULL);
    }
    return 1;
}

bool journal_slot_held(int slot_directory)
{
    int fd = openat(slot_directory, LOCK_NAME, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    /* Shared: those who ask do not see each other. */
    bool held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    (void)close(fd); /* the lock goes with it */
    return held;
}

/* Tries slot `number`.  1: taken; 0: another process has it; -1: it cannot be used. */
static int try_slot(journal_slot_t *self, int data_fd, const char *data_directory, unsigned number,
                    fault_t *fault)
{
    char name[16];
    *self = no_slot;
    self->number = number;
    snprintf(name, sizeof(name), "%u", number);
    if (snprintf(self->path, sizeof(self->path), "%s/%s", data_directory, name) >=
        (int)sizeof(self->path))
        return fault_set(fault, "the path of the data directory is too long");
    if (open_below(data_fd, name, &self->directory, fault) != 0)
        return -1;
    int locked = try_lock(self, fault);
    if (locked == 1 && open_directories(self, fault) != 0)
        locked = -1;
    if (locked != 1)
        journal_slot_release(self);
    return locked;
}

/* The data directory itself may be new in the directory above. */
static int sync_parent(int directory)
{
    int parent = openat(directory, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0)
        return errno == EACCES ? 0 : -1; /* what cannot be read was not made by us */
    int status = fsync(parent);
    (void)close(parent);
    return status;
}

int journal_slot_take(journal_slot_t *self, const char *data_directory, int number, fault_t *fault)
{
    *self = no_slot;
    int data_fd = file_open_directory(AT_FDCWD, data_directory);
    if (data_fd < 0)
        return fault_set_errno(fault, errno, "data directory '%s'", data_directory);
    unsigned first = number == JOURNAL_SLOT_ANY ? 0 : (unsigned)number;
    unsigned last = number == JOURNAL_SLOT_ANY ? JOURNAL_SLOTS_MAX - 1 : first;
    int taken = 0;
    for (unsigned slot = first; slot <= last && taken == 0; slot++)
        taken = try_slot(self, data_fd, data_directory, slot, fault);
    if (taken == 0 && number == JOURNAL_SLOT_ANY)
        fault_set(fault, "all %d slots of '%s' are in use", JOURNAL_SLOTS_MAX, data_directory);
    else if (taken == 0)
        fault_set(fault, "another process has slot %d of '%s'", number, data_directory);
    if (taken == 1 && (fsync(data_fd) || sync_parent(data_fd))) {
        fault_set_errno(fault, errno, "sync of '%s'", data_directory);
        journal_slot_release(self);
        taken = -1;
    }
    (void)close(data_fd);
    return taken == 1 ? 0 : -1;
}

void journal_name(char name[JOURNAL_NAME_BYTES], uint64_t ordinal, const char *suffix)
{
    snprintf(name, JOURNAL_NAME_BYTES, "%0*" PRIu64 ".%s", ORDINAL_DIGITS, ordinal, suffix);
}

int journal_name_parse(const char *name, uint64_t *ordinal, const char **suffix)
{
    size_t digits = strspn(name, "0123456789");
    if (digits < ORDINAL_DIGITS || digits > 18 || name[digits] != '.')
        return -1;
    *ordinal = strtoull(name, NULL, 10);
    *suffix = name + digits + 1;
    return 0;
}

void journal_body_name(char name[JOURNAL_NAME_BYTES], uint64_t number)
{
    snprintf(name, JOURNAL_NAME_BYTES, "%016" PRIx64 BODY_SUFFIX, number);
}

int journal_body_name_parse(wire_view_t name, uint64_t *number)
{
    char text[BODY_DIGITS + sizeof(BODY_SUFFIX)], canonical[JOURNAL_NAME_BYTES];
    if (name.length != sizeof(text) - 1)
        return -1;
    memcpy(text, name.bytes, name.length);
    text[name.length] = '\0';
    uint64_t parsed = strtoull(text, NULL, 16);
    journal_body_name(canonical, parsed);
    if (strcmp(canonical, text) != 0)
        return -1;
    *number = parsed;
    return 0;
}

uint64_t journal_random(void)
{
    uint64_t number = 0;
    while (number == 0) {
        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
            number = 0;
    }
    return number;
}

static int copy_range(int to, int from, uint64_t offset, uint64_t bytes)
{
    char chunk[COPY_CHUNK_BYTES];
    for (uint64_t done = 0; done < bytes;) {
        size_t wanted = bytes - done < sizeof(chunk) ? (size_t)(bytes - done) : sizeof(chunk);
        ssize_t got = file_read_at(from, chunk, wanted, offset + done);
        if (got <= 0)
            return -1;
        if (file_write_at(to, chunk, (size_t)got, done) != 0)
            return -1;
        done += (uint64_t)got;
    }
    return 0;
}

bool journal_slot_keep_damage(const journal_slot_t *self, const char *from, int fd, uint64_t offset,
                              uint64_t bytes)
{
    char name[2 * JOURNAL_NAME_BYTES];
    snprintf(name, sizeof(name), "%s-%" PRIu64, from, offset);
    int to = openat(self->damaged, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0)
        return errno != EEXIST;
    /* A copy for a person to look at; the journal goes on without it. */
    (void)copy_range(to, fd, offset, bytes);
    (void)close(to);
    return true;
}

static void aside_name(char aside[2 * JOURNAL_NAME_BYTES], const char *name)
{
    snprintf(aside, (size_t)2 * JOURNAL_NAME_BYTES, "%s-%" PRIx64, name, journal_random());
}

void journal_slot_set_aside(const journal_slot_t *self, const char *name)
{
    char aside[2 * JOURNAL_NAME_BYTES];
    aside_name(aside, name);
    (void)renameat(self->segments, name, self->damaged, aside);
}

void journal_slot_keep_file(const journal_slot_t *self, const char *name)
{
    char aside[2 * JOURNAL_NAME_BYTES];
    aside_name(aside, name);
    /* For a person to look at; the journal goes on without it. */
    int kept = linkat(self->segments, name, self->damaged, aside, 0);
    (void)kept;
}
