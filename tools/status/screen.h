/* screen: a picture as text for a person, or as one line of JSON for a tool. */
#ifndef POSTCALL_TOOLS_STATUS_SCREEN_H
#define POSTCALL_TOOLS_STATUS_SCREEN_H

#include "common/base/buffer.h"
#include "tools/status/picture.h"

/* Appends lines; those of troubles may be long.  0, or -1 when memory is
 * out. */
int screen_text(const picture_t *picture, buffer_t *out);

/* Appends one JSON object and a line break; figures that nobody said are null.  0, or -1. */
int screen_json(const picture_t *picture, buffer_t *out);

#endif
