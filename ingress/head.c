#include "ingress/head.h"

#include "ingress/intake.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void head_init(head_t *self, const char *method, const char *target, const char *version)
{
    *self = (head_t){
        .method = method,
        .target = target,
        .is_http_1_0 = strcmp(version, "HTTP/1.0") == 0,
    };
    self->provider = provider_of_target(target, &self->route);
}

/* A token of RFC 9110 section 5.6.2.  `Content-Length ` with a blank is none, and is how one header
 * hides from one of two readers. */
static bool is_token(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "!#$%&'*+-.^_`|~";
    return *name && name[strspn(name, letters)] == '\0';
}

static bool is_printable(const char *target)
{
    for (const unsigned char *at = (const unsigned char *)target; *at; at++) {
        if (*at <= ' ' || *at >= 0x7f)
            return false;
    }
    return true;
}

static void add_length(head_t *self, const char *value)
{
    self->lengths++;
    self->content_length = strtoull(value, NULL, 10); /* libmicrohttpd has refused what is none */
    self->has_body |= self->content_length > 0;
}

static void add_transfer_encoding(head_t *self, const char *value)
{
    self->transfer_encodings++;
    self->transfer_encoding = value;
    self->has_body = true;
}

static void add_to_provider(head_t *self, const char *name, const char *value)
{
    const char *const *wanted = self->provider ? self->provider->headers : NULL;
    for (size_t i = 0; wanted && wanted[i]; i++) {
        if (strcasecmp(name, wanted[i]) == 0) {
            self->headers.values[i] = value;
            self->headers.counts[i]++;
        }
    }
}

void head_add(head_t *self, const char *name, const char *value)
{
    if (!value)
        value = "";
    if (!is_token(name))
        self->malformed = true;
    else if (strcasecmp(name, "Host") == 0)
        self->hosts++;
    else if (strcasecmp(name, "Content-Length") == 0)
        add_length(self, value);
    else if (strcasecmp(name, "Transfer-Encoding") == 0)
        add_transfer_encoding(self, value);
    else if (strcasecmp(name, "Content-Encoding") == 0)
        self->content_encodings++;
    else if (strcasecmp(name, "Content-Type") == 0)
        self->content_type = value;
    else
        add_to_provider(self, name, value);
}

bool head_check(const head_t *self, answer_t *answer)
{
    const struct {
        bool bad;
        answer_t answer;
    } rules[] = {
        {self->malformed || !is_printable(self->target), ANSWER_BAD_HEAD},
        {self->lengths > 1, ANSWER_TWO_LENGTHS},
        {self->lengths > 0 && self->transfer_encodings > 0, ANSWER_LENGTH_AND_ENCODING},
        {self->transfer_encodings > 1, ANSWER_BAD_TRANSFER_ENCODING},
        {self->transfer_encoding && strcasecmp(self->transfer_encoding, "chunked") != 0,
         ANSWER_BAD_TRANSFER_ENCODING},
        /* RFC 9112 section 6.1: such framing is faulty, whoever made it. */
        {self->transfer_encodings > 0 && self->is_http_1_0, ANSWER_BAD_TRANSFER_ENCODING},
        /* HTTP/1.0 knows no Host, and simple health checks leave it out. */
        {self->hosts > 1 || (self->hosts == 0 && !self->is_http_1_0), ANSWER_NO_HOST},
        {strlen(self->target) > INTAKE_HEADER_BYTES_MAX, ANSWER_TARGET_TOO_LONG},
        {self->content_encodings > 0, ANSWER_CONTENT_ENCODING},
    };
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (rules[i].bad) {
            *answer = rules[i].answer;
            return false;
        }
    }
    return true;
}
