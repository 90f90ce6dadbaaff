/* providers: the rows of all providers, and the questions that are asked across them.
 *
 * Pure; safe from any thread. */
#ifndef POSTCALL_PROVIDERS_PROVIDERS_H
#define POSTCALL_PROVIDERS_PROVIDERS_H

#include "providers/provider.h"
#include "providers/rows.h"

#define PROVIDERS_INDEX_(symbol, setting, help) PROVIDERS_##symbol,
enum { PROVIDER_ROWS(PROVIDERS_INDEX_) PROVIDERS_COUNT };
#undef PROVIDERS_INDEX_

/* The secrets of each provider; NULL: it has none, and is off unless it may be unsigned. */
typedef struct {
    secrets_t *of[PROVIDERS_COUNT];
    bool allow_unsigned; /* a provider that may be unsigned is taken without a signature */
} provider_keys_t;

/* Whether requests of a provider are taken at all. */
bool provider_is_on(const provider_t *provider, const provider_keys_t *keys);

/* All rows, in the order of rows.h. */
extern const provider_t *const providers[PROVIDERS_COUNT];

/* The setting that holds the secrets of each. */
extern const char *const provider_settings[PROVIDERS_COUNT];

/* The place of a row in `providers`. */
size_t provider_index(const provider_t *provider);

/* By name; NULL when there is no such provider (an event of a later version, say). */
const provider_t *provider_named(wire_view_t name);

/* The provider whose path it is, and the route; NULL when it is nobody's.  `target` is a request
 * target as it came, in origin form or absolute form (RFC 9112 section 3.2); a query does not
 * count, and nothing is unescaped: %77 is not w here, nor does %00 end the path. */
const provider_t *provider_of_target(const char *target, const provider_route_t **route);

/* True when the target's path is exactly `path`. */
bool provider_target_is(const char *target, const char *path);

/* The row of an event's type; NULL when events of that type go nowhere. */
const provider_event_t *provider_event(wire_view_t provider, wire_view_t event_type);

/* The sinks of an event, NULL-terminated; an empty list for a type without a row. */
const char *const *provider_sinks(wire_view_t provider, wire_view_t event_type);

/* As provider_sinks, as a bit for each of these (NULL-terminated) names: bit i is sinks[i]. */
uint32_t provider_sink_bits(wire_view_t provider, wire_view_t event_type, const char *const *sinks);

#endif
