#include "recorder/object_dir.h"

#include "recorder/object_group.h"
#include "recorder/object_version.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Not in linux/magic.h of Debian 12 (linux/fs/xfs/xfs_format.h: "XFSB"). */
#define XFS_MAGIC 0x58465342

struct object_dir {
    object_place_t place;
    size_t syncfs_objects_min;
    uint64_t removed;
};

static bool kernel_reports(void)
{
    struct utsname kernel;
    if (uname(&kernel) != 0)
        return false;
    char *rest;
    long major = strtol(kernel.release, &rest, 10);
    long minor = *rest == '.' ? strtol(rest + 1, NULL, 10) : 0;
    return major > 5 || (major == 5 && minor >= 8);
}

/* Whether a failed write of any file makes the next syncfs fail. */
static bool syncfs_reports(int root)
{
    struct statfs file_system;
    if (!kernel_reports() || fstatfs(root, &file_system))
        return false;
    return file_system.f_type == EXT4_SUPER_MAGIC || file_system.f_type == XFS_MAGIC ||
           file_system.f_type == BTRFS_SUPER_MAGIC;
}

static int find_attributes(object_place_t *place, fault_t *fault)
{
    char name[OBJECT_ASIDE_NAME_BYTES];
    int fd = object_aside_create(&place->aside, name);
    if (fd < 0)
        return fault_set_errno(fault, errno, "no file can be made");
    int found = object_version_has_attributes(fd);
    if (found < 0)
        fault_set_errno(fault, errno, "no attribute can be set");
    close(fd);
    (void)unlinkat(place->aside.fd, name, 0); /* the next start removes it, too */
    place->attributes = found > 0;
    return found < 0 ? -1 : 0;
}

static int open_place(object_dir_t *self, const char *directory, fault_t *fault)
{
    object_place_t *place = &self->place;
    place->root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (place->root < 0)
        return fault_set_errno(fault, errno, "%s cannot be opened", directory);
    if (object_aside_open(&place->aside, place->root, &self->removed, fault))
        return -1;
    return find_attributes(place, fault);
}

object_dir_t *object_dir_new(const object_dir_options_t *options, fault_t *fault)
{
    object_dir_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "no memory for a store");
        return NULL;
    }
    self->place.root = self->place.aside.top = self->place.aside.fd = self->place.aside.lock = -1;
    self->place.lock_wait_ms =
        options->lock_wait_ms ? options->lock_wait_ms : OBJECT_DIR_LOCK_WAIT_MS;
    self->syncfs_objects_min =
        options->syncfs_objects_min ? options->syncfs_objects_min : OBJECT_DIR_SYNCFS_OBJECTS_MIN;
    if (open_place(self, options->directory, fault))
        object_dir_destroy(&self);
    else if (!syncfs_reports(self->place.root))
        self->syncfs_objects_min = SIZE_MAX;
    return self;
}

void object_dir_destroy(object_dir_t **self_p)
{
    object_dir_t *self = *self_p;
    if (!self)
        return;
    object_aside_close(&self->place.aside);
    if (self->place.root >= 0)
        close(self->place.root);
    free(self);
    *self_p = NULL;
}

void object_dir_put(object_dir_t *self, object_dir_write_t *writes, size_t count)
{
    while (count > 0) {
        bool with_syncfs = count >= self->syncfs_objects_min;
        size_t most = with_syncfs ? OBJECT_GROUP_MAX : OBJECT_DIR_DESCRIPTORS;
        size_t taken = count < most ? count : most;
        object_group_put(&self->place, writes, taken, with_syncfs);
        writes += taken;
        count -= taken;
    }
}

uint64_t object_dir_removed(const object_dir_t *self)
{
    return self->removed;
}

void object_dir_run(void *self, void *job)
{
    const object_dir_job_t *put = job;
    object_dir_put(self, put->writes, put->count);
}
