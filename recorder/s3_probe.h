/* s3_probe: whether an S3-compatible store honours the conditions that object versions rest on.
 *
 * A store that ignores If-None-Match or If-Match lets an older transcript replace a newer one in
 * silence.  So a small object is put three times: where there is none, again in the same way, and
 * over an ETag that it cannot have; all but the first must be refused with 412.  After an error it
 * begins again.  It needs s3:PutObject on its key, and the object stays.  One thread. */
#ifndef POSTCALL_RECORDER_S3_PROBE_H
#define POSTCALL_RECORDER_S3_PROBE_H

#include "common/aws/aws.h"
#include "recorder/s3_sse.h"

#include <stdbool.h>
#include <stdint.h>

#define S3_PROBE_PAUSE_MS 5000

typedef enum { S3_PROBE_CREATE, S3_PROBE_REPEAT, S3_PROBE_MATCH, S3_PROBE_PASSED } s3_probe_step_t;

/* `bucket` and `path` (escaped, with a slash before it) are borrowed for life. */
typedef struct {
    const char *bucket;
    const char *path;
    s3_probe_step_t step;
    bool is_sent;
    int64_t due_ms;
    fault_t trouble; /* of the last round; "" before there is one, and when it has passed */
} s3_probe_t;

/* Sends the next request if it is due; its tag is `self`. */
void s3_probe_send(s3_probe_t *self, aws_t *aws, const s3_sse_t *sse, long timeout_ms,
                   int64_t now_ms);

/* Takes the answer to it. */
void s3_probe_answer(s3_probe_t *self, const aws_result_t *result, int64_t now_ms);

#endif
