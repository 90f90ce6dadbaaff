#include "recorder/object_group.h"

#include "common/base/file_io.h"
#include "proto/routes.h"
#include "recorder/object_parents.h"
#include "recorder/object_path.h"
#include "recorder/object_version.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

typedef enum { STEP_STAGED, STEP_STANDING, STEP_NOTHING, STEP_FAILED } step_t;

typedef struct {
    object_dir_write_t *write;
    step_t step;
    int fd;                                /* the file aside until it is synced; or -1 */
    char aside[OBJECT_ASIDE_NAME_BYTES];   /* its name; empty: there is none */
    char version[OBJECT_ASIDE_NAME_BYTES]; /* of the file with its version; empty: there is none */
} object_step_t;

typedef struct {
    object_place_t *place;
    object_parents_t parents;
    int file_system; /* DIR, open to sync its file system; or -1: file by file */
    size_t count;
    object_step_t objects[OBJECT_GROUP_MAX];
} group_t;

static void close_file(object_step_t *self)
{
    if (self->fd >= 0)
        close(self->fd);
    self->fd = -1;
}

static void retry(object_step_t *self, const char *scope)
{
    self->step = STEP_FAILED;
    self->write->result = OBJECT_DIR_RETRY;
    self->write->scope = scope;
}

static void reject(object_step_t *self)
{
    self->step = STEP_FAILED;
    self->write->result = OBJECT_DIR_REJECTED;
}

/* The store as a whole does not work now. */
static void fail_store(object_step_t *self, const char *what, int reason)
{
    retry(self, SCOPE_SINK);
    fault_set_errno(&self->write->fault, reason, "%s", what);
}

static bool concerns_store(int reason)
{
    return reason == ENOSPC || reason == EDQUOT || reason == EIO || reason == EROFS ||
           reason == ENOMEM || reason == EMFILE || reason == ENFILE || reason == ESTALE;
}

static bool concerns_key(int reason)
{
    return reason == ENAMETOOLONG || reason == ELOOP || reason == ENOTDIR || reason == EISDIR ||
           reason == EINVAL || reason == EILSEQ;
}

/* Something on the way to the key does not work. */
static void fail_key(object_step_t *self, const char *what, int reason)
{
    fault_set_errno(&self->write->fault, reason, "%s", what);
    if (concerns_key(reason))
        reject(self);
    else
        retry(self, concerns_store(reason) ? SCOPE_SINK : SCOPE_EVENT);
}

static void check(object_step_t *self)
{
    object_dir_write_t *write = self->write;
    if (object_path_check(write->key, &write->fault)) {
        reject(self);
    } else if (write->version.length > OBJECT_VERSION_BYTES_MAX) {
        fault_set(&write->fault, "its version has %zu bytes", write->version.length);
        reject(self);
    }
}

/* Opens the object's directory, for the moment, and writes the object's name; `create` makes what
 * is missing.  -1 when the object has failed or, without `create`, its directory is missing. */
static int open_parent(group_t *group, object_step_t *self, bool create,
                       char name[OBJECT_PATH_NAME_BYTES])
{
    wire_view_t key = self->write->key;
    size_t name_at = object_path_name(key);
    memcpy(name, key.bytes + name_at, key.length - name_at);
    name[key.length - name_at] = '\0';
    int directory = object_parents_open(&group->parents, key, create);
    if (directory < 0 && (create || errno != ENOENT))
        fail_key(self, "its directory cannot be opened", errno);
    return directory;
}

/* Compares with what stands at the key: the object goes on as staged only if that is older. */
static void compare(const object_place_t *place, object_step_t *self, int directory,
                    const char *name)
{
    object_dir_write_t *write = self->write;
    object_version_order_t order = object_version_compare(directory, name, write->version);
    if (order == OBJECT_VERSION_UNKNOWN) {
        fail_key(self, "what stands at its key cannot be read", errno);
    } else if (order == OBJECT_VERSION_NEWER) {
        self->step = STEP_STANDING;
        write->result = OBJECT_DIR_KEPT_NEWER;
    } else if (order == OBJECT_VERSION_SAME && !atomic_load(&place->doubtful)) {
        self->step = STEP_STANDING;
        write->result = OBJECT_DIR_SAME;
    }
}

/* Looks whether the object stands already, since a replay sends many that do. */
static void compare_early(group_t *group, object_step_t *self)
{
    char name[OBJECT_PATH_NAME_BYTES];
    int directory = open_parent(group, self, false, name);
    if (directory >= 0)
        compare(group->place, self, directory, name);
}

static int write_version_aside(object_place_t *place, object_step_t *self)
{
    const object_dir_write_t *write = self->write;
    char text[OBJECT_VERSION_TEXT_BYTES];
    size_t length = object_version_text(write->version, write->bytes, write->length, text);
    int fd = object_aside_create(&place->aside, self->version);
    if (fd < 0)
        return -1;
    int status = file_write_at(fd, text, length, 0) || fsync(fd) ? -1 : 0;
    int reason = errno;
    close(fd);
    errno = reason;
    return status;
}

static void write_aside(object_place_t *place, object_step_t *self)
{
    const object_dir_write_t *write = self->write;
    self->fd = object_aside_create(&place->aside, self->aside);
    if (self->fd < 0 && errno == ENOENT)
        fail_store(self, "the store was removed while it was open", errno);
    else if (self->fd < 0 || file_write_at(self->fd, write->bytes, write->length, 0))
        fail_store(self, "it cannot be written aside", errno);
    else if (place->attributes ? object_version_set(self->fd, write->version)
                               : write_version_aside(place, self))
        fail_store(self, "its version cannot be written", errno);
}

static void stage(group_t *group, object_step_t *self)
{
    bool puts = !self->write->removes;
    if (self->step == STEP_STAGED)
        check(self);
    if (self->step == STEP_STAGED && puts)
        compare_early(group, self);
    if (self->step == STEP_STAGED && puts)
        write_aside(group->place, self);
    if (group->file_system >= 0)
        close_file(self);
}

static bool any(const group_t *group, step_t step)
{
    for (size_t i = 0; i < group->count; i++) {
        if (group->objects[i].step == step)
            return true;
    }
    return false;
}

static void fail_all(group_t *group, step_t step, const char *what, int reason)
{
    for (size_t i = 0; i < group->count; i++) {
        if (group->objects[i].step == step)
            fail_store(&group->objects[i], what, reason);
    }
}

/* Starts all writes before it waits for the first, so that one journal commit of the file system
 * serves them all: about twice as many objects a second on ext4. */
static void start_writes(const group_t *group)
{
    for (size_t i = 0; i < group->count; i++) {
        const object_step_t *self = &group->objects[i];
        if (self->fd >= 0)
            (void)sync_file_range(self->fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* fsync tells errors */
    }
}

static void sync_files(group_t *group)
{
    static const char what[] = "it cannot be synced";
    if (group->file_system >= 0 && syncfs(group->file_system))
        fail_all(group, STEP_STAGED, what, errno);
    start_writes(group);
    for (size_t i = 0; i < group->count; i++) {
        object_step_t *self = &group->objects[i];
        if (self->step == STEP_STAGED && self->fd >= 0 && fsync(self->fd))
            fail_store(self, what, errno);
        close_file(self);
    }
}

/* The version beside it, if it has one, goes first (recorder/object_version.h). */
static int give_name(const object_place_t *place, const object_step_t *self, int directory,
                     const char *name)
{
    char beside[OBJECT_VERSION_NAME_BYTES];
    object_version_name(name, beside);
    if (self->version[0] && renameat(place->aside.fd, self->version, directory, beside))
        return -1;
    return renameat(place->aside.fd, self->aside, directory, name);
}

/* The object before its version: what is left by one that is killed in between is no object. */
static int remove_names(int directory, const char *name)
{
    char beside[OBJECT_VERSION_NAME_BYTES];
    object_version_name(name, beside);
    if (unlinkat(directory, name, 0) != 0 && errno != ENOENT)
        return -1;
    return unlinkat(directory, beside, 0) != 0 && errno != ENOENT && errno != ENAMETOOLONG ? -1 : 0;
}

/* As publish, for an object that is to go.  What is found gone goes through the last sync, too. */
static void withdraw(group_t *group, object_step_t *self)
{
    object_dir_write_t *write = self->write;
    char name[OBJECT_PATH_NAME_BYTES];
    int directory = open_parent(group, self, false, name);
    if (directory < 0 && self->step == STEP_STAGED) {
        self->step = STEP_NOTHING; /* nothing was ever put there */
        write->result = OBJECT_DIR_SAME;
    }
    if (directory < 0)
        return;
    bool is_there = faccessat(directory, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    object_version_order_t order = object_version_compare(directory, name, write->version);
    if (order == OBJECT_VERSION_UNKNOWN) {
        fail_key(self, "what stands at its key cannot be read", errno);
        return;
    }
    self->step = STEP_STANDING;
    write->result = order == OBJECT_VERSION_NEWER ? OBJECT_DIR_KEPT_NEWER
                    : is_there                    ? OBJECT_DIR_REMOVED
                                                  : OBJECT_DIR_SAME;
    if (order != OBJECT_VERSION_NEWER && remove_names(directory, name))
        fail_key(self, "it cannot be removed", errno);
}

static void publish(group_t *group, object_step_t *self)
{
    const object_place_t *place = group->place;
    char name[OBJECT_PATH_NAME_BYTES];
    int directory = open_parent(group, self, true, name);
    if (directory < 0)
        return;
    compare(place, self, directory, name);
    if (self->step == STEP_STAGED) {
        self->step = STEP_STANDING;
        self->write->result = OBJECT_DIR_WRITTEN;
        if (give_name(place, self, directory, name))
            fail_key(self, "it cannot be given its name", errno);
    }
}

static void publish_all(group_t *group)
{
    fault_t fault;
    int lock = object_aside_lock(&group->place->aside, group->place->lock_wait_ms, &fault);
    for (size_t i = 0; i < group->count; i++) {
        object_step_t *self = &group->objects[i];
        if (self->step != STEP_STAGED)
            continue;
        if (lock >= 0 && self->write->removes) {
            withdraw(group, self);
        } else if (lock >= 0) {
            publish(group, self);
        } else {
            retry(self, SCOPE_SINK);
            self->write->fault = fault;
        }
    }
    if (lock >= 0)
        close(lock);
}

static int sync_directory(const object_place_t *place, wire_view_t key, size_t length)
{
    int directory = object_path_open(place->root, key, length, false);
    if (directory < 0)
        return -1;
    int status = fsync(directory);
    int reason = errno;
    close(directory);
    errno = reason;
    return status;
}

/* Whether the directory of the first `length` bytes is on the way of an earlier object, too. */
static bool is_synced(const group_t *group, size_t index, size_t length)
{
    wire_view_t key = group->objects[index].write->key;
    for (size_t i = 0; i < index; i++) {
        wire_view_t other = group->objects[i].write->key;
        if (group->objects[i].step == STEP_STANDING && other.length > length &&
            memcmp(other.bytes, key.bytes, length) == 0)
            return true;
    }
    return false;
}

/* Syncs DIR and the directories between it and the object: any of them may be new. */
static int sync_way(const group_t *group, size_t index)
{
    wire_view_t key = group->objects[index].write->key;
    size_t length = 0;
    do {
        if (!is_synced(group, index, length) && sync_directory(group->place, key, length))
            return -1;
        const char *slash = memchr(key.bytes + length, '/', key.length - length);
        length = slash ? (size_t)(slash - key.bytes) + 1 : 0;
    } while (length > 0);
    return 0;
}

static int sync_ways(const group_t *group)
{
    if (group->file_system >= 0)
        return syncfs(group->file_system);
    for (size_t i = 0; i < group->count; i++) {
        if (group->objects[i].step == STEP_STANDING && sync_way(group, i))
            return -1;
    }
    return 0;
}

static void sync_directories(group_t *group)
{
    if (sync_ways(group) == 0)
        return;
    int reason = errno;
    atomic_store(&group->place->doubtful, true);
    fail_all(group, STEP_STANDING, "its directories cannot be synced", reason);
}

/* What has its name already is not found aside. */
static void clear_aside(const group_t *group)
{
    for (size_t i = 0; i < group->count; i++) {
        const object_step_t *self = &group->objects[i];
        if (self->write->result == OBJECT_DIR_WRITTEN)
            continue;
        if (self->aside[0])
            (void)unlinkat(group->place->aside.fd, self->aside, 0);
        if (self->version[0])
            (void)unlinkat(group->place->aside.fd, self->version, 0);
    }
}

void object_group_put(object_place_t *place, object_dir_write_t *writes, size_t count,
                      bool with_syncfs)
{
    assert(count <= OBJECT_GROUP_MAX);
    group_t group = {
        .place = place, .parents = {.root = place->root}, .file_system = -1, .count = count};
    for (size_t i = 0; i < count; i++) {
        writes[i].scope = NULL;
        writes[i].fault = (fault_t){""};
        group.objects[i] = (object_step_t){.write = &writes[i], .fd = -1};
    }
    if (with_syncfs)
        group.file_system = openat(place->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (with_syncfs && group.file_system < 0)
        fail_all(&group, STEP_STAGED, "the directory cannot be opened", errno);
    for (size_t i = 0; i < count; i++)
        stage(&group, &group.objects[i]);
    if (any(&group, STEP_STAGED)) {
        sync_files(&group);
        publish_all(&group);
    }
    if (any(&group, STEP_STANDING))
        sync_directories(&group);
    clear_aside(&group);
    object_parents_close(&group.parents);
    if (group.file_system >= 0)
        close(group.file_system);
}
