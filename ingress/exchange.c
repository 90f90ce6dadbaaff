#include "ingress/exchange.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Where a request is with the library. */
typedef enum {
    STAGE_HEAD,    /* the first call, with the head alone */
    STAGE_BODY,    /* calls with pieces, and one without at the end */
    STAGE_REFUSED, /* the answer is known, and no body to be waited for */
    STAGE_WHOLE,   /* to be stored, one call later */
    STAGE_STORING, /* suspended; the next call is for the answer */
    STAGE_ANSWERED,
    STAGE_CUT /* what still comes is thrown away */
} stage_t;

/* A request as the library sees it; its context pointer. */
typedef struct exchange {
    exchanges_t *home;
    exchange_port_t *port;
    struct exchange *next_woken;
    struct MHD_Connection *library;
    connection_t *connection;
    request_t *request;
    stage_t stage;
    answer_t refusal; /* in STAGE_REFUSED */
} exchange_t;

int exchanges_open(exchanges_t *self, exchange_port_t *port)
{
    self->port = port;
    atomic_init(&self->woken, NULL);
    self->stir_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return self->stir_fd < 0 ? -1 : 0;
}

void exchanges_close(exchanges_t *self)
{
    if (self->stir_fd >= 0)
        close(self->stir_fd);
    self->stir_fd = -1;
}

void exchanges_stir(exchanges_t *self)
{
    (void)eventfd_write(self->stir_fd, 1); /* fails only when it is readable already */
}

/* The first of a group commit to be woken is last in the list, and has waited longest. */
static struct exchange *take_woken(exchanges_t *self)
{
    exchange_t *woken = atomic_exchange(&self->woken, NULL), *in_order = NULL;
    while (woken) {
        exchange_t *next = woken->next_woken;
        woken->next_woken = in_order;
        in_order = woken;
        woken = next;
    }
    return in_order;
}

void exchanges_resume(exchanges_t *self, bool stirred)
{
    eventfd_t count;
    if (stirred)
        (void)eventfd_read(self->stir_fd, &count);
    for (exchange_t *at = take_woken(self), *next; at; at = next) {
        next = at->next_woken;
        MHD_resume_connection(at->library);
    }
}

/* `unread`: part of the request is still to come; the library then closes the connection. */
static enum MHD_Result say(exchange_t *self, answer_t answer, bool unread)
{
    exchange_port_t *port = self->port;
    if (!connection_begin_answer(port->connections, self->connection, unread))
        return MHD_NO;
    self->stage = STAGE_ANSWERED;
    counts_answer(port->counts, answer);
    bool close = atomic_load(&port->requests.closing);
    return MHD_queue_response(self->library, (unsigned)answer_row(answer)->status,
                              replies_get(port->replies, answer, close));
}

/* With a body on its way the answer has to be given now, and ends the connection: the library takes
 * an answer before the body or after it.  Without one it waits for the next call, because what is
 * answered in the first is never kept alive. */
static enum MHD_Result refuse(exchange_t *self, answer_t answer, bool has_body)
{
    if (has_body)
        return say(self, answer, true);
    self->refusal = answer;
    self->stage = STAGE_REFUSED;
    return MHD_YES;
}

static enum MHD_Result add_header(void *head, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    (void)kind;
    head_add(head, name, value);
    return MHD_YES;
}

static bool is_health(const exchange_t *self, const head_t *head, answer_t *answer)
{
    if (!provider_target_is(head->target, "/healthz") || !head_check(head, answer))
        return false;
    const requests_t *requests = &self->port->requests;
    bool reads = strcmp(head->method, "GET") == 0 || strcmp(head->method, "HEAD") == 0;
    if (!reads)
        *answer = ANSWER_GET_ONLY;
    else if (atomic_load(&requests->closing))
        *answer = ANSWER_STOPPING;
    else
        *answer = journal_can_store(requests->deposits.room.journal) ? ANSWER_ALIVE
                                                                     : ANSWER_STORAGE_UNAVAILABLE;
    return true;
}

static enum MHD_Result take_head(exchange_t *self, const char *method, const char *version)
{
    head_t head;
    answer_t answer;
    head_init(&head, method, request_target(self->request), version);
    (void)MHD_get_connection_values(self->library, MHD_HEADER_KIND, add_header, &head);
    if (is_health(self, &head, &answer))
        return refuse(self, answer, head.has_body);
    if (request_head(self->request, &head) == REQUEST_ANSWER)
        return refuse(self, request_answer(self->request), head.has_body);
    self->stage = STAGE_BODY;
    return connection_begin_body(self->port->connections, self->connection) ? MHD_YES : MHD_NO;
}

/* From now on what comes is thrown away, and what came is given back. */
static enum MHD_Result drop(exchange_t *self)
{
    self->stage = STAGE_CUT;
    request_destroy(&self->request);
    return MHD_YES;
}

static enum MHD_Result take_piece(exchange_t *self, const char *bytes, size_t *length)
{
    connections_t *connections = self->port->connections;
    size_t piece = *length;
    *length = 0;
    if (self->stage == STAGE_CUT)
        return MHD_YES;
    if (!connection_received(connections, self->connection, piece))
        return drop(self);
    if (request_body(self->request, bytes, piece) != REQUEST_CUT)
        return MHD_YES;
    /* The library cannot answer in the middle of a body: it is answered past it. */
    connection_cut(connections, self->connection, request_answer(self->request));
    return drop(self);
}

static enum MHD_Result take_end(exchange_t *self)
{
    if (request_end(self->request) == REQUEST_ANSWER)
        return say(self, request_answer(self->request), false);
    self->stage = STAGE_WHOLE;
    return MHD_YES;
}

/* The connection is suspended a call after the body ended, and not in the call that saw the end:
 * a connection that the library still takes for a reading one would be read after it was resumed,
 * and a sender who had closed its sending side would be hung up on instead of answered. */
static enum MHD_Result store(exchange_t *self)
{
    connections_t *connections = self->port->connections;
    if (!connection_begin_storing(connections, self->connection))
        return MHD_NO;
    self->stage = STAGE_STORING;
    MHD_suspend_connection(self->library);
    connection_await(connections, self->connection, self);
    request_store(self->request);
    return MHD_YES;
}

/* NOLINTNEXTLINE(readability-function-size): libmicrohttpd's parameters */
enum MHD_Result exchange_on_request(void *exchanges, struct MHD_Connection *library,
                                    const char *url, const char *method, const char *version,
                                    const char *bytes, size_t *length, void **context)
{
    (void)exchanges;
    (void)library;
    (void)url; /* unescaped; the target is what counts */
    exchange_t *self = *context;
    if (!self)
        return MHD_NO;
    if (*length > 0)
        return take_piece(self, bytes, length);
    switch (self->stage) {
    case STAGE_HEAD:
        return take_head(self, method, version);
    case STAGE_BODY:
        return take_end(self);
    case STAGE_REFUSED:
        return say(self, self->refusal, false);
    case STAGE_WHOLE:
        return store(self);
    case STAGE_STORING:
        return say(self, request_answer(self->request), false);
    case STAGE_ANSWERED:
    case STAGE_CUT:
        break;
    }
    return MHD_NO;
}

/* The thread is stirred once for all that are woken while it is busy.  What is in its list may be
 * over at any moment, and is not looked at any more. */
void exchange_wake(void *exchange)
{
    exchange_t *self = exchange;
    exchanges_t *home = self->home;
    exchange_t *others = atomic_load(&home->woken);
    do {
        self->next_woken = others;
    } while (!atomic_compare_exchange_weak(&home->woken, &others, self));
    if (!others)
        exchanges_stir(home);
}

void exchange_give_up(void *exchange, answer_t answer)
{
    request_give_up(((exchange_t *)exchange)->request, answer);
}

static connection_t *connection_of(struct MHD_Connection *library)
{
    return MHD_get_connection_info(library, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* A request line was read: the request begins.  Without memory it goes on without a context, and
 * is dropped at its head. */
void *exchange_on_target(void *exchanges, const char *target, struct MHD_Connection *library)
{
    exchanges_t *home = exchanges;
    exchange_port_t *port = home->port;
    connection_t *connection = connection_of(library);
    exchange_t *exchange = connection ? calloc(1, sizeof(*exchange)) : NULL;
    if (!exchange)
        return NULL;
    *exchange =
        (exchange_t){.home = home, .port = port, .library = library, .connection = connection};
    exchange->request = request_new(&port->requests, target, exchange);
    if (!exchange->request || !connection_begin_head(port->connections, connection)) {
        request_destroy(&exchange->request);
        free(exchange);
        return NULL;
    }
    return exchange;
}

/* What the library cannot read it answers itself: a head that is too large, a length that is none,
 * broken chunks. */
static void count_if_library_answered(exchange_t *self)
{
    const union MHD_ConnectionInfo *answer =
        MHD_get_connection_info(self->library, MHD_CONNECTION_INFO_HTTP_STATUS);
    if (answer && self->stage != STAGE_ANSWERED && self->stage != STAGE_CUT)
        counts_library_answer(self->port->counts, (int)answer->http_status);
}

void exchange_on_completed(void *exchanges, struct MHD_Connection *library, void **context,
                           enum MHD_RequestTerminationCode code)
{
    (void)exchanges;
    (void)library;
    (void)code;
    exchange_t *exchange = *context;
    if (!exchange)
        return;
    count_if_library_answered(exchange);
    connection_end_request(exchange->port->connections, exchange->connection);
    request_destroy(&exchange->request);
    free(exchange);
    *context = NULL;
}

void exchange_on_connection(void *exchanges, struct MHD_Connection *library, void **context,
                            enum MHD_ConnectionNotificationCode code)
{
    connections_t *connections = ((exchanges_t *)exchanges)->port->connections;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        connections_remove(connections, *context);
        *context = NULL;
        return;
    }
    /* Since libmicrohttpd 0.9.76 all answers share one place: the next call overwrites this one's.
     */
    int fd = MHD_get_connection_info(library, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    const union MHD_ConnectionInfo *address =
        MHD_get_connection_info(library, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    *context = connections_add(connections, fd, address->client_addr);
}

enum MHD_Result exchange_on_accept(void *exchanges, const struct sockaddr *address,
                                   socklen_t length)
{
    (void)length;
    connections_t *connections = ((exchanges_t *)exchanges)->port->connections;
    return connections_admit(connections, address) ? MHD_YES : MHD_NO;
}
