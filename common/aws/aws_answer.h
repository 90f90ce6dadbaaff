/* aws_answer: what an AWS service says went wrong, and single texts out of its XML.
 *
 * AWS speaks JSON (Kinesis, DynamoDB) or XML (S3, STS), and names an error in a header, in the
 * body, or by the status alone.  The bodies come from outside: sizes are bounded, and what is kept
 * can be logged.  This is no XML parser: it finds elements by name in the flat answers that AWS
 * gives. Pure; safe from any thread that does not share the reader. */
#ifndef POSTCALL_COMMON_AWS_AWS_ANSWER_H
#define POSTCALL_COMMON_AWS_AWS_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "common/http/http_response.h"
#include "common/json/json.h"

#define AWS_ERROR_CODE_BYTES    80
#define AWS_ERROR_MESSAGE_BYTES FAULT_TEXT_BYTES

/* Both NUL-terminated and one line, without control characters, cut when too long. */
typedef struct {
    char code[AWS_ERROR_CODE_BYTES]; /* "ThrottlingException"; "http_502" when there is no name */
    char message[AWS_ERROR_MESSAGE_BYTES]; /* the first line only: in signature errors the next ones
                                            * repeat the signed headers, session token included */
} aws_error_t;

/* Reads the error of an answer that came whole: from the header x-amzn-ErrorType, from `__type`,
 * `code` and `message` of a JSON body, or from `<Code>` and `<Message>` of an XML one. */
void aws_answer_error(json_reader_t *reader, const http_response_t *response, aws_error_t *error);

/* Copies the text of the first `<element>` in `xml`, entities undone.  0, or -1 (and `out` empty)
 * when there is none, it has children or an unknown entity, or it does not fit. */
int aws_answer_xml_text(const char *xml, size_t bytes, const char *element, char *out,
                        size_t capacity);

/* Seconds since 1970 of a time like "2026-11-20T07:30:00Z" or "2026-11-20T07:30:00.123Z".  -1 for
 * any other text. */
int64_t aws_answer_time(const char *text);

#endif
