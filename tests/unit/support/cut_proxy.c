#include "tests/unit/support/cut_proxy.h"

#include <arpa/inet.h>
#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CHUNK_BYTES 65536
#define WORD_BYTES  32

struct cut_proxy_t {
    char socket_path[108];
    int listener;
    int port;
    int stop; /* an eventfd */
    pthread_t thread;
    pthread_mutex_t lock; /* over the fields below */
    cut_proxy_mode_t mode;
    char word[WORD_BYTES];
    size_t cuts;
};

/* One direction of a connection, with the end of what passed before: a word may come in two. */
typedef struct {
    int from;
    int to;
    cut_proxy_mode_t side;
    char tail[WORD_BYTES];
    size_t tail_bytes;
} pipe_t;

static int connect_server(const cut_proxy_t *self)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, self->socket_path, sizeof(address.sun_path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert(fd >= 0);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Decides about a chunk: what mode its word sets off, CUT_PROXY_NEVER if it may pass.  `*bytes`
 * becomes how much of it stands before the word. */
static cut_proxy_mode_t judge(cut_proxy_t *self, pipe_t *pipe, const char *chunk, size_t *bytes)
{
    char text[WORD_BYTES + CHUNK_BYTES];
    memcpy(text, pipe->tail, pipe->tail_bytes);
    memcpy(text + pipe->tail_bytes, chunk, *bytes);
    size_t text_bytes = pipe->tail_bytes + *bytes;
    pthread_mutex_lock(&self->lock);
    cut_proxy_mode_t mode = self->mode, side = mode;
    size_t word_bytes = strlen(self->word);
    if (mode == CUT_PROXY_SILENCE)
        side = CUT_PROXY_REQUEST;
    const char *word = memmem(text, text_bytes, self->word, word_bytes);
    if (side != pipe->side || !word)
        mode = CUT_PROXY_NEVER;
    if (mode != CUT_PROXY_NEVER) {
        size_t before = (size_t)(word - text);
        *bytes = before > pipe->tail_bytes ? before - pipe->tail_bytes : 0;
        self->mode = CUT_PROXY_NEVER;
        self->cuts++;
    }
    pthread_mutex_unlock(&self->lock);
    pipe->tail_bytes = text_bytes < WORD_BYTES - 1 ? text_bytes : WORD_BYTES - 1;
    memcpy(pipe->tail, text + text_bytes - pipe->tail_bytes, pipe->tail_bytes);
    return mode;
}

static bool send_all(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t sent = send(fd, bytes, count, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        count -= (size_t)sent;
    }
    return true;
}

/* Passes one chunk on.  False when the connection is over. */
static bool pass(cut_proxy_t *self, pipe_t *pipe)
{
    char chunk[CHUNK_BYTES];
    ssize_t got = recv(pipe->from, chunk, sizeof(chunk), 0);
    if (got <= 0)
        return false;
    size_t bytes = (size_t)got;
    cut_proxy_mode_t cut = judge(self, pipe, chunk, &bytes);
    bool passed = send_all(pipe->to, chunk, bytes);
    if (cut == CUT_PROXY_SILENCE) {
        struct pollfd stop = {.fd = self->stop, .events = POLLIN};
        struct pollfd gone = {.fd = pipe->from, .events = POLLRDHUP};
        struct pollfd either[] = {stop, gone};
        poll(either, 2, -1);
    }
    return cut == CUT_PROXY_NEVER && passed;
}

/* Serves one connection to its end; false when the proxy is to stop. */
static bool serve(cut_proxy_t *self, int client, int server)
{
    pipe_t up = {.from = client, .to = server, .side = CUT_PROXY_REQUEST};
    pipe_t down = {.from = server, .to = client, .side = CUT_PROXY_ANSWER};
    for (;;) {
        struct pollfd fds[] = {{.fd = self->stop, .events = POLLIN},
                               {.fd = client, .events = POLLIN},
                               {.fd = server, .events = POLLIN}};
        poll(fds, 3, -1);
        if (fds[0].revents)
            return false;
        if (fds[1].revents && !pass(self, &up))
            return true;
        if (fds[2].revents && !pass(self, &down))
            return true;
    }
}

static void *run(void *context)
{
    cut_proxy_t *self = context;
    for (bool more = true; more;) {
        struct pollfd fds[] = {{.fd = self->stop, .events = POLLIN},
                               {.fd = self->listener, .events = POLLIN}};
        poll(fds, 2, -1);
        if (fds[0].revents)
            break;
        int client = accept(self->listener, NULL, NULL);
        int server = connect_server(self);
        if (client >= 0 && server >= 0)
            more = serve(self, client, server);
        close(client);
        close(server);
    }
    return NULL;
}

cut_proxy_t *cut_proxy_new(const char *socket_path)
{
    cut_proxy_t *self = calloc(1, sizeof(*self));
    assert(self && strlen(socket_path) < sizeof(self->socket_path));
    memcpy(self->socket_path, socket_path, strlen(socket_path));
    self->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int status = bind(self->listener, (const struct sockaddr *)&address, length);
    assert(status == 0);
    status = listen(self->listener, 16);
    assert(status == 0);
    status = getsockname(self->listener, (struct sockaddr *)&address, &length);
    assert(status == 0);
    self->port = ntohs(address.sin_port);
    self->stop = eventfd(0, EFD_CLOEXEC);
    pthread_mutex_init(&self->lock, NULL);
    status = pthread_create(&self->thread, NULL, run, self);
    assert(status == 0);
    return self;
}

void cut_proxy_destroy(cut_proxy_t **self_pointer)
{
    cut_proxy_t *self = *self_pointer;
    if (!self)
        return;
    eventfd_write(self->stop, 1);
    pthread_join(self->thread, NULL);
    pthread_mutex_destroy(&self->lock);
    close(self->stop);
    close(self->listener);
    free(self);
    *self_pointer = NULL;
}

void cut_proxy_arm(cut_proxy_t *self, cut_proxy_mode_t mode, const char *word)
{
    assert(strlen(word) < WORD_BYTES);
    pthread_mutex_lock(&self->lock);
    self->mode = mode;
    strcpy(self->word, word);
    pthread_mutex_unlock(&self->lock);
}

int cut_proxy_port(const cut_proxy_t *self)
{
    return self->port;
}

size_t cut_proxy_cuts(cut_proxy_t *self)
{
    pthread_mutex_lock(&self->lock);
    size_t cuts = self->cuts;
    pthread_mutex_unlock(&self->lock);
    return cuts;
}
