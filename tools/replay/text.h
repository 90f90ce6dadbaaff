/* text: how what a capture holds is written for people and for programs.
 *
 * All of it comes from outside: for people every control character and everything that is no UTF-8
 * becomes a question mark, so that a webhook cannot drive a terminal; for programs it is JSON.
 * Pure but for the stream; safe from any thread. */
#ifndef POSTCALL_TOOLS_REPLAY_TEXT_H
#define POSTCALL_TOOLS_REPLAY_TEXT_H

#include "common/base/buffer.h"
#include "proto/disk.h"

#include <stdio.h>

/* Writes a view, cut at `width` characters and filled up to it; 0: as long as it is. */
void text_put(FILE *out, wire_view_t text, size_t width);

/* Writes a time as 2026-11-20T07:30:00Z, or "-" for 0. */
void text_put_time(FILE *out, uint64_t unix_us);

/* Writes an event id as a UUID. */
void text_put_event_id(FILE *out, wire_view_t event_id);

/* Writes whose it is, as B:L, or "-" for NULL, in `width` characters. */
void text_put_tenant(FILE *out, const disk_resolution_t *resolution, size_t width);

/* Writes a webhook: line ends and tabs stay; other control characters are written as \xHH when
 * `safe`, for a terminal. */
void text_put_body(FILE *out, const char *body, size_t length, bool safe);

/* Appends `,"name":` and the value, a string, null for an absent view.  A buffer that ends in '{'
 * gets no comma.  0, or -1 when memory is out. */
int text_json(buffer_t *json, const char *name, wire_view_t value);
int text_json_number(buffer_t *json, const char *name, uint64_t value);
int text_json_time(buffer_t *json, const char *name, uint64_t unix_us);
/* As `tenant`: "B:L", or null. */
int text_json_tenant(buffer_t *json, const disk_resolution_t *resolution);
/* The parts of an event's header. */
int text_json_event(buffer_t *json, const disk_event_t *event);

#endif
