#include "proto/endpoints.h"

#include "proto/routes.h"

#define ROW(source, worker, hop)                                                                   \
    {                                                                                              \
        source, worker, ENDPOINT_##hop, ENDPOINT_##hop##_BIND, ENDPOINT_##hop##_CONNECT            \
    }

static const endpoint_t rows[] = {
    ROW(ENDPOINT_INGRESS_SOURCE, STAGE_TENANT_RESOLVER, INGRESS),
    ROW(ENDPOINT_REPLAY_SOURCE, STAGE_TENANT_RESOLVER, REPLAY),
    ROW(ENDPOINT_RESOLVER_SOURCE, SINK_LOGGER, LOGGER),
    ROW(ENDPOINT_RESOLVER_SOURCE, SINK_RECORDER, RECORDER),
    ROW(ENDPOINT_RESOLVER_SOURCE, SINK_RESOURCES_SINK, RESOURCES_SINK),
};

const endpoint_t *endpoint_rows(size_t *count)
{
    *count = sizeof(rows) / sizeof(rows[0]);
    return rows;
}
