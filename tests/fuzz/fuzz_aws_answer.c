/* Feeds any bytes, as an HTTP answer, to all that reads what AWS says, and checks what is promised:
 * texts that end, are one line and can be logged; entries for exactly the records that were sent.
 * The input is header lines, an empty line, and the body. */
#include "common/aws/aws_answer.h"
#include "common/aws/aws_class.h"
#include "logger/put_records.h"
#include "tenant-resolver/dynamodb_text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_line(const char *text, size_t capacity)
{
    assert(strnlen(text, capacity) < capacity);
    for (; *text; text++)
        assert((unsigned char)*text >= 0x20 && *text != 0x7f);
}

static void fill_response(http_response_t *response, const uint8_t *bytes, size_t length)
{
    const char *text = (const char *)bytes;
    while (length > 0 && !response->header_ended) {
        const char *end = memchr(text, '\n', length);
        size_t line = end ? (size_t)(end - text) + 1 : length;
        if (http_response_add_line(response, text, line) != 0)
            return;
        text += line;
        length -= line;
    }
    http_response_add_body(response, text, length);
}

static void check_put_records(json_reader_t *reader, const buffer_t *body)
{
    put_records_entry_t entries[3];
    fault_t fault = {""};
    if (put_records_read(reader, body, entries, 3, &fault) != 0) {
        check_line(fault.text, sizeof(fault.text));
        return;
    }
    for (size_t i = 0; i < 3; i++) {
        assert((entries[i].verdict == PUT_RECORDS_STORED) == (entries[i].code[0] == '\0'));
        assert(strnlen(entries[i].code, sizeof(entries[i].code)) < sizeof(entries[i].code));
    }
}

static void check_xml(const buffer_t *body)
{
    char text[16];
    int result = aws_answer_xml_text(body->bytes, body->length, "Code", text, sizeof(text));
    assert(result == 0 || text[0] == '\0');
    assert(strnlen(text, sizeof(text)) < sizeof(text));
    aws_answer_time(text);
}

static void check_dynamodb(json_reader_t *reader, const buffer_t *body)
{
    dynamodb_page_t page;
    json_value_t item;
    fault_t fault;
    if (dynamodb_read_page(reader, body, &page, &fault) == 0)
        assert(page.items.type == JSON_ARRAY);
    if (dynamodb_read_item(reader, body, &item, &fault) == 0)
        assert(item.type == JSON_OBJECT || item.type == JSON_ABSENT);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    json_reader_t *reader = json_reader_new();
    http_response_t response = {.status = 400, .max_body_bytes = 1 << 20};
    assert(reader);
    fill_response(&response, bytes, length);
    aws_error_t error;
    aws_answer_error(reader, &response, &error);
    assert(*error.code);
    check_line(error.code, sizeof(error.code));
    check_line(error.message, sizeof(error.message));
    assert(aws_class_of(response.status, error.code) != AWS_CLASS_OK);
    check_put_records(reader, &response.body);
    check_xml(&response.body);
    check_dynamodb(reader, &response.body);
    http_response_free(&response);
    json_reader_destroy(&reader);
    return 0;
}
