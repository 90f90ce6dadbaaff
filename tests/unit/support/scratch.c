#include "tests/unit/support/scratch.h"

#include <assert.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES_MAX 100 /* to remove a directory: who was killed with us may still write there */

/* Where this process has its directories; none yet when empty. */
static char root[SCRATCH_PATH_BYTES];

static int remove_entry(const char *path, const struct stat *entry, int kind, struct FTW *place)
{
    (void)entry;
    (void)kind;
    (void)place;
    return remove(path);
}

/* Waits until no process holds the other end of the pipe, and removes the root. */
static void remove_behind(int end)
{
    char byte;
    (void)setsid(); /* an interrupt from the terminal is for the others */
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        (void)close(fd);
    while (read(end, &byte, 1) < 0)
        ;
    for (int i = 0; i < TRIES_MAX && access(root, F_OK) == 0; i++) {
        (void)nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        (void)usleep(i > 0 ? 100000 : 0);
    }
    _exit(0);
}

/* The root is removed by a process of its own, however this one ends. */
static void make_root(void)
{
    const char *parent = getenv("TMPDIR");
    int ends[2];
    scratch_join(root, parent ? parent : "/tmp", "postcall-test-XXXXXX");
    assert(mkdtemp(root));
    assert(chmod(root, 0711) == 0);
    assert(pipe2(ends, O_CLOEXEC) == 0);
    pid_t remover = fork();
    assert(remover >= 0);
    if (remover == 0) {
        close(ends[1]);
        remove_behind(ends[0]);
    }
    close(ends[0]); /* the other end stays open for as long as this process lives */
}

static void join_root(char path[SCRATCH_PATH_BYTES])
{
    if (!*root)
        make_root();
    scratch_join(path, root, "XXXXXX");
}

void scratch_new(char path[SCRATCH_PATH_BYTES])
{
    join_root(path);
    assert(mkdtemp(path));
}

void scratch_file(char path[SCRATCH_PATH_BYTES], const char *text)
{
    join_root(path);
    int fd = mkstemp(path);
    assert(fd >= 0);
    close(fd);
    scratch_write(path, text, strlen(text));
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
