#include "common/daemon/admin.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/address.h"

#define CONNECTIONS_MAX         16
#define CONNECTION_MEMORY_BYTES 8192
#define INACTIVITY_SECONDS      10
#define STACK_BYTES             (256 * 1024)
#define BACKLOG                 16

#define PLAIN_TEXT      "text/plain; charset=utf-8"
#define PROMETHEUS_TEXT "text/plain; version=0.0.4; charset=utf-8"

struct admin {
    struct MHD_Daemon *server; /* NULL when off */
    uint16_t port;
    metrics_t *metrics;
    readiness_t *readiness;
};

typedef struct {
    unsigned status;
    const char *content_type;
    buffer_t body;
} answer_t;

/* Each fills in the answer; 0, or -1 when memory is out. */
typedef int answer_function_t(const admin_t *self, answer_t *answer);

static int answer_metrics(const admin_t *self, answer_t *answer)
{
    answer->content_type = PROMETHEUS_TEXT;
    return metrics_render(self->metrics, &answer->body);
}

static int answer_healthz(const admin_t *self, answer_t *answer)
{
    (void)self;
    return buffer_append_text(&answer->body, "ok\n");
}

static int answer_readyz(const admin_t *self, answer_t *answer)
{
    bool ready;
    if (readiness_render(self->readiness, &answer->body, &ready))
        return -1;
    if (ready)
        return buffer_append_text(&answer->body, "ready\n");
    answer->status = MHD_HTTP_SERVICE_UNAVAILABLE;
    return 0;
}

static int answer_not_found(const admin_t *self, answer_t *answer)
{
    (void)self;
    answer->status = MHD_HTTP_NOT_FOUND;
    return buffer_append_text(&answer->body, "not found\n");
}

static int answer_wrong_method(const admin_t *self, answer_t *answer)
{
    (void)self;
    answer->status = MHD_HTTP_METHOD_NOT_ALLOWED;
    return buffer_append_text(&answer->body, "method not allowed\n");
}

static const struct {
    const char *path;
    answer_function_t *answer;
} pages[] = {
    {"/metrics", answer_metrics},
    {"/healthz", answer_healthz},
    {"/readyz", answer_readyz},
};

static answer_function_t *find_page(const char *path, const char *method)
{
    bool reads =
        strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (strcmp(path, pages[i].path) == 0)
            return reads ? pages[i].answer : answer_wrong_method;
    }
    return answer_not_found;
}

/* Takes the answer's body over. */
static enum MHD_Result send_answer(struct MHD_Connection *connection, answer_t *answer)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        answer->body.length, answer->body.bytes, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        buffer_free(&answer->body);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
    if (answer->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, answer->status, response);
    MHD_destroy_response(response);
    return result;
}

/* Called when the headers are in, and answered then: a body is never read.
 * NOLINTNEXTLINE(readability-function-size): libmicrohttpd's */
static enum MHD_Result handle(void *admin, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_length, void **request)
{
    (void)version;
    (void)upload;
    (void)upload_length;
    (void)request;
    answer_t answer = {.status = MHD_HTTP_OK, .content_type = PLAIN_TEXT};
    if (find_page(path, method)(admin, &answer)) {
        buffer_free(&answer.body);
        return MHD_NO;
    }
    return send_answer(connection, &answer);
}

/* A listening socket on `address`, or -1 with errno set. */
static int listen_on(const address_listen_t *address)
{
    int fd = socket(address->to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, &address->to.any, address->length) || listen(fd, BACKLOG)) {
        int reason = errno;
        close(fd);
        errno = reason;
        return -1;
    }
    return fd;
}

static uint16_t bound_port(int fd)
{
    address_listen_t bound = {.length = sizeof(bound.to)};
    if (getsockname(fd, &bound.to.any, &bound.length))
        return 0;
    return ntohs(bound.to.any.sa_family == AF_INET6 ? bound.to.v6.sin6_port : bound.to.v4.sin_port);
}

static int start(admin_t *self, const char *listen, fault_t *fault)
{
    address_listen_t address;
    if (address_parse_listen(listen, &address, fault))
        return -1;
    int fd = listen_on(&address);
    if (fd < 0)
        return fault_set_errno(fault, errno, "cannot listen on %.64s", listen);
    self->port = bound_port(fd);
    self->server = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, handle, self,
                                    MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                                    (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                    (size_t)CONNECTION_MEMORY_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
                                    (unsigned)INACTIVITY_SECONDS, MHD_OPTION_THREAD_STACK_SIZE,
                                    (size_t)STACK_BYTES, MHD_OPTION_END);
    if (self->server)
        return 0;
    close(fd);
    return fault_set(fault, "cannot serve on %.64s", listen);
}

admin_t *admin_new(const char *listen, metrics_t *metrics, readiness_t *readiness, fault_t *fault)
{
    admin_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    self->metrics = metrics;
    self->readiness = readiness;
    if (strcmp(listen, "off") != 0 && start(self, listen, fault))
        admin_destroy(&self);
    return self;
}

uint16_t admin_port(const admin_t *self)
{
    return self->port;
}

void admin_destroy(admin_t **self)
{
    if (!*self)
        return;
    if ((*self)->server)
        MHD_stop_daemon((*self)->server);
    free(*self);
    *self = NULL;
}
