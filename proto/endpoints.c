#include "proto/endpoints.h"

#include "proto/routes.h"

#define ROW(source, worker, hop)                                                                   \
    {                                                                                              \
        source, worker, ENDPOINT_##hop, ENDPOINT_##hop##_BIND, ENDPOINT_##hop##_CONNECT            \
    }

static const endpoint_t rows[] = {
    ROW("ingress", STAGE_TENANT_RESOLVER, INGRESS),
    ROW("postcall-replay", STAGE_TENANT_RESOLVER, REPLAY),
    ROW(STAGE_TENANT_RESOLVER, SINK_LOGGER, LOGGER),
    ROW(STAGE_TENANT_RESOLVER, SINK_RECORDER, RECORDER),
    ROW(STAGE_TENANT_RESOLVER, SINK_RESOURCES_SINK, RESOURCES_SINK),
};

const endpoint_t *endpoint_rows(size_t *count)
{
    *count = sizeof(rows) / sizeof(rows[0]);
    return rows;
}
