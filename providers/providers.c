#include "providers/providers.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#define DECLARE_(symbol, setting, help) extern const provider_t provider_##symbol;
PROVIDER_ROWS(DECLARE_)

#define POINTER_(symbol, setting, help) &provider_##symbol,
const provider_t *const providers[PROVIDERS_COUNT] = {PROVIDER_ROWS(POINTER_)};

#define SETTING_(symbol, setting, help) setting,
const char *const provider_settings[PROVIDERS_COUNT] = {PROVIDER_ROWS(SETTING_)};

size_t provider_index(const provider_t *provider)
{
    size_t index = 0;
    while (index < PROVIDERS_COUNT && providers[index] != provider)
        index++;
    assert(index < PROVIDERS_COUNT);
    return index;
}

bool provider_is_on(const provider_t *provider, const provider_keys_t *keys)
{
    return keys->of[provider_index(provider)] ||
           (keys->allow_unsigned && provider->may_be_unsigned);
}

const provider_t *provider_named(wire_view_t name)
{
    for (size_t i = 0; i < PROVIDERS_COUNT; i++) {
        if (wire_equals(name, providers[i]->name))
            return providers[i];
    }
    return NULL;
}

/* Where the path begins: behind http://authority in the absolute form, which every server has to
 * accept. */
static const char *path_of(const char *target)
{
    static const char scheme[] = "http://";
    if (strncasecmp(target, scheme, sizeof(scheme) - 1) != 0)
        return target;
    const char *authority = target + sizeof(scheme) - 1;
    return authority + strcspn(authority, "/?");
}

bool provider_target_is(const char *target, const char *path)
{
    const char *start = path_of(target);
    size_t length = strcspn(start, "?");
    return length == strlen(path) && memcmp(start, path, length) == 0;
}

const provider_t *provider_of_target(const char *target, const provider_route_t **route)
{
    for (size_t i = 0; i < PROVIDERS_COUNT; i++) {
        for (const provider_route_t *at = providers[i]->routes; at->path; at++) {
            if (provider_target_is(target, at->path)) {
                *route = at;
                return providers[i];
            }
        }
    }
    return NULL;
}

const provider_event_t *provider_event(wire_view_t provider, wire_view_t event_type)
{
    const provider_t *row = provider_named(provider);
    for (const provider_event_t *event = row ? row->events : NULL; event && event->type; event++) {
        if (wire_equals(event_type, event->type) || strcmp(event->type, PROVIDER_ANY_TYPE) == 0)
            return event;
    }
    return NULL;
}

const char *const *provider_sinks(wire_view_t provider, wire_view_t event_type)
{
    static const char *const none[] = {NULL};
    const provider_event_t *event = provider_event(provider, event_type);
    return event ? event->sinks : none;
}

uint32_t provider_sink_bits(wire_view_t provider, wire_view_t event_type, const char *const *sinks)
{
    const char *const *routed = provider_sinks(provider, event_type);
    uint32_t bits = 0;
    for (; *routed; routed++) {
        for (size_t sink = 0; sinks[sink]; sink++) {
            if (strcmp(*routed, sinks[sink]) == 0)
                bits |= 1u << sink;
        }
    }
    return bits;
}
