#include "common/http/http_response.h"

#include <string.h>
#include <strings.h>

const char *http_response_header(const http_response_t *self, const char *name)
{
    for (size_t at = 0; at < self->headers.length;) {
        const char *found = self->headers.bytes + at;
        const char *value = found + strlen(found) + 1;
        if (strcasecmp(found, name) == 0)
            return value;
        at += (size_t)(value - found) + strlen(value) + 1;
    }
    return NULL;
}

void http_response_free(http_response_t *self)
{
    buffer_free(&self->body);
    buffer_free(&self->headers);
    *self = (http_response_t){0};
}

const char *http_error_name(http_error_t error)
{
    static const char *const names[] = {
        [HTTP_ERROR_NONE] = "none",           [HTTP_ERROR_RESOLVE] = "resolve",
        [HTTP_ERROR_CONNECT] = "connect",     [HTTP_ERROR_TLS] = "tls",
        [HTTP_ERROR_TIMEOUT] = "timeout",     [HTTP_ERROR_RESET] = "reset",
        [HTTP_ERROR_TRUNCATED] = "truncated", [HTTP_ERROR_TOO_LARGE] = "too_large",
        [HTTP_ERROR_PROXY] = "proxy",         [HTTP_ERROR_PROTOCOL] = "protocol",
    };
    return names[error];
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int keep_text(http_response_t *self, const char *text, size_t bytes)
{
    if (buffer_append(&self->headers, text, bytes) != 0)
        return -1;
    return buffer_append(&self->headers, "", 1);
}

static int keep_header(http_response_t *self, const char *line, size_t bytes)
{
    const char *colon = memchr(line, ':', bytes);
    if (!colon || memchr(line, '\0', bytes))
        return 0;
    const char *value = colon + 1;
    const char *end = line + bytes;
    while (value < end && is_blank(*value))
        value++;
    while (end > value && is_blank(end[-1]))
        end--;
    if (self->headers.length + bytes > HTTP_RESPONSE_HEADER_BYTES) {
        self->over_limit = true;
        return -1;
    }
    if (keep_text(self, line, (size_t)(colon - line)) != 0)
        return -1;
    return keep_text(self, value, (size_t)(end - value));
}

int http_response_add_line(http_response_t *self, const char *line, size_t bytes)
{
    if (bytes >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        buffer_clear(&self->headers);
        self->header_ended = false;
        return 0;
    }
    if (bytes == 0 || line[0] == '\r' || line[0] == '\n') {
        self->header_ended = true;
        return 0;
    }
    return keep_header(self, line, bytes);
}

int http_response_add_body(http_response_t *self, const char *bytes, size_t count)
{
    if (count > self->max_body_bytes - self->body.length) {
        self->over_limit = true;
        return -1;
    }
    return buffer_append(&self->body, bytes, count);
}
