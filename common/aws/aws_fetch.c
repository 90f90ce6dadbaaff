#include "common/aws/aws_fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "common/aws/aws_answer.h"

aws_fetch_status_t aws_fetch_ask(aws_fetch_t *self, const http_request_t *given, fault_t *fault)
{
    http_request_t request = *given;
    request.tag = self->tag;
    request.max_response_bytes = AWS_FETCH_ANSWER_BYTES;
    if (request.timeout_ms == 0)
        request.timeout_ms = AWS_FETCH_TIMEOUT_MS;
    return http_client_submit(self->http, &request, fault) == 0 ? AWS_FETCH_WAITS
                                                                : AWS_FETCH_FAILED;
}

aws_fetch_status_t aws_fetch_refuse(aws_fetch_t *self, const char *who,
                                    const http_response_t *response, fault_t *fault)
{
    aws_error_t error;
    aws_answer_error(self->json, response, &error);
    fault_set(fault, "%s answers %d %s%s%s", who, response->status, error.code,
              *error.message ? ": " : "", error.message);
    return AWS_FETCH_FAILED;
}

/* Whether a text can stand in a header as it is: no blanks, no control characters. */
static bool is_token(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text <= 0x20 || *text == 0x7f)
            return false;
    }
    return true;
}

int aws_fetch_read_token(aws_fetch_t *self, const char *path, fault_t *fault)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fault_set_errno(fault, errno, "token file %.150s", path);
    size_t bytes = 0;
    ssize_t got = 1;
    while (got > 0 && bytes < AWS_FETCH_TOKEN_BYTES) {
        got = read(fd, self->token + bytes, AWS_FETCH_TOKEN_BYTES - bytes);
        bytes += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    if (got < 0 || bytes == 0 || bytes == AWS_FETCH_TOKEN_BYTES)
        return fault_set(fault, "token file %.150s is empty, too long or cannot be read", path);
    self->token[bytes] = '\0';
    if (!is_token(self->token))
        return fault_set(fault, "token file %.150s holds a blank or a line break", path);
    return 0;
}

aws_fetch_status_t aws_fetch_take_json(aws_fetch_t *self, const http_response_t *response,
                                       fault_t *fault)
{
    static const json_path_t paths[] = {
        {{"AccessKeyId"}}, {{"SecretAccessKey"}}, {{"Token"}}, {{"Expiration"}}};
    json_value_t values[4];
    aws_key_set_t *keys = &self->keys;
    char expires[40];
    if (json_read(self->json, response->body.bytes, response->body.length, paths, 4, values,
                  NULL) != JSON_READ_OK ||
        json_copy_text(&values[0], keys->access_key_id, AWS_KEY_ID_BYTES) != 0 ||
        json_copy_text(&values[1], keys->secret_access_key, AWS_SECRET_KEY_BYTES) != 0 ||
        json_copy_text(&values[2], keys->session_token, AWS_SESSION_TOKEN_BYTES) != 0 ||
        json_copy_text(&values[3], expires, sizeof(expires)) != 0) {
        fault_set(fault, "the answer holds no AWS keys");
        return AWS_FETCH_FAILED;
    }
    return aws_fetch_finish(self, expires, fault);
}

aws_fetch_status_t aws_fetch_finish(aws_fetch_t *self, const char *text, fault_t *fault)
{
    self->keys.expires_unix_s = aws_answer_time(text);
    if (self->keys.expires_unix_s > 0)
        return AWS_FETCH_DONE;
    fault_set(fault, "AWS keys came with the expiration '%.30s', which is no time", text);
    return AWS_FETCH_FAILED;
}
