#include "recorder/object_version.h"

#include "common/base/file_io.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ATTRIBUTE   "user.postcall.version"
#define CHUNK_BYTES 65536

/* A version as it was read. */
typedef struct {
    ssize_t length; /* -1: there is none */
    char bytes[OBJECT_VERSION_BYTES_MAX];
    bool beside;
    char digest[DIGEST_HEX_BYTES]; /* of the object it speaks of, when beside */
} kept_t;

int object_version_has_attributes(int fd)
{
    if (fsetxattr(fd, ATTRIBUTE, "", 0, 0) == 0)
        return 1;
    return errno == ENOTSUP ? 0 : -1;
}

int object_version_set(int fd, wire_view_t version)
{
    return fsetxattr(fd, ATTRIBUTE, version.bytes, version.length, 0);
}

size_t object_version_text(wire_view_t version, const void *bytes, size_t length,
                           char text[OBJECT_VERSION_TEXT_BYTES])
{
    assert(version.length <= OBJECT_VERSION_BYTES_MAX);
    uint8_t digest[DIGEST_BYTES];
    digest_sha256(bytes, length, digest);
    digest_hex(digest, DIGEST_BYTES, text);
    text[DIGEST_HEX_BYTES - 1] = '\n';
    memcpy(text + DIGEST_HEX_BYTES, version.bytes, version.length);
    text[DIGEST_HEX_BYTES + version.length] = '\n';
    return DIGEST_HEX_BYTES + version.length + 1;
}

void object_version_name(const char *name, char beside[OBJECT_VERSION_NAME_BYTES])
{
    int length = snprintf(beside, OBJECT_VERSION_NAME_BYTES, ".%s.version", name);
    assert(length > 0 && length < OBJECT_VERSION_NAME_BYTES);
}

static int open_regular(int directory, const char *name)
{
    int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    int fd = openat(directory, name, flags);
    struct stat file;
    if (fd < 0 || (fstat(fd, &file) == 0 && S_ISREG(file.st_mode)))
        return fd;
    close(fd);
    errno = EISDIR;
    return -1;
}

/* Writes the SHA-256 of the whole file to `hex`. */
static int digest_file(int fd, char hex[DIGEST_HEX_BYTES])
{
    digest_t *digest = digest_new();
    if (!digest) {
        errno = ENOMEM;
        return -1;
    }
    char chunk[CHUNK_BYTES];
    uint64_t at = 0;
    ssize_t count;
    while ((count = file_read_at(fd, chunk, sizeof(chunk), at)) > 0) {
        digest_update(digest, chunk, (size_t)count);
        at += (uint64_t)count;
    }
    uint8_t bytes[DIGEST_BYTES];
    digest_final(digest, bytes);
    digest_destroy(&digest);
    digest_hex(bytes, DIGEST_BYTES, hex);
    return count < 0 ? -1 : 0;
}

static void take_text(const char *text, size_t length, kept_t *kept)
{
    if (length <= DIGEST_HEX_BYTES || text[length - 1] != '\n')
        return;
    kept->beside = true;
    memcpy(kept->digest, text, DIGEST_HEX_BYTES - 1);
    kept->length = (ssize_t)(length - DIGEST_HEX_BYTES - 1);
    memcpy(kept->bytes, text + DIGEST_HEX_BYTES, (size_t)kept->length);
}

static int read_beside(int directory, const char *name, kept_t *kept)
{
    char beside[OBJECT_VERSION_NAME_BYTES], text[OBJECT_VERSION_TEXT_BYTES];
    object_version_name(name, beside);
    int file = open_regular(directory, beside);
    if (file < 0)
        return errno == ENOENT || errno == ENAMETOOLONG ? 0 : -1;
    ssize_t length = file_read_at(file, text, sizeof(text), 0);
    close(file);
    if (length > 0)
        take_text(text, (size_t)length, kept);
    return length < 0 ? -1 : 0;
}

/* Reads the version of the object that is open as `fd`.  0, or -1 with errno. */
static int read_version(int fd, int directory, const char *name, kept_t *kept)
{
    kept->beside = false;
    kept->length = fgetxattr(fd, ATTRIBUTE, kept->bytes, sizeof(kept->bytes));
    if (kept->length >= 0 || errno == ERANGE)
        return 0;
    return errno == ENODATA || errno == ENOTSUP ? read_beside(directory, name, kept) : -1;
}

static object_version_order_t order_of(const kept_t *kept, wire_view_t version)
{
    if (kept->length < 0)
        return OBJECT_VERSION_OLDER;
    size_t length = (size_t)kept->length;
    size_t common = length < version.length ? length : version.length;
    int order = common ? memcmp(kept->bytes, version.bytes, common) : 0;
    if (order == 0)
        order = (length > version.length) - (length < version.length);
    return order == 0  ? OBJECT_VERSION_SAME
           : order < 0 ? OBJECT_VERSION_OLDER
                       : OBJECT_VERSION_NEWER;
}

/* Whether a version beside the object that is open as `fd` speaks of that object. */
static object_version_order_t check_same(int fd, const kept_t *kept)
{
    char digest[DIGEST_HEX_BYTES];
    if (digest_file(fd, digest))
        return OBJECT_VERSION_UNKNOWN;
    return memcmp(kept->digest, digest, DIGEST_HEX_BYTES - 1) == 0 ? OBJECT_VERSION_SAME
                                                                   : OBJECT_VERSION_OLDER;
}

object_version_order_t object_version_compare(int directory, const char *name, wire_view_t version)
{
    int fd = open_regular(directory, name);
    if (fd < 0)
        return errno == ENOENT ? OBJECT_VERSION_OLDER : OBJECT_VERSION_UNKNOWN;
    kept_t kept;
    object_version_order_t order = OBJECT_VERSION_UNKNOWN;
    if (read_version(fd, directory, name, &kept) == 0)
        order = order_of(&kept, version);
    if (order == OBJECT_VERSION_SAME && kept.beside)
        order = check_same(fd, &kept);
    close(fd);
    return order;
}
