/* A generator of webhooks for bench/run: one thread, so many keep-alive connections, as fast as
 * they are answered or at a fixed rate.  It shares the machine with what it measures, so it does
 * little: signatures are made before the clock starts, and a request is one send of a template in
 * which an id and a signature are replaced.
 *
 *     bench.load --port N [--path P] [--connections N] [--count N] [--seconds S] [--rate R]
 *                [--first N] [--body-bytes N] [--signed]
 *
 * It ends after `count` requests or `seconds`, whichever is first, and prints one line of JSON.
 * --rate 0 is full speed; else requests fall due at that rate, and their latency counts from then,
 * whether or not a connection was free.  Conversation ids count up from --first, so that two runs
 * of the same numbers are the same events.  With --signed the secret is in LOAD_SECRET. */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define AGENTS          16 /* agent_bench_00 to agent_bench_15 */
#define CONNECTIONS_MAX 1024
#define EVENTS_MAX      256
#define RESPONSE_BYTES  2048
#define HEX_BYTES       64 /* of a signature */
#define STATUS_MAX      600

typedef struct {
    uint16_t port;
    const char *path;
    unsigned connections;
    uint64_t count;
    double seconds;
    double rate; /* 0: full speed */
    uint64_t first;
    size_t body_bytes;
    bool is_signed;
} options_t;

/* The bytes of a request, and where its own stand in them. */
typedef struct {
    char *bytes;
    size_t length;
    size_t signature_at; /* 0: unsigned */
    size_t body_at;
    size_t agent_at;
    size_t conversation_at;
} template_t;

typedef struct {
    int fd;
    bool busy;
    uint64_t number; /* of the request that is under way */
    size_t sent;
    int64_t due_ns;
    size_t received;
    char response[RESPONSE_BYTES + 1];
} connection_t;

typedef struct {
    options_t options;
    template_t template;
    char *signatures; /* HEX_BYTES of each request */
    uint32_t *latencies_us;
    uint64_t answered; /* as many latencies there are */
    uint64_t failed;   /* connection lost before the answer */
    uint64_t statuses[STATUS_MAX];
    uint64_t next; /* request to be sent */
    int64_t begun_ns;
    int epoll;
    connection_t connections[CONNECTIONS_MAX];
    connection_t *idle[CONNECTIONS_MAX];
    size_t idle_count;
} load_t;

static void fail(const char *what)
{
    fprintf(stderr, "bench.load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* The request. */

/* A webhook of exactly `size` bytes: a call of several turns, the last of which fills it up. */
static void write_body(char *out, size_t size)
{
    static const char head[] =
        "{\"type\":\"post_call_transcription\",\"event_timestamp\":%lld,\"data\":{"
        "\"agent_id\":\"agent_bench_00\",\"conversation_id\":\"conv_0000000000000000\","
        "\"status\":\"done\",\"user_id\":null,\"metadata\":{\"start_time_unix_secs\":%lld,"
        "\"call_duration_secs\":42,\"cost\":350,\"termination_reason\":\"Call ended by remote "
        "party\",\"charging\":{\"dev_discount\":false,\"llm_price\":0.000123}},\"analysis\":{"
        "\"call_successful\":\"success\",\"transcript_summary\":\"The caller asked for an "
        "appointment.\",\"evaluation_criteria_results\":{}},\"has_audio\":false,\"transcript\":[";
    static const char turn[] =
        "{\"role\":\"%s\",\"message\":\"Bună ziua! Aș vrea o programare mâine, la ora zece.\","
        "\"time_in_call_secs\":%u,\"tool_calls\":[],\"tool_results\":[],\"feedback\":null,"
        "\"conversation_turn_metrics\":{\"convai_llm_service_ttfb\":{\"elapsed_time\":0.4}}},";
    static const char last[] = "{\"role\":\"agent\",\"time_in_call_secs\":41,\"message\":\"";
    static const char tail[] = "\"}]}}";
    long long now = time(NULL);
    size_t at = (size_t)snprintf(out, size, head, now, now - 60);
    for (unsigned i = 0; at + 2 * sizeof(turn) + sizeof(last) + sizeof(tail) < size; i++)
        at += (size_t)snprintf(out + at, size - at, turn, i % 2 ? "user" : "agent", i * 3);
    assert(at + sizeof(last) + sizeof(tail) < size);
    memcpy(out + at, last, sizeof(last) - 1);
    at += sizeof(last) - 1;
    memset(out + at, 'a', size - at);
    memcpy(out + size - (sizeof(tail) - 1), tail, sizeof(tail) - 1);
}

static size_t find(const template_t *template, const char *text)
{
    const char *at = memmem(template->bytes, template->length, text, strlen(text));
    assert(at);
    return (size_t)(at - template->bytes) + strlen(text);
}

static void make_template(template_t *template, const options_t *options)
{
    template->bytes = malloc(options->body_bytes + 4096);
    if (!template->bytes)
        fail("no memory");
    int head = sprintf(template->bytes,
                       "POST %.1024s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json"
                       "\r\nContent-Length: %zu\r\n",
                       options->path, options->body_bytes);
    if (options->is_signed)
        head += sprintf(template->bytes + head, "ElevenLabs-Signature: t=%lld,v0=%064d\r\n",
                        (long long)time(NULL), 0);
    head += sprintf(template->bytes + head, "\r\n");
    template->body_at = (size_t)head;
    template->length = template->body_at + options->body_bytes;
    write_body(template->bytes + head, options->body_bytes);
    template->signature_at = options->is_signed ? find(template, ",v0=") : 0;
    template->agent_at = find(template, "\"agent_bench_");
    template->conversation_at = find(template, "\"conv_");
}

/* Makes the template the request `number`, but for its signature. */
static void number_body(const template_t *template, uint64_t number)
{
    char *agent = template->bytes + template->agent_at;
    char *conversation = template->bytes + template->conversation_at;
    agent[0] = (char)('0' + number % AGENTS / 10);
    agent[1] = (char)('0' + number % AGENTS % 10);
    for (size_t i = 16; i-- > 0; number >>= 4)
        conversation[i] = "0123456789abcdef"[number & 15];
}

/* HMAC-SHA256 of `t`, a dot and the body: what stands before the body is replaced for a moment.
 * https://elevenlabs.io/docs/agents-platform/workflows/post-call-webhooks */
static void sign(const load_t *load, const char *secret, char hex[HEX_BYTES])
{
    const template_t *template = &load->template;
    char kept[32], stamp[32];
    unsigned char mac[EVP_MAX_MD_SIZE];
    const char *seconds = template->bytes + find(template, "ElevenLabs-Signature: t=");
    size_t length =
        (size_t)snprintf(stamp, sizeof(stamp), "%.*s.", (int)strcspn(seconds, ","), seconds);
    char *start = template->bytes + template->body_at - length;
    memcpy(kept, start, length);
    memcpy(start, stamp, length);
    HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)start,
         length + load->options.body_bytes, mac, NULL);
    memcpy(start, kept, length);
    for (size_t i = 0; i < HEX_BYTES; i++)
        hex[i] = "0123456789abcdef"[mac[i / 2] >> (i % 2 ? 0 : 4) & 15];
}

static void prepare(load_t *load)
{
    const options_t *options = &load->options;
    const char *secret = getenv("LOAD_SECRET");
    make_template(&load->template, options);
    load->latencies_us = malloc(options->count * sizeof(*load->latencies_us));
    load->signatures = options->is_signed ? malloc(options->count * HEX_BYTES) : NULL;
    if (!load->latencies_us || (options->is_signed && (!load->signatures || !secret)))
        fail("no memory, or no LOAD_SECRET");
    for (uint64_t i = 0; options->is_signed && i < options->count; i++) {
        number_body(&load->template, options->first + i);
        sign(load, secret, load->signatures + i * HEX_BYTES);
    }
}

static void fill_template(const load_t *load, uint64_t index)
{
    const template_t *template = &load->template;
    number_body(template, load->options.first + index);
    if (template->signature_at)
        memcpy(template->bytes + template->signature_at, load->signatures + index * HEX_BYTES,
               HEX_BYTES);
}

/* Connections. */

static void watch(const load_t *load, connection_t *connection, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data = {.ptr = connection}};
    if (epoll_ctl(load->epoll, operation, connection->fd, &event) != 0)
        fail("epoll_ctl");
}

static void open_connection(load_t *load, connection_t *connection)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(load->options.port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    connection->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connection->fd < 0 ||
        connect(connection->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        fail("connect");
    int on = 1;
    (void)setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* as a client */
    connection->busy = false;
    watch(load, connection, EPOLL_CTL_ADD, EPOLLIN);
    load->idle[load->idle_count++] = connection;
}

/* The other side closed it: what was under way is lost. */
/* It is made idle once more below, and must stand there once. */
static void forget_idle(load_t *load, const connection_t *connection)
{
    for (size_t i = 0; i < load->idle_count; i++) {
        if (load->idle[i] == connection) {
            load->idle[i] = load->idle[--load->idle_count];
            return;
        }
    }
}

static void lose(load_t *load, connection_t *connection)
{
    if (connection->busy)
        load->failed++;
    else
        forget_idle(load, connection); /* the server closes what is idle for long */
    close(connection->fd);
    open_connection(load, connection);
}

static void send_rest(load_t *load, connection_t *connection)
{
    fill_template(load, connection->number);
    size_t left = load->template.length - connection->sent;
    ssize_t sent = send(connection->fd, load->template.bytes + connection->sent, left,
                        MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        return; /* the reading side finds it closed */
    bool was_partial = connection->sent > 0;
    connection->sent += sent > 0 ? (size_t)sent : 0;
    bool is_partial = connection->sent < load->template.length;
    if (was_partial || is_partial)
        watch(load, connection, EPOLL_CTL_MOD, is_partial ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void begin_request(load_t *load, int64_t due_ns)
{
    connection_t *connection = load->idle[--load->idle_count];
    connection->busy = true;
    connection->number = load->next++;
    connection->sent = connection->received = 0;
    connection->due_ns = due_ns;
    send_rest(load, connection);
}

/* The status of a whole response; 0 while more is to come. */
static unsigned read_status(connection_t *connection)
{
    connection->response[connection->received] = '\0';
    const char *end = strstr(connection->response, "\r\n\r\n");
    const char *length = end ? strcasestr(connection->response, "\r\nContent-Length:") : NULL;
    if (!length || length > end || connection->received < 12)
        return 0;
    size_t head = (size_t)(end - connection->response) + 4;
    size_t body = strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
    return connection->received < head + body ? 0 : (unsigned)atoi(connection->response + 9);
}

static void take_response(load_t *load, connection_t *connection)
{
    ssize_t count = recv(connection->fd, connection->response + connection->received,
                         RESPONSE_BYTES - connection->received, MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN)
        return;
    if (count <= 0) {
        lose(load, connection);
        return;
    }
    connection->received += (size_t)count;
    unsigned status = read_status(connection);
    if (status == 0 || status >= STATUS_MAX)
        return;
    load->latencies_us[load->answered++] = (uint32_t)((now_ns() - connection->due_ns) / 1000);
    load->statuses[status]++;
    connection->busy = false;
    load->idle[load->idle_count++] = connection;
}

/* The loop. */

static int64_t due_of(const load_t *load, uint64_t index)
{
    return load->begun_ns + (int64_t)((double)index * 1e9 / load->options.rate);
}

static void begin_requests(load_t *load, int64_t now)
{
    double rate = load->options.rate;
    while (load->idle_count > 0 && load->next < load->options.count &&
           (rate == 0 || due_of(load, load->next) <= now))
        begin_request(load, rate == 0 ? now_ns() : due_of(load, load->next));
}

/* How long nothing has to be done but to wait for answers. */
static struct timespec patience(const load_t *load, int64_t now, bool sending)
{
    int64_t wait_ns = INT64_C(1000000000);
    if (sending && load->options.rate > 0 && load->idle_count > 0) {
        wait_ns = due_of(load, load->next) - now;
        wait_ns = wait_ns < 0 ? 0 : wait_ns;
    }
    return (struct timespec){.tv_sec = wait_ns / 1000000000, .tv_nsec = wait_ns % 1000000000};
}

static void run(load_t *load)
{
    struct epoll_event events[EVENTS_MAX];
    int64_t end_ns = load->begun_ns + (int64_t)(load->options.seconds * 1e9);
    for (;;) {
        int64_t now = now_ns();
        bool sending = now < end_ns && load->next < load->options.count;
        if (!sending && load->idle_count == load->options.connections)
            return;
        if (sending)
            begin_requests(load, now);
        struct timespec wait = patience(load, now, sending);
        int count = epoll_pwait2(load->epoll, events, EVENTS_MAX, &wait, NULL);
        for (int i = 0; i < count; i++) {
            connection_t *connection = events[i].data.ptr;
            if (events[i].events & EPOLLOUT)
                send_rest(load, connection);
            if (events[i].events & ~(uint32_t)EPOLLOUT)
                take_response(load, connection);
        }
    }
}

/* The report. */

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static uint32_t percentile(const load_t *load, double share)
{
    uint64_t index = (uint64_t)((double)load->answered * share);
    return load->answered == 0 ? 0 : load->latencies_us[index < load->answered ? index : index - 1];
}

static void report(load_t *load, double seconds)
{
    qsort(load->latencies_us, load->answered, sizeof(*load->latencies_us), compare);
    printf("{\"answered\":%llu,\"ok\":%llu,\"failed\":%llu,\"seconds\":%.6f,\"perSecond\":%.1f,",
           (unsigned long long)load->answered, (unsigned long long)load->statuses[200],
           (unsigned long long)load->failed, seconds, (double)load->answered / seconds);
    printf("\"p50Us\":%u,\"p99Us\":%u,\"p999Us\":%u,\"maxUs\":%u}\n", percentile(load, 0.5),
           percentile(load, 0.99), percentile(load, 0.999), percentile(load, 1));
}

static options_t parse(int argc, char **argv)
{
    static const struct option names[] = {
        {"port", 1, NULL, 'p'},        {"path", 1, NULL, 'u'},
        {"connections", 1, NULL, 'c'}, {"count", 1, NULL, 'n'},
        {"seconds", 1, NULL, 's'},     {"rate", 1, NULL, 'r'},
        {"first", 1, NULL, 'f'},       {"body-bytes", 1, NULL, 'b'},
        {"signed", 0, NULL, 'k'},      {0}};
    options_t options = {.path = "/api/elevenlabs/webhook",
                         .connections = 64,
                         .count = 1000000,
                         .seconds = 3600,
                         .body_bytes = 4096};
    for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (name) {
        case 'p':
            options.port = (uint16_t)atoi(optarg);
            break;
        case 'u':
            options.path = optarg;
            break;
        case 'c':
            options.connections = (unsigned)atoi(optarg);
            break;
        case 'n':
            options.count = strtoull(optarg, NULL, 10);
            break;
        case 's':
            options.seconds = atof(optarg);
            break;
        case 'r':
            options.rate = atof(optarg);
            break;
        case 'f':
            options.first = strtoull(optarg, NULL, 10);
            break;
        case 'b':
            options.body_bytes = strtoul(optarg, NULL, 10);
            break;
        case 'k':
            options.is_signed = true;
            break;
        default:
            exit(64);
        }
    }
    return options;
}

int main(int argc, char **argv)
{
    static load_t load;
    load.options = parse(argc, argv);
    const options_t *options = &load.options;
    if (options->port == 0 || options->connections == 0 || options->count == 0 ||
        options->connections > CONNECTIONS_MAX || options->body_bytes < 2048) {
        fprintf(stderr, "bench.load: see the head of bench/load.c for its options\n");
        return 64;
    }
    prepare(&load);
    (void)prctl(PR_SET_TIMERSLACK, 1); /* requests fall due to the microsecond */
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < options->connections; i++)
        open_connection(&load, &load.connections[i]);
    load.begun_ns = now_ns();
    run(&load);
    report(&load, (double)(now_ns() - load.begun_ns) / 1e9);
    free(load.latencies_us);
    free(load.signatures);
    free(load.template.bytes);
    return 0;
}
