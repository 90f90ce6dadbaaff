/* object_key: the names of the objects of a call, in S3 and as paths below a directory.
 *
 * Ids come from outside.  Each id is one path component of safe characters: bytes outside
 * [A-Za-z0-9_-] are written %XX in upper-case hex, so no two ids share a component, and none is
 * empty, "." or "..".  An id that would take more than OBJECT_KEY_PART_BYTES is cut, and ends in a
 * full stop and the SHA-256 of the whole id in hex; the full stop, which no escaped id contains,
 * keeps the two kinds apart.  Pure; safe from any thread. */
#ifndef POSTCALL_TENANT_RESOLVER_OBJECT_KEY_H
#define POSTCALL_TENANT_RESOLVER_OBJECT_KEY_H

#include "common/base/fault.h"
#include "proto/messages.h"

/* The longest component, so that one with its ending is a file name anywhere (255 bytes). */
#define OBJECT_KEY_PART_BYTES 200

#define OBJECT_KEY_BYTES (MESSAGE_KEY_BYTES_MAX + 1) /* with the NUL */

/* Writes `transcripts/{business}/{conversation}.json`.  -1, `key` untouched, if an id is empty. */
int object_key_transcript(wire_view_t business_id, wire_view_t conversation_id,
                          char key[OBJECT_KEY_BYTES], fault_t *fault);

/* Whose recording a key is for. */
typedef struct {
    wire_view_t business_id;
    wire_view_t location_id;
    wire_view_t conversation_id;
} object_key_call_t;

/* Writes `{prefix}{business}/{location}/{conversation}.mp3`; the prefix stands as it is.  -1, `key`
 * untouched, if an id is empty or the prefix makes the key longer than S3 allows. */
int object_key_recording(const char *prefix, const object_key_call_t *call,
                         char key[OBJECT_KEY_BYTES], fault_t *fault);

#endif
