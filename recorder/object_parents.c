#include "recorder/object_parents.h"

#include "recorder/object_path.h"

#include <unistd.h>

static int find(const object_parents_t *self, wire_view_t path)
{
    for (size_t i = 0; i < self->count; i++) {
        if (wire_same(self->open[i].path, path))
            return self->open[i].fd;
    }
    return -1;
}

/* The slot for one more, with nothing open in it. */
static object_parent_t *make_room(object_parents_t *self)
{
    if (self->count < OBJECT_PARENTS_MAX)
        return &self->open[self->count++];
    object_parent_t *victim = &self->open[self->next_victim];
    self->next_victim = (self->next_victim + 1) % OBJECT_PARENTS_MAX;
    close(victim->fd);
    return victim;
}

/* Opens `path`, which ends in a slash, by way of the directory above it. */
static int open_path(object_parents_t *self, wire_view_t path, bool create)
{
    if (path.length == 0)
        return self->root;
    int fd = find(self, path);
    if (fd >= 0)
        return fd;
    size_t last = object_path_name((wire_view_t){path.bytes, path.length - 1});
    int above = open_path(self, (wire_view_t){path.bytes, last}, create);
    fd = above >= 0 ? object_path_open_below(above, path, last, create) : -1;
    if (fd >= 0)
        *make_room(self) = (object_parent_t){path, fd};
    return fd;
}

int object_parents_open(object_parents_t *self, wire_view_t key, bool create)
{
    return open_path(self, (wire_view_t){key.bytes, object_path_name(key)}, create);
}

void object_parents_close(object_parents_t *self)
{
    while (self->count > 0)
        close(self->open[--self->count].fd);
}
