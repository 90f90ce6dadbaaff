#include "tests/unit/support/loopback.h"

#include <arpa/inet.h>
#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS   32
#define REQUEST_BYTES (24u * 1024 * 1024)

typedef struct {
    int fd; /* -1: free */
    bool stalled;
    char *text;
    size_t bytes;
    size_t room;
} connection_t;

struct loopback_t {
    loopback_fn *answer;
    void *context;
    char url[40];
    int listener;
    int stop;
    pthread_t thread;
    atomic_size_t requests;
    connection_t connections[CONNECTIONS];
};

static void drop(connection_t *connection, bool reset)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (reset)
        setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(connection->fd);
    free(connection->text);
    *connection = (connection_t){.fd = -1};
}

static void accept_one(loopback_t *self)
{
    int fd = accept(self->listener, NULL, NULL);
    assert(fd >= 0);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (self->connections[i].fd < 0) {
            self->connections[i] = (connection_t){.fd = fd};
            return;
        }
    }
    close(fd);
}

static void send_all(int fd, const char *text, size_t bytes)
{
    while (bytes > 0) {
        ssize_t sent = send(fd, text, bytes, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        text += sent;
        bytes -= (size_t)sent;
    }
}

/* The length of the whole request at the start of the buffer, or 0 while it is incomplete.  A TLS
 * handshake (record type 22) counts as a request, so that it gets its wrong answer. */
static size_t request_length(const connection_t *connection)
{
    if (connection->text[0] == 22)
        return connection->bytes;
    const char *head_end = memmem(connection->text, connection->bytes, "\r\n\r\n", 4);
    if (!head_end)
        return 0;
    size_t head = (size_t)(head_end - connection->text) + 4;
    const char *length = strcasestr(connection->text, "\r\nContent-Length:");
    size_t body = length && length < head_end ? strtoul(length + 17, NULL, 10) : 0;
    return connection->bytes >= head + body ? head + body : 0;
}

static void reply_to(loopback_t *self, connection_t *connection, size_t length)
{
    loopback_reply_t *reply = calloc(1, sizeof(*reply));
    assert(reply);
    char *request = strndup(connection->text, length);
    assert(request);
    self->answer(self->context, atomic_fetch_add(&self->requests, 1), request, reply);
    free(request);
    send_all(connection->fd, reply->text, reply->bytes);
    connection->bytes -= length;
    memmove(connection->text, connection->text + length, connection->bytes + 1);
    if (reply->end == LOOPBACK_STALL)
        connection->stalled = true;
    else if (reply->end != LOOPBACK_KEEP)
        drop(connection, reply->end == LOOPBACK_RESET);
    free(reply);
}

static void read_some(loopback_t *self, connection_t *connection)
{
    if (connection->room - connection->bytes < 65536) {
        connection->room += 1024 * 1024;
        assert(connection->room <= REQUEST_BYTES);
        connection->text = realloc(connection->text, connection->room);
        assert(connection->text);
    }
    size_t room = connection->room - connection->bytes - 1;
    ssize_t got = recv(connection->fd, connection->text + connection->bytes, room, 0);
    if (got <= 0) {
        drop(connection, false);
        return;
    }
    connection->bytes += (size_t)got;
    connection->text[connection->bytes] = '\0';
    size_t length = request_length(connection);
    if (length && !connection->stalled)
        reply_to(self, connection, length);
}

static void *serve(void *context)
{
    loopback_t *self = context;
    for (;;) {
        struct pollfd fds[CONNECTIONS + 2] = {{.fd = self->stop, .events = POLLIN},
                                              {.fd = self->listener, .events = POLLIN}};
        for (size_t i = 0; i < CONNECTIONS; i++)
            fds[i + 2] = (struct pollfd){.fd = self->connections[i].fd, .events = POLLIN};
        poll(fds, CONNECTIONS + 2, -1);
        if (fds[0].revents)
            return NULL;
        for (size_t i = 0; i < CONNECTIONS; i++) {
            if (fds[i + 2].revents)
                read_some(self, &self->connections[i]);
        }
        if (fds[1].revents)
            accept_one(self);
    }
}

loopback_t *loopback_new(loopback_fn *answer, void *context)
{
    loopback_t *self = calloc(1, sizeof(*self));
    assert(self);
    self->answer = answer;
    self->context = context;
    for (size_t i = 0; i < CONNECTIONS; i++)
        self->connections[i].fd = -1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);
    self->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    self->stop = eventfd(0, EFD_CLOEXEC);
    int failed = self->listener < 0 || self->stop < 0 ||
                 bind(self->listener, (struct sockaddr *)&address, bytes) != 0 ||
                 listen(self->listener, CONNECTIONS) != 0 ||
                 getsockname(self->listener, (struct sockaddr *)&address, &bytes) != 0;
    assert(!failed);
    snprintf(self->url, sizeof(self->url), "http://127.0.0.1:%u", ntohs(address.sin_port));
    failed = pthread_create(&self->thread, NULL, serve, self);
    assert(!failed);
    return self;
}

void loopback_destroy(loopback_t **self_p)
{
    loopback_t *self = *self_p;
    if (!self)
        return;
    eventfd_write(self->stop, 1);
    pthread_join(self->thread, NULL);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (self->connections[i].fd >= 0)
            drop(&self->connections[i], false);
    }
    close(self->listener);
    close(self->stop);
    free(self);
    *self_p = NULL;
}

const char *loopback_url(const loopback_t *self)
{
    return self->url;
}

size_t loopback_requests(loopback_t *self)
{
    return atomic_load(&self->requests);
}

void loopback_say(loopback_reply_t *reply, int status, const char *headers, const char *body)
{
    int bytes = snprintf(reply->text, sizeof(reply->text),
                         "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers,
                         strlen(body), body);
    assert(bytes > 0 && (size_t)bytes < sizeof(reply->text));
    reply->bytes = (size_t)bytes;
    reply->end = LOOPBACK_KEEP;
}

void loopback_say_raw(loopback_reply_t *reply, const char *text, loopback_end_t end)
{
    reply->bytes = strlen(text);
    assert(reply->bytes < sizeof(reply->text));
    memcpy(reply->text, text, reply->bytes);
    reply->end = end;
}
