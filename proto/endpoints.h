/* endpoints: each hop between the daemons once: who gives events there and binds, who takes them
 * and connects, the default address, and the settings that move it.
 *
 * The source of a hop binds, so that scaling the next stage is starting another process of it. */
#ifndef POSTCALL_PROTO_ENDPOINTS_H
#define POSTCALL_PROTO_ENDPOINTS_H

#include <stddef.h>

/* The sources, by the names that their keys have. */
#define ENDPOINT_INGRESS_SOURCE  "ingress"
#define ENDPOINT_REPLAY_SOURCE   "replay"
#define ENDPOINT_RESOLVER_SOURCE "tenant-resolver"

/* ingress ══▶ tenant-resolver */
#define ENDPOINT_INGRESS         "tcp://127.0.0.1:5601"
#define ENDPOINT_INGRESS_BIND    "INGRESS_BIND"
#define ENDPOINT_INGRESS_CONNECT "RESOLVER_CONNECT"

/* postcall-replay ══▶ tenant-resolver; the tool takes its address as an option. */
#define ENDPOINT_REPLAY         "tcp://127.0.0.1:5602"
#define ENDPOINT_REPLAY_BIND    "--bind"
#define ENDPOINT_REPLAY_CONNECT "RESOLVER_REPLAY_CONNECT"

/* tenant-resolver ══▶ logger */
#define ENDPOINT_LOGGER         "tcp://127.0.0.1:5611"
#define ENDPOINT_LOGGER_BIND    "RESOLVER_BIND_LOGGER"
#define ENDPOINT_LOGGER_CONNECT "LOGGER_CONNECT"

/* tenant-resolver ══▶ recorder */
#define ENDPOINT_RECORDER         "tcp://127.0.0.1:5612"
#define ENDPOINT_RECORDER_BIND    "RESOLVER_BIND_RECORDER"
#define ENDPOINT_RECORDER_CONNECT "RECORDER_CONNECT"

/* tenant-resolver ══▶ resources-sink */
#define ENDPOINT_RESOURCES_SINK         "tcp://127.0.0.1:5613"
#define ENDPOINT_RESOURCES_SINK_BIND    "RESOLVER_BIND_RESOURCES_SINK"
#define ENDPOINT_RESOURCES_SINK_CONNECT "RESOURCES_SINK_CONNECT"

typedef struct {
    const char *source; /* binds a ROUTER */
    const char *worker; /* connects a DEALER */
    const char *address;
    const char *bind_setting;
    const char *connect_setting;
} endpoint_t;

/* The rows, in the order of the flow, for documents and tests. */
const endpoint_t *endpoint_rows(size_t *count);

#endif
