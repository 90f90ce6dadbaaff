#include "recorder/object_path.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The length of the component that begins at `at`. */
static size_t component_bytes(wire_view_t key, size_t at)
{
    const char *slash = memchr(key.bytes + at, '/', key.length - at);
    return slash ? (size_t)(slash - key.bytes) - at : key.length - at;
}

size_t object_path_name(wire_view_t key)
{
    const char *slash = memrchr(key.bytes, '/', key.length);
    return slash ? (size_t)(slash - key.bytes) + 1 : 0;
}

static const char *component_fault(const char *component, size_t length)
{
    if (length == 0)
        return "an empty component";
    if (component[0] == '.')
        return "a component that begins with a full stop";
    if (length >= OBJECT_PATH_NAME_BYTES)
        return "a component that is too long";
    return memchr(component, '\0', length) ? "a NUL" : NULL;
}

int object_path_check(wire_view_t key, fault_t *fault)
{
    if (key.length == 0 || key.length > MESSAGE_KEY_BYTES_MAX)
        return fault_set(fault, "the key has %zu bytes", key.length);
    for (size_t at = 0; at <= key.length;) {
        size_t length = component_bytes(key, at);
        const char *wrong = component_fault(key.bytes + at, length);
        if (wrong)
            return fault_set(fault, "the key has %s at byte %zu", wrong, at);
        at += length + 1;
    }
    return 0;
}

int object_path_open_below(int parent, wire_view_t key, size_t at, bool create)
{
    char name[OBJECT_PATH_NAME_BYTES];
    size_t bytes = component_bytes(key, at);
    memcpy(name, key.bytes + at, bytes);
    name[bytes] = '\0';
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(parent, name, flags);
    if (fd >= 0 || errno != ENOENT || !create)
        return fd;
    if (mkdirat(parent, name, 0750) && errno != EEXIST)
        return -1;
    return openat(parent, name, flags);
}

int object_path_open(int root, wire_view_t key, size_t length, bool create)
{
    int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t at = 0; fd >= 0 && at < length;) {
        int below = object_path_open_below(fd, key, at, create);
        int reason = errno;
        close(fd);
        errno = reason;
        fd = below;
        at += component_bytes(key, at) + 1;
    }
    return fd;
}
