/* address: reads the two kinds of address that settings hold, without ever looking a name up.
 *
 * An endpoint is what ZeroMQ binds or connects to: tcp://HOST:PORT, ipc://PATH, inproc://NAME.  A
 * listen address is where an HTTP server waits: HOST:PORT with a numeric host.  Pure; safe from any
 * thread. */
#ifndef POSTCALL_COMMON_BASE_ADDRESS_H
#define POSTCALL_COMMON_BASE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "common/base/fault.h"

#define ADDRESS_HOST_BYTES 256 /* a DNS name has at most 253 characters (RFC 1035) */

/* 0 when `endpoint` is one: a tcp host is a name, an IPv4 address, an IPv6 address in brackets or
 * `*`; a port is 1 to 65535 or `*` (any free one, to bind).  ZeroMQ's source-address form with `;`
 * is refused.  Else -1, and the fault says what would be right. */
int address_check_endpoint(const char *endpoint, fault_t *fault);

/* True when only this machine can reach the (well-formed) endpoint: ipc, inproc, and tcp to
 * 127.0.0.0/8, ::1 or the name localhost. */
bool address_endpoint_is_local(const char *endpoint);

/* The name that an endpoint to connect to has in place of an address. */
typedef struct {
    char host[ADDRESS_HOST_BYTES];
    char port[6];
} address_name_t;

/* True when the (well-formed) endpoint is tcp to a name, which stands for all addresses that it
 * has: then *out is filled.  Numeric hosts and `*` are no names. */
bool address_endpoint_name(const char *endpoint, address_name_t *out);

/* A socket address and its length, as bind(2) takes them. */
typedef struct {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } to;
    socklen_t length;
} address_listen_t;

/* Reads `127.0.0.1:9601`, `[::]:3003` or `localhost:80` (127.0.0.1); port 0 means any free one.  0,
 * or -1 with a fault and `out` untouched. */
int address_parse_listen(const char *text, address_listen_t *out, fault_t *fault);

#endif
