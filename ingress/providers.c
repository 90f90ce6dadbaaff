#include "ingress/providers.h"

#include "proto/routes.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static const provider_t providers[] = {
    {.name = PROVIDER_ELEVENLABS,
     .path = "/api/elevenlabs/webhook",
     .signature_header = "ElevenLabs-Signature",
     .tenant_key_kind = TENANT_KEY_AGENT},
};

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

bool target_is(const char *target, const char *path)
{
    const char *start = path_of(target);
    size_t length = strcspn(start, "?");
    return length == strlen(path) && memcmp(start, path, length) == 0;
}

const provider_t *provider_of_target(const char *target)
{
    for (size_t i = 0; i < sizeof(providers) / sizeof(providers[0]); i++) {
        if (target_is(target, providers[i].path))
            return &providers[i];
    }
    return NULL;
}
