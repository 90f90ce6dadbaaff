/* wire_private: what the files of wire share.  wire.c has views and the fields of a struct,
 * wire_encode.c writes, wire_scan.c checks what came and believes nothing of it, wire_decode.c
 * reads what passed, wire_print.c shows it to people. */
#ifndef POSTCALL_PROTO_WIRE_PRIVATE_H
#define POSTCALL_PROTO_WIRE_PRIVATE_H

#include "proto/wire.h"

/* Where a field is in its struct. */
const void *wire_field_at(const wire_field_t *field, const void *message);
/* False for an optional field that says nothing: it is neither sent nor printed. */
bool wire_field_present(const wire_field_t *field, const void *message);
/* Whether `size` bytes or entries are what the field may have. */
bool wire_within_limit(const wire_field_t *field, size_t size);

/* One well-formed msgpack value that fills `length` bytes, within the limits of wire.h. */
wire_status_t wire_scan(const void *bytes, size_t length);

#endif
