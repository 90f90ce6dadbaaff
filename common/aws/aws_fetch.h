/* aws_fetch: one attempt to get AWS keys from where they come from.
 *
 * Shared by the sources of common/aws/aws_credential_sources: a source starts a fetch and gets
 * every HTTP answer that comes for it, until there are keys or a fault.  Nothing here waits or
 * retries. One thread. */
#ifndef POSTCALL_COMMON_AWS_AWS_FETCH_H
#define POSTCALL_COMMON_AWS_AWS_FETCH_H

#include "common/aws/aws_key_set.h"
#include "common/aws/aws_settings.h"
#include "common/base/buffer.h"
#include "common/base/fault.h"
#include "common/http/http_client.h"
#include "common/json/json.h"

#define AWS_FETCH_TIMEOUT_MS   2000 /* for services on this machine or its link */
#define AWS_FETCH_ANSWER_BYTES (64u * 1024)
#define AWS_FETCH_TOKEN_BYTES  8192
#define AWS_FETCH_URL_BYTES    1024

typedef enum {
    AWS_FETCH_FAILED = -1,
    AWS_FETCH_WAITS, /* a request is in flight */
    AWS_FETCH_DONE,  /* `keys` holds what came */
} aws_fetch_status_t;

typedef struct {
    const aws_settings_t *settings; /* borrowed, as are the next three */
    http_client_t *http;
    json_reader_t *json;
    void *tag; /* of its requests */

    int step;                          /* of a source that asks more than once */
    char token[AWS_FETCH_TOKEN_BYTES]; /* what the source proves itself with */
    buffer_t body;                     /* of the request in flight */
    aws_key_set_t keys;
} aws_fetch_t;

/* Sends a request (tag and answer limit are filled in, the time-out unless given); its answer goes
 * to the source. */
aws_fetch_status_t aws_fetch_ask(aws_fetch_t *self, const http_request_t *request, fault_t *fault);

/* Says in the fault what `who` answered instead of keys; AWS_FETCH_FAILED. */
aws_fetch_status_t aws_fetch_refuse(aws_fetch_t *self, const char *who,
                                    const http_response_t *response, fault_t *fault);

/* Reads a whole file into `token`: for every request anew, since whoever writes the file replaces
 * it before it expires.  -1 also when it holds a blank or a line break: it goes into a header. */
int aws_fetch_read_token(aws_fetch_t *self, const char *path, fault_t *fault);

/* Takes the keys out of the JSON that containers and instances answer. */
aws_fetch_status_t aws_fetch_take_json(aws_fetch_t *self, const http_response_t *response,
                                       fault_t *fault);

/* Ends a fetch whose keys are in place: they expire at `text`, an ISO 8601 time. */
aws_fetch_status_t aws_fetch_finish(aws_fetch_t *self, const char *text, fault_t *fault);

#endif
