#include "common/aws/aws_sign.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <openssl/crypto.h>

#define ALGORITHM   "AWS4-HMAC-SHA256"
#define SCOPE_BYTES 160

/* What one signature is made of, on its way from the request to the Authorization header. */
typedef struct {
    http_header_t headers[AWS_SIGN_HEADERS]; /* sorted by name */
    size_t header_count;
    buffer_t canonical;
    buffer_t signed_names; /* "host;x-amz-date" */
    char scope[SCOPE_BYTES];
} draft_t;

typedef struct {
    const char *name;
    size_t name_bytes;
    const char *value;
    size_t value_bytes;
} query_part_t;

static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

int aws_uri_encode(buffer_t *out, const char *text, size_t bytes, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        const char escape[] = {'%', digits[c >> 4], digits[c & 15]};
        bool plain = is_unreserved(text[i]) || (keep_slash && c == '/');
        if (buffer_append(out, plain ? text + i : escape, plain ? 1 : sizeof(escape)) != 0)
            return -1;
    }
    return 0;
}

static int by_header_name(const void *one, const void *other)
{
    return strcasecmp(((const http_header_t *)one)->name, ((const http_header_t *)other)->name);
}

/* The request's headers and the added ones, in the order of their names. */
static int collect_headers(draft_t *draft, const aws_sign_request_t *request,
                           const aws_signature_t *signature, fault_t *fault)
{
    if (request->header_count + signature->header_count + 1 > AWS_SIGN_HEADERS)
        return fault_set(fault, "more than %d headers to sign", AWS_SIGN_HEADERS);
    draft->headers[draft->header_count++] = (http_header_t){"host", request->host};
    for (size_t i = 0; i < signature->header_count; i++)
        draft->headers[draft->header_count++] = signature->headers[i];
    for (size_t i = 0; i < request->header_count; i++)
        draft->headers[draft->header_count++] = request->headers[i];
    qsort(draft->headers, draft->header_count, sizeof(*draft->headers), by_header_name);
    return 0;
}

static int append_lower(buffer_t *out, const char *text)
{
    for (; *text; text++) {
        char c = *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a') : *text;
        if (buffer_append(out, &c, 1) != 0)
            return -1;
    }
    return 0;
}

/* Without blanks at the ends, and one for each run of them inside. */
static int append_trimmed(buffer_t *out, const char *text)
{
    text += strspn(text, " ");
    while (*text) {
        size_t word = strcspn(text, " ");
        if (buffer_append(out, text, word) != 0)
            return -1;
        text += word;
        text += strspn(text, " ");
        if (*text && buffer_append(out, " ", 1) != 0)
            return -1;
    }
    return 0;
}

static int append_headers(draft_t *draft)
{
    for (size_t i = 0; i < draft->header_count; i++) {
        const http_header_t *header = &draft->headers[i];
        if ((i > 0 && buffer_append(&draft->signed_names, ";", 1) != 0) ||
            append_lower(&draft->signed_names, header->name) != 0 ||
            append_lower(&draft->canonical, header->name) != 0 ||
            buffer_append(&draft->canonical, ":", 1) != 0 ||
            append_trimmed(&draft->canonical, header->value) != 0 ||
            buffer_append(&draft->canonical, "\n", 1) != 0)
            return -1;
    }
    return 0;
}

static int compare_bytes(const char *one, size_t one_bytes, const char *other, size_t other_bytes)
{
    int order = memcmp(one, other, one_bytes < other_bytes ? one_bytes : other_bytes);
    if (order != 0)
        return order;
    return (one_bytes > other_bytes) - (one_bytes < other_bytes);
}

/* By name, then by value: not by "name=value", where '=' would sort behind '-' and digits. */
static int by_query_part(const void *left, const void *right)
{
    const query_part_t *one = left;
    const query_part_t *other = right;
    int order = compare_bytes(one->name, one->name_bytes, other->name, other->name_bytes);
    if (order != 0)
        return order;
    return compare_bytes(one->value, one->value_bytes, other->value, other->value_bytes);
}

static size_t split_query(const char *query, query_part_t parts[AWS_SIGN_QUERY_PARTS])
{
    size_t count = 0;
    while (*query && count < AWS_SIGN_QUERY_PARTS) {
        size_t bytes = strcspn(query, "&");
        size_t name_bytes = strcspn(query, "=&");
        size_t value_at = name_bytes < bytes ? name_bytes + 1 : bytes;
        parts[count++] = (query_part_t){query, name_bytes, query + value_at, bytes - value_at};
        query += bytes;
        query += *query == '&';
    }
    return *query ? AWS_SIGN_QUERY_PARTS + 1 : count;
}

static int append_query(draft_t *draft, const char *query, fault_t *fault)
{
    query_part_t parts[AWS_SIGN_QUERY_PARTS];
    size_t count = split_query(query ? query : "", parts);
    if (count > AWS_SIGN_QUERY_PARTS)
        return fault_set(fault, "more than %d query parameters", AWS_SIGN_QUERY_PARTS);
    qsort(parts, count, sizeof(*parts), by_query_part);
    for (size_t i = 0; i < count; i++) {
        if ((i > 0 && buffer_append(&draft->canonical, "&", 1) != 0) ||
            buffer_append(&draft->canonical, parts[i].name, parts[i].name_bytes) != 0 ||
            buffer_append(&draft->canonical, "=", 1) != 0 ||
            buffer_append(&draft->canonical, parts[i].value, parts[i].value_bytes) != 0)
            return fault_set(fault, "out of memory");
    }
    return 0;
}

/* S3 takes the path as it was sent; every other service wants it encoded once more. */
static int append_path(const aws_signer_t *self, draft_t *draft, const char *path)
{
    if (strcmp(self->service, "s3") == 0)
        return buffer_append_text(&draft->canonical, path);
    return aws_uri_encode(&draft->canonical, path, strlen(path), true);
}

static int write_canonical(const aws_signer_t *self, draft_t *draft,
                           const aws_sign_request_t *request, fault_t *fault)
{
    if (buffer_printf(&draft->canonical, "%s\n", request->method) != 0 ||
        append_path(self, draft, request->path) != 0 ||
        buffer_append(&draft->canonical, "\n", 1) != 0)
        return fault_set(fault, "out of memory");
    if (append_query(draft, request->query, fault) != 0)
        return -1;
    if (buffer_append(&draft->canonical, "\n", 1) != 0 || append_headers(draft) != 0 ||
        buffer_printf(&draft->canonical, "\n%s\n%s", draft->signed_names.bytes,
                      request->body_sha256) != 0)
        return fault_set(fault, "out of memory");
    return 0;
}

static int hmac_text(const uint8_t key[DIGEST_BYTES], const char *text, uint8_t out[DIGEST_BYTES])
{
    return hmac_sha256(key, DIGEST_BYTES, text, strlen(text), out);
}

/* Derives the key that signs everything of this day, unless it is the one at hand. */
static int derive_day_key(aws_signer_t *self, const char *secret, const char *day)
{
    uint8_t secret_digest[DIGEST_BYTES];
    digest_sha256(secret, strlen(secret), secret_digest);
    if (self->has_day_key && strcmp(self->day, day) == 0 &&
        digest_equal(secret_digest, self->secret_digest, DIGEST_BYTES))
        return 0;
    buffer_t start = {0};
    uint8_t key[DIGEST_BYTES];
    int failed = buffer_printf(&start, "AWS4%s", secret) != 0 ||
                 hmac_sha256(start.bytes, start.length, day, strlen(day), key) != 0 ||
                 hmac_text(key, self->region, key) != 0 ||
                 hmac_text(key, self->service, key) != 0 ||
                 hmac_text(key, "aws4_request", key) != 0;
    if (!failed) {
        memcpy(self->day_key, key, DIGEST_BYTES);
        memcpy(self->secret_digest, secret_digest, DIGEST_BYTES);
        memcpy(self->day, day, sizeof(self->day));
        self->has_day_key = true;
    }
    OPENSSL_cleanse(key, sizeof(key));
    if (start.bytes)
        OPENSSL_cleanse(start.bytes, start.capacity);
    buffer_free(&start);
    return failed ? -1 : 0;
}

/* The hex signature of the draft. */
static int sign_draft(aws_signer_t *self, const draft_t *draft, const char *date,
                      char hex[DIGEST_HEX_BYTES])
{
    uint8_t digest[DIGEST_BYTES];
    char canonical_hex[DIGEST_HEX_BYTES];
    char text[SCOPE_BYTES + 128];
    digest_sha256(draft->canonical.bytes, draft->canonical.length, digest);
    digest_hex(digest, DIGEST_BYTES, canonical_hex);
    snprintf(text, sizeof(text), ALGORITHM "\n%s\n%s\n%s", date, draft->scope, canonical_hex);
    if (hmac_text(self->day_key, text, digest) != 0)
        return -1;
    digest_hex(digest, DIGEST_BYTES, hex);
    return 0;
}

static void add_header(aws_signature_t *signature, const char *name, const char *value)
{
    signature->headers[signature->header_count++] = (http_header_t){name, value};
}

/* The added headers that are signed themselves: all but Authorization. */
static void start_signature(const aws_signer_t *self, const aws_keys_t *keys,
                            const aws_sign_request_t *request, aws_signature_t *signature)
{
    *signature = (aws_signature_t){0};
    time_t seconds = (time_t)request->unix_s;
    struct tm utc;
    bool converted = gmtime_r(&seconds, &utc) != NULL;
    assert(converted);
    strftime(signature->date, sizeof(signature->date), "%Y%m%dT%H%M%SZ", &utc);
    add_header(signature, "x-amz-date", signature->date);
    if (keys->session_token && *keys->session_token)
        add_header(signature, "x-amz-security-token", keys->session_token);
    if (strcmp(self->service, "s3") == 0)
        add_header(signature, "x-amz-content-sha256", request->body_sha256);
}

static int finish_signature(aws_signer_t *self, const aws_keys_t *keys, draft_t *draft,
                            aws_signature_t *signature, fault_t *fault)
{
    char day[9];
    memcpy(day, signature->date, 8);
    day[8] = '\0';
    int bytes = snprintf(draft->scope, sizeof(draft->scope), "%s/%s/%s/aws4_request", day,
                         self->region, self->service);
    if (bytes >= (int)sizeof(draft->scope))
        return fault_set(fault, "region '%.40s' is too long", self->region);
    char hex[DIGEST_HEX_BYTES];
    if (derive_day_key(self, keys->secret_access_key, day) != 0 ||
        sign_draft(self, draft, signature->date, hex) != 0)
        return fault_set(fault, "out of memory");
    bytes = snprintf(signature->authorization, sizeof(signature->authorization),
                     ALGORITHM " Credential=%s/%s, SignedHeaders=%s, Signature=%s",
                     keys->access_key_id, draft->scope, draft->signed_names.bytes, hex);
    if (bytes >= (int)sizeof(signature->authorization))
        return fault_set(fault, "access key id or header names are too long to sign with");
    add_header(signature, "Authorization", signature->authorization);
    return 0;
}

int aws_sign(aws_signer_t *self, const aws_keys_t *keys, const aws_sign_request_t *request,
             aws_signature_t *signature, fault_t *fault)
{
    draft_t draft = {0};
    start_signature(self, keys, request, signature);
    int result = collect_headers(&draft, request, signature, fault);
    if (result == 0)
        result = write_canonical(self, &draft, request, fault);
    if (result == 0)
        result = finish_signature(self, keys, &draft, signature, fault);
    buffer_free(&draft.canonical);
    buffer_free(&draft.signed_names);
    return result;
}
