/* http: the webhook port.
 *
 * POST to a provider's path (providers/) stores a webhook; GET /healthz is for balancers:
 * 200 while webhooks can be stored.  libmicrohttpd reads and writes on a few threads of its own;
 * a request that came whole is suspended until the journal has answered, so thousands can wait for
 * one sync.  Every limit is in http_options_t, has a counter, and is there because somebody can
 * reach it.
 *
 * What the library cannot read at all it answers itself, in HTML: 400 for a length that is none or
 * a broken chunk, 413 for a length beyond 64 bits, 431 for a head that is too large.  These are
 * counted with the others, but for the 400 to what is no request line: nobody is told of that.
 *
 * An answer of 200 is queued only after the journal has said that the webhook is on stable storage.
 *
 * Thread rule: the functions here are called from one thread, but for http_port. */
#ifndef POSTCALL_INGRESS_HTTP_H
#define POSTCALL_INGRESS_HTTP_H

#include "common/base/fault.h"
#include "common/base/metrics.h"
#include "common/journal/journal.h"
#include "providers/providers.h"

#include <stdint.h>

#define HTTP_THREADS_MAX 64

typedef struct http http_t;

/* Numbers are int64_t so that a table of settings can point at them. */
typedef struct {
    char *listen;  /* IP:PORT, borrowed; port 0 takes a free one */
    int listen_fd; /* a listening socket that was handed in, or -1; then owned, and closed at stop
                    */

    int64_t threads;         /* that read and write, 1 to HTTP_THREADS_MAX */
    int64_t offload_threads; /* that sync and read large bodies */

    int64_t body_bytes_max;   /* of one body; more is a 413 */
    int64_t spill_bytes;      /* a body over this goes to a file */
    int64_t memory_bytes_max; /* of all bodies in memory; then they go to files earlier */
    int64_t file_bytes_max;   /* of all bodies in files that are not stored yet; then 503 */
    int64_t head_bytes_max;   /* of a request line and its headers; more is a 431 or 414 */
    int64_t waiting_max;      /* requests that wait for the journal; then 503 */
    int64_t connections_max;  /* then the slowest one makes room */
    int64_t connections_per_address_max; /* 0: no limit */

    int64_t signature_tolerance_seconds; /* both ways */

    int64_t head_ms;       /* for a whole head; then 408 */
    int64_t keep_alive_ms; /* between requests; a proxy in front should wait less */
    int64_t silence_ms;    /* without a byte of a body; then 408 */
    int64_t rate_grace_ms; /* from then on a body must have come at the rate below; else 408 */
    int64_t rate_bytes_per_second;
    int64_t store_ms;  /* for the journal; then 503 */
    int64_t answer_ms; /* for the sender to take an answer */
    int64_t linger_ms; /* for the sender of a request that was cut off to read why */
} http_options_t;

/* What holds where nothing is set; `listen` is 0.0.0.0:3003. */
http_options_t http_options_default(void);

/* Starts to serve.  A provider without secrets is not found, unless it may be unsigned and `keys`
 * allows that: then everybody's webhooks are stored.  Journal, secrets and metrics are borrowed,
 * and the journal must stay open until http_destroy has returned. Raises the limit of open files as
 * far as it may.  NULL and a fault that names what cannot be had.
 */
http_t *http_new(const http_options_t *options, journal_t *journal, const provider_keys_t *keys,
                 metrics_t *metrics, fault_t *fault);

uint16_t http_port(const http_t *self);

/* Accepts no more connections, finishes the requests in hand and those that still come on the open
 * ones, each of which ends with its answer, and stops the threads.  What is not done after
 * `deadline_ms` gets a 503.  Afterwards only http_destroy may be called. */
void http_stop(http_t *self, int64_t deadline_ms);

/* Stops at once if http_stop was not called, and waits until the journal has completed what it has.
 * Before journal_close. */
void http_destroy(http_t **self);

#endif
