#include "tests/unit/support/raw_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void give_up(const char *what)
{
    perror(what);
    abort();
}

int raw_client_open(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        give_up("raw_client: connect");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return fd;
}

static bool wait_for(int fd, short events, int wait_ms)
{
    struct pollfd polled = {.fd = fd, .events = events};
    int ready;
    do {
        ready = poll(&polled, 1, wait_ms);
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

bool raw_client_send(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length > 0) {
        if (!wait_for(fd, POLLOUT, RAW_CLIENT_WAIT_MS))
            give_up("raw_client: nothing can be sent");
        ssize_t sent = send(fd, at, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN)
            continue;
        if (sent < 0)
            return false;
        at += sent;
        length -= (size_t)sent;
    }
    return true;
}

bool raw_client_send_text(int fd, const char *text)
{
    return raw_client_send(fd, text, strlen(text));
}

/* False at the end of the connection. */
static bool receive(int fd, char *out, size_t length)
{
    while (length > 0) {
        if (!wait_for(fd, POLLIN, RAW_CLIENT_WAIT_MS))
            give_up("raw_client: nothing comes");
        ssize_t got = recv(fd, out, length, 0);
        if (got <= 0)
            return false;
        out += got;
        length -= (size_t)got;
    }
    return true;
}

static size_t content_length(const char *head)
{
    const char *line = strcasestr(head, "\r\nContent-Length:");
    return line ? strtoul(line + strlen("\r\nContent-Length:"), NULL, 10) : 0;
}

void raw_client_answer(int fd, raw_answer_t *answer)
{
    memset(answer, 0, sizeof(*answer));
    size_t length = 0;
    do {
        if (length + 1 == sizeof(answer->head))
            give_up("raw_client: a very long head");
        if (!receive(fd, answer->head + length, 1))
            return;
        length++;
    } while (length < 4 || memcmp(answer->head + length - 4, "\r\n\r\n", 4) != 0);
    size_t body_bytes = content_length(answer->head);
    if (body_bytes >= sizeof(answer->body))
        give_up("raw_client: a very long body");
    if (!receive(fd, answer->body, body_bytes))
        return;
    answer->status = atoi(answer->head + strlen("HTTP/1.1 "));
}

bool raw_client_closed(int fd, int wait_ms)
{
    char byte;
    return wait_for(fd, POLLIN, wait_ms) && recv(fd, &byte, 1, 0) <= 0;
}

bool raw_answer_has(const raw_answer_t *answer, const char *line)
{
    char whole[256];
    (void)snprintf(whole, sizeof(whole), "\r\n%s\r\n", line);
    return strstr(answer->head, whole) != NULL;
}
