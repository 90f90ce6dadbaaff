#include "common/aws/aws_answer.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define ELEMENT_BYTES 64
#define TEXT_BYTES    8192 /* of a name or message before it is cut */

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* The first line of `text`, cut to fit. */
static void keep_line(char *out, size_t capacity, const char *text)
{
    size_t at = 0;
    for (; at + 1 < capacity && text[at] && text[at] != '\n' && text[at] != '\r'; at++)
        out[at] = is_control(text[at]) ? '?' : text[at];
    out[at] = '\0';
}

/* The bare name in "com.amazonaws.x#Name", "Name:http://..." or "Name". */
static void keep_code(aws_error_t *error, const char *text)
{
    const char *hash = strchr(text, '#');
    keep_line(error->code, sizeof(error->code), hash ? hash + 1 : text);
    error->code[strcspn(error->code, ":")] = '\0';
}

static bool copy(const json_value_t *value, char text[TEXT_BYTES])
{
    return value->type == JSON_STRING && json_copy_text(value, text, TEXT_BYTES) == 0;
}

static void read_json(json_reader_t *reader, const buffer_t *body, aws_error_t *error)
{
    static const json_path_t paths[] = {
        {{"__type"}}, {{"code"}}, {{"message"}}, {{"Message"}}, {{"errorMessage"}}};
    json_value_t values[5];
    if (json_read(reader, body->bytes, body->length, paths, 5, values, NULL) != JSON_READ_OK)
        return;
    char text[TEXT_BYTES];
    if (!*error->code && (copy(&values[0], text) || copy(&values[1], text)))
        keep_code(error, text);
    if (copy(&values[2], text) || copy(&values[3], text) || copy(&values[4], text))
        keep_line(error->message, sizeof(error->message), text);
}

static void read_xml(const buffer_t *body, aws_error_t *error)
{
    char text[TEXT_BYTES];
    if (!*error->code &&
        aws_answer_xml_text(body->bytes, body->length, "Code", text, sizeof(text)) == 0)
        keep_code(error, text);
    if (aws_answer_xml_text(body->bytes, body->length, "Message", text, sizeof(text)) == 0)
        keep_line(error->message, sizeof(error->message), text);
}

void aws_answer_error(json_reader_t *reader, const http_response_t *response, aws_error_t *error)
{
    *error = (aws_error_t){0};
    const char *named = http_response_header(response, "x-amzn-ErrorType");
    if (named)
        keep_code(error, named);
    const buffer_t *body = &response->body;
    size_t blank = body->length ? strspn(body->bytes, " \t\r\n") : 0;
    if (blank < body->length && body->bytes[blank] == '<')
        read_xml(body, error);
    else if (body->length > 0)
        read_json(reader, body, error);
    if (!*error->code)
        snprintf(error->code, sizeof(error->code), "http_%d", response->status);
}

/* Appends what the entity at `text` ("&amp;") stands for; its length, or 0 for an unknown one. */
static size_t undo_entity(const char *text, size_t bytes, char *out)
{
    static const struct {
        const char *entity;
        char meaning;
    } entities[] = {{"&amp;", '&'},  {"&lt;", '<'},    {"&gt;", '>'},
                    {"&quot;", '"'}, {"&apos;", '\''}, {"&#34;", '"'},
                    {"&#39;", '\''}, {"&#xD;", '\r'},  {"&#xA;", '\n'}};
    for (size_t i = 0; i < sizeof(entities) / sizeof(*entities); i++) {
        size_t length = strlen(entities[i].entity);
        if (length <= bytes && memcmp(text, entities[i].entity, length) == 0) {
            *out = entities[i].meaning;
            return length;
        }
    }
    return 0;
}

/* Copies element content up to the next tag. */
static int copy_content(const char *text, size_t bytes, char *out, size_t capacity)
{
    size_t written = 0;
    for (size_t at = 0; at < bytes;) {
        if (written + 1 >= capacity)
            return -1;
        size_t taken = 1;
        out[written] = text[at];
        if (text[at] == '&')
            taken = undo_entity(text + at, bytes - at, out + written);
        if (taken == 0 || text[at] == '\0')
            return -1;
        written++;
        at += taken;
    }
    out[written] = '\0';
    return 0;
}

int aws_answer_xml_text(const char *xml, size_t bytes, const char *element, char *out,
                        size_t capacity)
{
    char open[ELEMENT_BYTES];
    char close[ELEMENT_BYTES];
    snprintf(open, sizeof(open), "<%s>", element);
    snprintf(close, sizeof(close), "</%s>", element);
    out[0] = '\0';
    const char *end = xml + bytes;
    const char *from = bytes ? memmem(xml, bytes, open, strlen(open)) : NULL;
    if (!from)
        return -1;
    from += strlen(open);
    const char *to = memchr(from, '<', (size_t)(end - from));
    if (!to || (size_t)(end - to) < strlen(close) || memcmp(to, close, strlen(close)) != 0)
        return -1;
    if (copy_content(from, (size_t)(to - from), out, capacity) != 0) {
        out[0] = '\0';
        return -1;
    }
    return 0;
}

int64_t aws_answer_time(const char *text)
{
    struct tm time = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &time);
    if (!rest)
        return -1;
    if (*rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    if (strcmp(rest, "Z") != 0)
        return -1;
    return (int64_t)timegm(&time);
}
