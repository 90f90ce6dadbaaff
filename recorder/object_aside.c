#include "recorder/object_aside.h"

#include "common/base/file_lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOP  ".postcall"
#define LOCK "lock"

static int open_directory(int parent, const char *name, bool create, fault_t *fault)
{
    if (create && mkdirat(parent, name, 0750) && errno != EEXIST)
        return fault_set_errno(fault, errno, "the directory %s cannot be made", name);
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 ? fd : fault_set_errno(fault, errno, "the directory %s cannot be opened", name);
}

static int open_lock(int parent, fault_t *fault)
{
    int fd = openat(parent, LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
    return fd >= 0 ? fd : fault_set_errno(fault, errno, "a lock file cannot be opened");
}

static bool is_left(const char *name)
{
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, LOCK) != 0;
}

/* Removes what the last process of this place was writing. */
static int empty(int fd, uint64_t *removed, fault_t *fault)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = copy >= 0 ? fdopendir(copy) : NULL;
    if (!directory) {
        fault_set_errno(fault, errno, "the files left in %s cannot be listed", TOP);
        if (copy >= 0)
            close(copy);
        return -1;
    }
    const struct dirent *entry;
    int status = 0;
    while (status == 0 && (entry = readdir(directory))) {
        if (!is_left(entry->d_name))
            continue;
        if (unlinkat(fd, entry->d_name, 0))
            status =
                fault_set_errno(fault, errno, "%s in %s cannot be removed", entry->d_name, TOP);
        else
            (*removed)++;
    }
    closedir(directory);
    return status;
}

static void close_place(object_aside_t *self)
{
    if (self->lock >= 0)
        close(self->lock);
    if (self->fd >= 0)
        close(self->fd);
    self->lock = self->fd = -1;
}

/* Takes place `number` and empties it.  -1 when another process holds it, or it cannot be used. */
static int take_place(object_aside_t *self, unsigned number, bool create, uint64_t *removed,
                      fault_t *fault)
{
    char name[16];
    snprintf(name, sizeof(name), "%u", number);
    self->fd = open_directory(self->top, name, create, fault);
    if (self->fd >= 0)
        self->lock = open_lock(self->fd, fault);
    if (self->lock >= 0 && file_lock_take(self->lock, name, 0, fault) == 0 &&
        empty(self->fd, removed, fault) == 0)
        return 0;
    close_place(self);
    return -1;
}

int object_aside_open(object_aside_t *self, int root, uint64_t *removed, fault_t *fault)
{
    *removed = 0;
    *self = (object_aside_t){.fd = -1, .lock = -1};
    self->top = open_directory(root, TOP, true, fault);
    if (self->top < 0)
        return -1;
    fault_t why = {""};
    for (unsigned i = 0; i < OBJECT_ASIDE_PROCESSES_MAX; i++) {
        object_aside_t left = {.top = self->top, .fd = -1, .lock = -1};
        if (self->fd < 0)
            (void)take_place(self, i, true, removed, &why); /* if not this one, then the next */
        else if (take_place(&left, i, false, removed, NULL) == 0)
            close_place(&left);
    }
    return self->fd >= 0 ? 0 : fault_set(fault, "no place for files is free: %s", why.text);
}

void object_aside_close(object_aside_t *self)
{
    close_place(self);
    if (self->top >= 0)
        close(self->top);
    self->top = -1;
}

int object_aside_create(object_aside_t *self, char name[OBJECT_ASIDE_NAME_BYTES])
{
    uint64_t number = atomic_fetch_add(&self->created, 1);
    snprintf(name, OBJECT_ASIDE_NAME_BYTES, "%" PRIu64, number);
    return openat(self->fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
}

int object_aside_lock(const object_aside_t *self, int64_t wait_ms, fault_t *fault)
{
    int fd = open_lock(self->top, fault);
    if (fd < 0 || file_lock_take(fd, TOP "/" LOCK, wait_ms, fault) == 0)
        return fd;
    close(fd);
    return -1;
}
