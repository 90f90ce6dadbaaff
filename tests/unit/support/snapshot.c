#include "tests/unit/support/snapshot.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void must(int holds, const char *what)
{
    if (holds)
        return;
    perror(what);
    abort();
}

/* nftw hands no context to its function. */
static snapshot_t *taking;
static size_t directory_length;

static int take_file(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)walk;
    if (type != FTW_F)
        return 0;
    must(taking->count < SNAPSHOT_FILES_MAX, "too many files");
    snapshot_file_t *file = &taking->files[taking->count++];
    snprintf(file->name, sizeof(file->name), "%s", path + directory_length + 1);
    file->length = (size_t)status->st_size;
    file->bytes = malloc(file->length + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    must(fd >= 0 && file->bytes && read(fd, file->bytes, file->length) == (ssize_t)file->length,
         path);
    close(fd);
    return 0;
}

static int compare_names(const void *one, const void *other)
{
    return strcmp(((const snapshot_file_t *)one)->name, ((const snapshot_file_t *)other)->name);
}

void snapshot_take(snapshot_t *self, const char *directory)
{
    *self = (snapshot_t){0};
    taking = self;
    directory_length = strlen(directory);
    must(nftw(directory, take_file, 16, FTW_PHYS) == 0, directory);
    qsort(self->files, self->count, sizeof(self->files[0]), compare_names);
}

static int remove_file(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)walk;
    return type == FTW_F ? unlink(path) : 0;
}

void snapshot_write(const char *directory, const char *name, const void *bytes, size_t length)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0 && write(fd, bytes, length) == (ssize_t)length, path);
    close(fd);
}

void snapshot_restore(const snapshot_t *self, const char *directory)
{
    must(nftw(directory, remove_file, 16, FTW_PHYS) == 0, directory);
    for (size_t i = 0; i < self->count; i++)
        snapshot_write(directory, self->files[i].name, self->files[i].bytes, self->files[i].length);
}

void snapshot_free(snapshot_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        free(self->files[i].bytes);
    self->count = 0;
}
