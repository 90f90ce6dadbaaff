/* object_version: which event's version of an object a file is, kept with the file.
 *
 * A version is text whose bytes sort as the events do (event_version in common/base/event_time.h).
 * It is the extended attribute `user.postcall.version` of the file and moves with it.  A file
 * without a version is older than any.
 *
 * Where the file system has no attributes (tmpfs before Linux 6.6, some network file systems) the
 * version is in a hidden file `.NAME.version` beside the object, behind the SHA-256, in hex, of the
 * object that it speaks of.  Two files cannot change at once.  This one changes first, so that when
 * its writer is killed between the two, older events stay out; and as its digest is then not the
 * object's, the same event, which nobody was told is stored, is written when it comes again.  Until
 * then OBJECT_VERSION_NEWER speaks of an object that is not there yet.
 *
 * No state; safe from any thread.  Whoever compares and then replaces holds a lock of his own. */
#ifndef POSTCALL_RECORDER_OBJECT_VERSION_H
#define POSTCALL_RECORDER_OBJECT_VERSION_H

#include "common/base/digest.h"
#include "proto/wire.h"

#include <stddef.h>

#define OBJECT_VERSION_BYTES_MAX 256
/* Of the file beside an object: digest, line break, version, line break. */
#define OBJECT_VERSION_TEXT_BYTES (DIGEST_HEX_BYTES + OBJECT_VERSION_BYTES_MAX + 1)
/* Of that file's name; more than a name may have, so that the kernel refuses one that is too long.
 */
#define OBJECT_VERSION_NAME_BYTES 272

/* How a stored object stands to a version. */
typedef enum {
    OBJECT_VERSION_OLDER, /* or has no version, or is not there */
    OBJECT_VERSION_SAME,
    OBJECT_VERSION_NEWER,
    OBJECT_VERSION_UNKNOWN, /* errno; ELOOP for a link, EISDIR for what else is no file */
} object_version_order_t;

/* Whether the file system of an open file keeps attributes: 1, 0, or -1 with errno. */
int object_version_has_attributes(int fd);

/* Gives an open file its version.  0, or -1 with errno. */
int object_version_set(int fd, wire_view_t version);

/* Compares the object `name` in `directory` with `version`.  Reads all of an object that may be the
 * same and has its version beside it. */
object_version_order_t object_version_compare(int directory, const char *name, wire_view_t version);

/* Writes the content of the file beside an object of these bytes; returns its length. */
size_t object_version_text(wire_view_t version, const void *bytes, size_t length,
                           char text[OBJECT_VERSION_TEXT_BYTES]);

/* Writes the name of that file for an object whose name has up to 255 bytes. */
void object_version_name(const char *name, char beside[OBJECT_VERSION_NAME_BYTES]);

#endif
