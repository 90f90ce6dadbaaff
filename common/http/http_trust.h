/* http_trust: whether the file of trusted certificates has changed, and what that ends.
 *
 * libcurl keeps connections, and the certificates that it has read, for as long as it may.  After
 * the file was replaced neither may be older than the replacement; otherwise they live
 * HTTP_TRUST_SECONDS_MAX.  The file is looked at once a second at most.  One thread. */
#ifndef POSTCALL_COMMON_HTTP_HTTP_TRUST_H
#define POSTCALL_COMMON_HTTP_HTTP_TRUST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "common/base/fault.h"

#define HTTP_TRUST_SECONDS_MAX 3600

typedef struct {
    char *file;    /* owned; NULL: libcurl knows of none */
    bool is_named; /* by the caller: it takes the place of the system's */
    struct stat seen;
    int64_t looked_ms;
    int64_t changed_ms;
} http_trust_t;

/* Begins with the file as it is; NULL for the system's own, which libcurl names.  0, or -1 when
 * memory is out or `file` cannot be read; http_trust_close is due in any case. */
int http_trust_open(http_trust_t *self, const char *file, fault_t *fault);
void http_trust_close(http_trust_t *self);

/* How many seconds old certificates in memory may be at most: 0 just after a change. */
long http_trust_seconds(http_trust_t *self, int64_t now_ms);

/* How many seconds old a connection may be to be used again, in libcurl's whole seconds: 0 just
 * after a change, for none at all. */
long http_trust_connection_seconds(http_trust_t *self, int64_t now_ms);

#endif
