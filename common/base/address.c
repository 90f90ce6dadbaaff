#include "common/base/address.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ENDPOINT_FORMS "an endpoint is tcp://HOST:PORT or ipc://PATH"
#define LISTEN_FORMS   "a listen address is IP:PORT, [IPv6]:PORT or localhost:PORT"

/* What stands before and behind the colon of HOST:PORT; an IPv6 host without its brackets. */
typedef struct {
    char host[ADDRESS_HOST_BYTES];
    const char *port;
    bool bracketed;
} host_port_t;

/* What stands behind `scheme` in the endpoint; NULL when it has another. */
static const char *behind_scheme(const char *endpoint, const char *scheme)
{
    size_t length = strlen(scheme);
    return strncmp(endpoint, scheme, length) == 0 ? endpoint + length : NULL;
}

static bool is_path(const char *text)
{
    return text && *text;
}

static int split(const char *text, host_port_t *out)
{
    out->bracketed = text[0] == '[';
    const char *start = text + (out->bracketed ? 1 : 0);
    const char *end = out->bracketed ? strstr(start, "]:") : strrchr(start, ':');
    if (!end || end == start || (size_t)(end - start) >= sizeof(out->host))
        return -1;
    memcpy(out->host, start, (size_t)(end - start));
    out->host[end - start] = '\0';
    out->port = end + (out->bracketed ? 2 : 1);
    return 0;
}

/* Reads a port of digits only; -1 for anything else. */
static int parse_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits])
        return -1;
    long port = strtol(text, NULL, 10);
    return port <= UINT16_MAX ? (int)port : -1;
}

static bool is_v6(const char *host)
{
    struct in6_addr ignored;
    return inet_pton(AF_INET6, host, &ignored) == 1;
}

static bool is_name(const char *host)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-._";
    return strspn(host, allowed) == strlen(host);
}

static bool tcp_is_well_formed(const char *text)
{
    host_port_t parts;
    if (split(text, &parts))
        return false;
    bool any_host = !parts.bracketed && strcmp(parts.host, "*") == 0;
    bool host = parts.bracketed ? is_v6(parts.host) : any_host || is_name(parts.host);
    return host && (strcmp(parts.port, "*") == 0 || parse_port(parts.port) > 0);
}

int address_check_endpoint(const char *endpoint, fault_t *fault)
{
    const char *tcp = behind_scheme(endpoint, "tcp://");
    if (is_path(behind_scheme(endpoint, "ipc://")) || is_path(behind_scheme(endpoint, "inproc://")))
        return 0;
    if (tcp && tcp_is_well_formed(tcp))
        return 0;
    return fault_set(fault, "\"%.64s\": " ENDPOINT_FORMS, endpoint);
}

static bool host_is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return strcasecmp(host, "localhost") == 0;
}

bool address_endpoint_is_local(const char *endpoint)
{
    const char *tcp = behind_scheme(endpoint, "tcp://");
    host_port_t parts;
    if (!tcp)
        return behind_scheme(endpoint, "ipc://") || behind_scheme(endpoint, "inproc://");
    return split(tcp, &parts) == 0 && host_is_loopback(parts.host);
}

bool address_endpoint_name(const char *endpoint, address_name_t *out)
{
    const char *tcp = behind_scheme(endpoint, "tcp://");
    host_port_t parts;
    struct in_addr v4;
    if (!tcp || split(tcp, &parts) != 0 || parse_port(parts.port) <= 0)
        return false;
    if (parts.bracketed || strcmp(parts.host, "*") == 0 || inet_pton(AF_INET, parts.host, &v4) == 1)
        return false;
    memcpy(out->host, parts.host, sizeof(out->host));
    snprintf(out->port, sizeof(out->port), "%s", parts.port);
    return true;
}

int address_parse_listen(const char *text, address_listen_t *out, fault_t *fault)
{
    host_port_t parts;
    address_listen_t parsed = {.length = 0};
    int port = split(text, &parts) == 0 ? parse_port(parts.port) : -1;
    if (port < 0)
        return fault_set(fault, "\"%.64s\": " LISTEN_FORMS, text);
    const char *host = strcasecmp(parts.host, "localhost") == 0 ? "127.0.0.1" : parts.host;
    if (parts.bracketed && inet_pton(AF_INET6, host, &parsed.to.v6.sin6_addr) == 1) {
        parsed.to.v6.sin6_family = AF_INET6;
        parsed.to.v6.sin6_port = htons((uint16_t)port);
        parsed.length = sizeof(parsed.to.v6);
    } else if (!parts.bracketed && inet_pton(AF_INET, host, &parsed.to.v4.sin_addr) == 1) {
        parsed.to.v4.sin_family = AF_INET;
        parsed.to.v4.sin_port = htons((uint16_t)port);
        parsed.length = sizeof(parsed.to.v4);
    } else {
        return fault_set(fault, "\"%.64s\": " LISTEN_FORMS, text);
    }
    *out = parsed;
    return 0;
}
