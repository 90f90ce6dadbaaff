#include "tests/unit/support/scratch.h"

#include <assert.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

void scratch_new(char path[SCRATCH_PATH_BYTES])
{
    const char *parent = getenv("TMPDIR");
    scratch_join(path, parent ? parent : "/tmp", "postcall-test-XXXXXX");
    assert(mkdtemp(path));
}

static int remove_entry(const char *path, const struct stat *entry, int kind, struct FTW *place)
{
    (void)entry;
    (void)kind;
    (void)place;
    return remove(path);
}

void scratch_remove(const char *path)
{
    (void)umount2(path, MNT_DETACH); /* as a rule nothing is mounted there */
    (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

bool scratch_mount(const char *path, const char *type, const char *options)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount(type, path, type, MS_NOSUID | MS_NODEV, options) == 0;
}

char *scratch_join(char path[SCRATCH_PATH_BYTES], const char *directory, const char *name)
{
    int length = snprintf(path, SCRATCH_PATH_BYTES, "%s/%s", directory, name);
    assert(length > 0 && length < SCRATCH_PATH_BYTES);
    return path;
}

void scratch_write(const char *path, const void *bytes, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert(fd >= 0);
    assert(write(fd, bytes, length) == (ssize_t)length);
    close(fd);
}

char *scratch_read(const char *path, size_t *length)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    struct stat file;
    assert(fstat(fd, &file) == 0);
    char *bytes = malloc((size_t)file.st_size + 1);
    assert(bytes);
    assert(read(fd, bytes, (size_t)file.st_size) == file.st_size);
    close(fd);
    bytes[file.st_size] = '\0';
    if (length)
        *length = (size_t)file.st_size;
    return bytes;
}
