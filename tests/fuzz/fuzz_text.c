/* Any text as one of the small forms that settings and webhooks hold: what is accepted has the
 * meaning that another reading gives it.
 *
 * The first byte chooses: e(ndpoint), l(isten address), b(ase64) or t(ime); the rest is the text.
 */
#include "common/base/address.h"
#include "common/base/base64.h"
#include "common/base/event_time.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes);

static bool begins(const char *text, const char *word)
{
    return strncmp(text, word, strlen(word)) == 0;
}

static void check_endpoint(const char *text)
{
    if (address_check_endpoint(text, NULL) != 0)
        return;
    bool is_tcp = begins(text, "tcp://");
    assert(is_tcp || begins(text, "ipc://") || begins(text, "inproc://"));
    if (!is_tcp) {
        assert(address_endpoint_is_local(text));
        return;
    }
    assert(!strchr(text, ';') && strrchr(text, ':')[1]);
    const char *host = text + strlen("tcp://");
    if (address_endpoint_is_local(text))
        assert(begins(host, "127.") || begins(host, "[") ||
               strncasecmp(host, "localhost:", 10) == 0);
}

/* The text of an address reads as the same address, and its port is the one that stands there. */
static void check_listen(const char *text)
{
    address_listen_t address, again;
    char host[INET6_ADDRSTRLEN], written[INET6_ADDRSTRLEN + 16];
    if (address_parse_listen(text, &address, NULL) != 0)
        return;
    bool is_v6 = address.to.any.sa_family == AF_INET6;
    assert(is_v6 || address.to.any.sa_family == AF_INET);
    assert(address.length == (is_v6 ? sizeof(address.to.v6) : sizeof(address.to.v4)));
    unsigned port = ntohs(is_v6 ? address.to.v6.sin6_port : address.to.v4.sin_port);
    assert(strtoul(strrchr(text, ':') + 1, NULL, 10) == port);
    const void *number = is_v6 ? (void *)&address.to.v6.sin6_addr : (void *)&address.to.v4.sin_addr;
    const char *named = inet_ntop(address.to.any.sa_family, number, host, sizeof(host));
    assert(named);
    (void)snprintf(written, sizeof(written), is_v6 ? "[%s]:%u" : "%s:%u", host, port);
    int failed = address_parse_listen(written, &again, NULL);
    assert(!failed && again.length == address.length);
    assert(memcmp(&again.to, &address.to, address.length) == 0);
}

/* A byte string has one text, and decoding in place is decoding. */
static void check_base64(const char *text, size_t length)
{
    uint8_t *bytes = malloc(BASE64_DECODED_MAX(length) + 1);
    char *copy = malloc(length + 1);
    assert(bytes && copy);
    memcpy(copy, text, length);
    size_t broken_at = 0;
    ssize_t got = base64_decode(text, length, bytes, &broken_at);
    ssize_t in_place = base64_decode(copy, length, (uint8_t *)copy, NULL);
    assert(got == in_place);
    if (got >= 0) {
        assert(memcmp(bytes, copy, (size_t)got) == 0);
        char *written = malloc(BASE64_TEXT_BYTES((size_t)got) + 1);
        assert(written);
        base64_encode(bytes, (size_t)got, written);
        assert(strlen(written) == length && memcmp(written, text, length) == 0);
        free(written);
    } else {
        assert(broken_at <= length);
    }
    free(bytes);
    free(copy);
}

static void check_time(const char *text, size_t length)
{
    event_time_t time, again;
    if (event_time_read(text, length, &time) != 0)
        return;
    assert(time.unix_us >= EVENT_TIME_FIRST_SECOND * 1000000);
    assert(time.unix_us < EVENT_TIME_END_SECOND * 1000000);
    int failed = event_time_read(time.text, strlen(time.text), &again);
    assert(!failed && again.unix_us == time.unix_us && strcmp(again.text, time.text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
    if (bytes == 0)
        return 0;
    char *text = strndup((const char *)input + 1, bytes - 1);
    assert(text);
    switch (input[0]) {
    case 'e':
        check_endpoint(text);
        break;
    case 'l':
        check_listen(text);
        break;
    case 'b':
        check_base64((const char *)input + 1, bytes - 1);
        break;
    case 't':
        check_time((const char *)input + 1, bytes - 1);
        break;
    }
    free(text);
    return 0;
}
