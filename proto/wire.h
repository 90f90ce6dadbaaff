/* wire: one generic codec for every message and disk header of postcall.
 *
 * A message is a plain struct and a table with one line per field; encode, decode and print walk
 * the table, so that a field's name and limit are typed once.  The format is msgpack: a map with
 * string keys.  Order of keys does not matter, unknown keys are skipped whatever they hold, a key
 * that comes twice is an error.  Everything is bounded before anything is allocated: msgpack-c
 * trusts the counts it reads, and a five-byte message can make it ask for gigabytes.
 *
 * Not a protocol: who sends what, and when, is in PROTOCOL.md.  Thread rule: no shared state. */
#ifndef POSTCALL_PROTO_WIRE_H
#define POSTCALL_PROTO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The first frame of a message, without its body frame.  A stream record of 10 MiB must fit. */
#define WIRE_MESSAGE_BYTES_MAX (12u << 20)
/* msgpack objects in one message, of all depths; about 24 bytes of memory each. */
#define WIRE_ELEMENTS_MAX 400000u
#define WIRE_DEPTH_MAX    8u

/* Bytes that belong to somebody else.  A decoded view points into the frame and dies with it. */
typedef struct {
    const char *bytes; /* not NUL-terminated; NULL when the field was absent */
    size_t length;
} wire_view_t;

#define WIRE_VIEW(text) ((wire_view_t){(text), sizeof(text) - 1})
/* printf("%.*s", WIRE_ARGUMENTS(view)) */
#define WIRE_ARGUMENTS(view) (int)(view).length, (view).bytes ? (view).bytes : ""

wire_view_t wire_view(const char *text);
bool wire_equals(wire_view_t view, const char *text);
bool wire_same(wire_view_t a, wire_view_t b);

typedef enum {
    WIRE_TEXT,    /* wire_view_t, msgpack str, UTF-8 by convention, not checked */
    WIRE_BYTES,   /* wire_view_t, msgpack bin */
    WIRE_UINT,    /* uint64_t */
    WIRE_BOOL,    /* bool */
    WIRE_NUMBERS, /* wire_numbers_t, msgpack array of unsigned integers */
    WIRE_LIST     /* wire_list_t, msgpack array of maps described by `items` */
} wire_kind_t;

typedef struct {
    const uint64_t *numbers; /* decoded: owned by the memory given to wire_decode */
    size_t count;
} wire_numbers_t;

typedef struct {
    const void *items; /* array of the item table's struct; decoded: as wire_numbers_t */
    size_t count;
} wire_list_t;

typedef struct wire_table_t wire_table_t;

typedef struct {
    const char *name;
    wire_kind_t kind;
    size_t offset; /* of the field in the struct */
    size_t limit;  /* bytes of a text or bytes field (exact when `exact`), entries of a list */
    bool required; /* decode fails without it */
    bool exact;    /* a bytes field must have `limit` bytes */
    const wire_table_t *items; /* of a WIRE_LIST */
} wire_field_t;

struct wire_table_t {
    const char *name;
    const wire_field_t *fields;
    size_t count;
    size_t struct_bytes;
};

/* Scratch memory of one decoded message.  Zero-initialise; reuse for the next message; free at the
 * end.  What a decode put there is valid until the next decode with it. */
typedef struct {
    void *zone;
} wire_memory_t;

void wire_memory_free(wire_memory_t *memory);

/* Growing output; zero-initialise.  `failed` sticks when memory ran out or a limit was passed, that
 * of a field or WIRE_MESSAGE_BYTES_MAX. */
typedef struct {
    char *bytes;
    size_t length;
    size_t capacity;
    bool failed;
} wire_output_t;

void wire_output_free(wire_output_t *output);

/* Appends `type` (skipped when NULL) as key "type", then the struct's fields in the order of the
 * table.  Text and bytes fields whose view is NULL, zero numbers, false and empty lists are left
 * out unless required.  Returns 0, or -1 and output->failed. */
int wire_encode(wire_output_t *output, const char *type, const wire_table_t *table,
                const void *message);

typedef enum {
    WIRE_OK,
    WIRE_MALFORMED, /* not one well-formed msgpack map, or trailing bytes */
    WIRE_TOO_LARGE, /* over a limit of this header */
    WIRE_BAD_FIELD, /* a known field of the wrong kind, over its limit, missing, or twice */
    WIRE_NO_MEMORY
} wire_status_t;

const char *wire_status_text(wire_status_t status);

/* Finds the text of key "type".  The view points into `bytes`. */
wire_status_t wire_type(const void *bytes, size_t length, wire_view_t *type);

/* Fills the struct (zeroed first).  Views point into `bytes`; lists and numbers into `memory`.
 * On failure the struct is zero and *field (when given) names the culprit or is NULL. */
wire_status_t wire_decode(const void *bytes, size_t length, const wire_table_t *table,
                          void *message, wire_memory_t *memory, const char **field);

/* The fields that are there as `name=value` pairs on one line, without its end, for people: bytes
 * as hex, text in quotes with \xHH for what is no character, numbers separated by commas, each item
 * of a list in braces. */
void wire_print(FILE *stream, const wire_table_t *table, const void *message);

#endif
