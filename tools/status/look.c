#include "tools/status/look.h"

#include "common/base/clock.h"

#include <math.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const char *const stages[] = {"ingress", "tenant-resolver", "logger", "recorder",
                                     "resources-sink"};
static const char *const prefixes[] = {"postcall_ingress_", "postcall_tenant_resolver_",
                                       "postcall_logger_", "postcall_recorder_",
                                       "postcall_resources_sink_"};

static look_daemon_t *add(look_t *self, const char *host, const char *port)
{
    if (self->count == LOOK_DAEMONS_MAX)
        return NULL;
    look_daemon_t *daemon = &self->daemons[self->count++];
    snprintf(daemon->address, sizeof(daemon->address), strchr(host, ':') ? "[%s]:%s" : "%s:%s",
             host, port);
    daemon->state = LOOK_UNREACHABLE;
    return daemon;
}

/* Adds each address of HOST:PORT.  A name without one is a daemon that cannot be reached. */
static int add_all(look_t *self, const char *address, fault_t *fault)
{
    char host[NI_MAXHOST], port[8];
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (sscanf(address, "[%1000[^]]]:%7[0-9]", host, port) != 2 &&
        sscanf(address, "%1000[^][:/]:%7[0-9]", host, port) != 2)
        return fault_set(fault, "%.100s is no HOST:PORT", address);
    int error = getaddrinfo(host, port, &hints, &found);
    if (error) {
        look_daemon_t *daemon = add(self, host, port);
        if (daemon)
            snprintf(daemon->reason, sizeof(daemon->reason), "%s", gai_strerror(error));
        return 0;
    }
    for (struct addrinfo *at = found; at; at = at->ai_next) {
        char numeric[NI_MAXHOST];
        if (getnameinfo(at->ai_addr, at->ai_addrlen, numeric, sizeof(numeric), NULL, 0,
                        NI_NUMERICHOST) == 0)
            (void)add(self, numeric, port);
    }
    freeaddrinfo(found);
    return 0;
}

/* A request's tag: which daemon, and which of its pages. */
typedef struct {
    look_daemon_t *daemon;
    const char *path;
} question_t;

static const char ready_path[] = "/readyz";
static const char metrics_path[] = "/metrics";

/* Lines become one, and nothing in it can move a terminal's cursor. */
static void keep_reason(look_daemon_t *daemon, const char *text)
{
    snprintf(daemon->reason, sizeof(daemon->reason), "%s", text);
    size_t end = strlen(daemon->reason);
    while (end > 0 && daemon->reason[end - 1] == '\n')
        daemon->reason[--end] = '\0';
    for (char *at = daemon->reason; *at; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = *at == '\n' ? ';' : '?';
    }
}

static void take_ready(look_daemon_t *daemon, const http_response_t *response)
{
    daemon->state = response->status == 200 ? LOOK_READY : LOOK_NOT_READY;
    daemon->reason[0] = '\0';
    if (daemon->state == LOOK_NOT_READY)
        keep_reason(daemon, response->body.bytes ? response->body.bytes : "");
}

static void take_metrics(look_daemon_t *daemon, http_response_t *response)
{
    if (response->status != 200 || samples_read(&daemon->samples, &response->body) != 0)
        return;
    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
        if (samples_have(&daemon->samples, prefixes[i]))
            daemon->stage = stages[i];
    }
}

static void take_answer(http_response_t *response)
{
    const question_t *question = response->tag;
    if (response->error != HTTP_ERROR_NONE)
        keep_reason(question->daemon, response->reason.text);
    else if (question->path == ready_path)
        take_ready(question->daemon, response);
    else
        take_metrics(question->daemon, response);
}

static int submit(http_client_t *client, question_t *question, fault_t *fault)
{
    char url[LOOK_ADDRESS_BYTES + 32];
    snprintf(url, sizeof(url), "http://%s%s", question->daemon->address, question->path);
    const http_request_t request = {.method = "GET", .url = url, .tag = question};
    return http_client_submit(client, &request, fault);
}

static int ask(http_client_t *client, question_t *questions, size_t count, fault_t *fault)
{
    size_t asked = 0, answered = 0;
    while (answered < count) {
        http_response_t response;
        while (asked < count && http_client_room(client) > 0) {
            if (submit(client, &questions[asked++], fault) != 0)
                return -1;
        }
        http_client_perform(client);
        while (http_client_take(client, &response)) {
            take_answer(&response);
            http_response_free(&response);
            answered++;
        }
        if (answered < count)
            http_client_wait(client, NULL, 0, LOOK_TIMEOUT_MS);
    }
    return 0;
}

static int ask_all(look_t *self, fault_t *fault)
{
    const http_client_options_t options = {.timeout_ms = LOOK_TIMEOUT_MS,
                                           .connect_timeout_ms = LOOK_TIMEOUT_MS};
    http_client_t *client = http_client_new(&options, fault);
    if (!client)
        return -1;
    question_t questions[2 * LOOK_DAEMONS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++) {
        if (self->daemons[i].reason[0])
            continue; /* has no address */
        questions[count++] = (question_t){&self->daemons[i], metrics_path};
        questions[count++] = (question_t){&self->daemons[i], ready_path};
    }
    int result = ask(client, questions, count, fault);
    http_client_destroy(&client);
    return result;
}

int look_take(look_t *self, const char *const *addresses, size_t count, fault_t *fault)
{
    *self = (look_t){.daemons = calloc(LOOK_DAEMONS_MAX, sizeof(look_daemon_t))};
    if (!self->daemons)
        return fault_set(fault, "out of memory");
    for (size_t i = 0; i < count; i++) {
        if (add_all(self, addresses[i], fault) != 0) {
            look_free(self);
            return -1;
        }
    }
    if (ask_all(self, fault) != 0) {
        look_free(self);
        return -1;
    }
    self->at_ms = clock_now_ms();
    return 0;
}

void look_free(look_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        samples_free(&self->daemons[i].samples);
    free(self->daemons);
    *self = (look_t){0};
}

static double add_up(double one, double other)
{
    return one + other;
}

static double fold(const look_t *self, const char *name, const char *label, const char *value,
                   double (*both)(double, double))
{
    double result = NAN;
    for (size_t i = 0; i < self->count; i++) {
        double one = samples_sum(&self->daemons[i].samples, name, label, value);
        if (!isnan(one))
            result = isnan(result) ? one : both(result, one);
    }
    return result;
}

double look_sum(const look_t *self, const char *name, const char *label, const char *value)
{
    return fold(self, name, label, value, add_up);
}

double look_max(const look_t *self, const char *name, const char *label, const char *value)
{
    return fold(self, name, label, value, fmax);
}

double look_min(const look_t *self, const char *name, const char *label, const char *value)
{
    return fold(self, name, label, value, fmin);
}
