#include "ingress/answers.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define SAY(words)    .body = "{\"success\":true,\"message\":\"" words "\"}"
#define REFUSE(words) .body = "{\"success\":false,\"message\":\"" words "\"}"

#define OK                 .status = 200, .reason = "OK"
#define BAD_REQUEST        .status = 400, .reason = "Bad Request"
#define BAD_FRAMING        BAD_REQUEST, .close = true
#define UNAUTHORIZED       .status = 401, .reason = "Unauthorized"
#define METHOD_NOT_ALLOWED .status = 405, .reason = "Method Not Allowed"
#define UNAVAILABLE        .status = 503, .reason = "Service Unavailable", .retry = true

static const answer_row_t rows[] = {
    [ANSWER_LOGGED] = {OK, SAY("Call data logged successfully")},
    [ANSWER_ACTION_LOGGED] = {OK, SAY("Action logged successfully")},
    [ANSWER_NOT_PROCESSED] = {OK, SAY("Event received but not processed")},
    [ANSWER_ALIVE] = {OK, SAY("alive")},
    [ANSWER_NOT_JSON] = {BAD_REQUEST, REFUSE("The body is not a JSON object")},
    [ANSWER_TWO_LENGTHS] = {BAD_FRAMING, REFUSE("More than one Content-Length")},
    [ANSWER_LENGTH_AND_ENCODING] = {BAD_FRAMING,
                                    REFUSE("Content-Length together with Transfer-Encoding")},
    [ANSWER_BAD_TRANSFER_ENCODING] = {BAD_FRAMING, REFUSE("Unknown Transfer-Encoding")},
    [ANSWER_NO_HOST] = {BAD_FRAMING, REFUSE("Exactly one Host is needed")},
    [ANSWER_BAD_HEAD] = {BAD_FRAMING, REFUSE("Malformed request head")},
    [ANSWER_SIGNATURE_MISSING] = {UNAUTHORIZED, REFUSE("Missing signature")},
    [ANSWER_SIGNATURE_MALFORMED] = {UNAUTHORIZED, REFUSE("Malformed signature")},
    [ANSWER_SIGNATURE_WRONG] = {UNAUTHORIZED, REFUSE("Invalid signature")},
    [ANSWER_SIGNATURE_STALE] = {UNAUTHORIZED, REFUSE("Signature outside the time tolerance")},
    [ANSWER_NOT_FOUND] = {.status = 404, .reason = "Not Found", REFUSE("Not found")},
    [ANSWER_POST_ONLY] = {METHOD_NOT_ALLOWED, REFUSE("Method not allowed"), .allow = "POST"},
    [ANSWER_GET_ONLY] = {METHOD_NOT_ALLOWED, REFUSE("Method not allowed"), .allow = "GET, HEAD"},
    [ANSWER_TOO_SLOW] = {.status = 408,
                         .reason = "Request Timeout",
                         REFUSE("The request came too slowly"),
                         .close = true},
    [ANSWER_TOO_LARGE] = {.status = 413,
                          .reason = "Content Too Large",
                          REFUSE("The body is too large"),
                          .close = true},
    [ANSWER_TARGET_TOO_LONG] = {.status = 414,
                                .reason = "URI Too Long",
                                REFUSE("The request target is too long"),
                                .close = true},
    [ANSWER_CONTENT_ENCODING] = {.status = 415,
                                 .reason = "Unsupported Media Type",
                                 REFUSE("Content-Encoding is not supported"),
                                 .close = true},
    [ANSWER_STORAGE_UNAVAILABLE] = {UNAVAILABLE, REFUSE("Storage is unavailable")},
    [ANSWER_STORAGE_FULL] = {UNAVAILABLE, REFUSE("Storage is full")},
    [ANSWER_STORAGE_FAILED] = {UNAVAILABLE, REFUSE("Storage failed")},
    [ANSWER_STORAGE_SLOW] = {UNAVAILABLE, REFUSE("Storage is too slow")},
    [ANSWER_STOPPING] = {UNAVAILABLE, REFUSE("Shutting down"), .close = true},
    [ANSWER_OVERLOADED] = {UNAVAILABLE, REFUSE("Too much in flight")},
};

const answer_row_t *answer_row(answer_t answer)
{
    static_assert(sizeof(rows) / sizeof(rows[0]) == ANSWERS_COUNT, "each answer has a row");
    assert((size_t)answer < ANSWERS_COUNT);
    return &rows[answer];
}

size_t answer_write(answer_t answer, char text[ANSWER_TEXT_BYTES])
{
    const answer_row_t *row = answer_row(answer);
    assert(!row->allow);
    int length =
        snprintf(text, ANSWER_TEXT_BYTES,
                 "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                 "Connection: close\r\n%s\r\n%s",
                 row->status, row->reason, strlen(row->body),
                 row->retry ? "Retry-After: " ANSWER_RETRY_AFTER_SECONDS "\r\n" : "", row->body);
    assert(length > 0 && length < ANSWER_TEXT_BYTES);
    return (size_t)length;
}
