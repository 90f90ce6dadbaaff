#include "common/http/http_client.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "common/base/clock.h"
#include "common/http/http_trust.h"

#define USER_AGENT "postcall/" POSTCALL_VERSION

typedef enum { TRANSFER_IDLE, TRANSFER_BUSY, TRANSFER_DONE } transfer_state_t;

typedef struct {
    transfer_state_t state;
    CURL *easy; /* kept for the next request */
    struct curl_slist *headers;
    bool bodiless; /* HEAD: the answer has no body whatever its headers say */
    http_response_t response;
    char error_text[CURL_ERROR_SIZE];
} transfer_t;

struct http_client_t {
    CURLM *multi;
    http_client_options_t options;
    http_trust_t trust;
    http_proxy_t proxy;
    size_t used; /* transfers that are not idle */
    size_t done; /* and of these, the ones that wait to be taken */
    transfer_t transfers[];
};

static int start_curl(fault_t *fault)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return fault_set(fault, "libcurl cannot start");
    const curl_version_info_data *version = curl_version_info(CURLVERSION_NOW);
    if (!(version->features & CURL_VERSION_ASYNCHDNS)) {
        curl_global_cleanup();
        return fault_set(fault,
                         "libcurl %s was built without AsynchDNS: a name look-up would block",
                         version->version);
    }
    return 0;
}

static http_client_options_t with_defaults(const http_client_options_t *given)
{
    http_client_options_t options = given ? *given : (http_client_options_t){0};
    if (options.max_in_flight == 0)
        options.max_in_flight = HTTP_CLIENT_IN_FLIGHT;
    if (options.connect_timeout_ms == 0)
        options.connect_timeout_ms = HTTP_CLIENT_CONNECT_TIMEOUT_MS;
    if (options.timeout_ms == 0)
        options.timeout_ms = HTTP_CLIENT_TIMEOUT_MS;
    return options;
}

/* Everything of http_client_new that can fail once libcurl runs. */
static int fill_client(http_client_t *self, fault_t *fault)
{
    if (http_trust_open(&self->trust, self->options.ca_file, fault) != 0 ||
        http_proxy_open(&self->proxy, &self->options.proxy, fault) != 0)
        return -1;
    self->multi = curl_multi_init();
    if (!self->multi)
        return fault_set(fault, "out of memory");
    long connections = (long)self->options.max_in_flight;
    curl_multi_setopt(self->multi, CURLMOPT_MAXCONNECTS, connections);
    curl_multi_setopt(self->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections);
    return 0;
}

http_client_t *http_client_new(const http_client_options_t *given, fault_t *fault)
{
    if (start_curl(fault) != 0)
        return NULL;
    http_client_options_t options = with_defaults(given);
    size_t bytes = sizeof(http_client_t) + options.max_in_flight * sizeof(transfer_t);
    http_client_t *self = calloc(1, bytes);
    if (!self) {
        fault_set(fault, "out of memory");
        curl_global_cleanup();
        return NULL;
    }
    self->options = options;
    if (fill_client(self, fault) != 0)
        http_client_destroy(&self);
    return self;
}

/* Leaves the transfer idle, with its handle ready for the next request. */
static void release(http_client_t *self, transfer_t *transfer)
{
    if (transfer->state == TRANSFER_BUSY)
        curl_multi_remove_handle(self->multi, transfer->easy);
    if (transfer->state == TRANSFER_DONE)
        self->done--;
    if (transfer->state != TRANSFER_IDLE)
        self->used--;
    curl_slist_free_all(transfer->headers);
    transfer->headers = NULL;
    http_response_free(&transfer->response);
    transfer->state = TRANSFER_IDLE;
}

void http_client_destroy(http_client_t **self_p)
{
    http_client_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->options.max_in_flight; i++) {
        release(self, &self->transfers[i]);
        curl_easy_cleanup(self->transfers[i].easy);
    }
    curl_multi_cleanup(self->multi);
    http_trust_close(&self->trust);
    http_proxy_close(&self->proxy);
    free(self);
    curl_global_cleanup();
    *self_p = NULL;
}

size_t http_client_room(const http_client_t *self)
{
    return self->options.max_in_flight - self->used;
}

static size_t on_header(char *line, size_t size, size_t count, void *context)
{
    transfer_t *transfer = context;
    return http_response_add_line(&transfer->response, line, size * count) == 0 ? size * count : 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    transfer_t *transfer = context;
    return http_response_add_body(&transfer->response, bytes, size * count) == 0 ? size * count : 0;
}

/* Names and values that could end a header line early would let a value forge the next one. */
static bool is_header_text(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    }
    return true;
}

static int append_header(transfer_t *transfer, const char *line)
{
    struct curl_slist *longer = curl_slist_append(transfer->headers, line);
    if (!longer)
        return -1;
    transfer->headers = longer;
    return 0;
}

static int add_header(transfer_t *transfer, const http_header_t *header, fault_t *fault)
{
    if (!is_header_text(header->name) || !is_header_text(header->value))
        return fault_set(fault, "header %.60s holds a control character", header->name);
    /* libcurl's spelling of a header with an empty value; "X:" would take X away instead. */
    const char *joint = *header->value ? ": " : ";";
    char *line;
    if (asprintf(&line, "%s%s%s", header->name, joint, header->value) < 0)
        return fault_set(fault, "out of memory");
    int result = append_header(transfer, line);
    free(line);
    return result == 0 ? 0 : fault_set(fault, "out of memory");
}

static bool names_header(const http_request_t *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcasecmp(request->headers[i].name, name) == 0)
            return true;
    }
    return false;
}

/* The request's headers, and none of those that libcurl adds by itself. */
static int add_headers(transfer_t *transfer, const http_request_t *request, fault_t *fault)
{
    static const char *const unwanted[] = {"Accept", "Expect", "Content-Type"};
    for (size_t i = 0; i < sizeof(unwanted) / sizeof(*unwanted); i++) {
        char line[32];
        (void)snprintf(line, sizeof(line), "%s:", unwanted[i]);
        if (!names_header(request, unwanted[i]) && append_header(transfer, line) != 0)
            return fault_set(fault, "out of memory");
    }
    for (size_t i = 0; i < request->header_count; i++) {
        if (add_header(transfer, &request->headers[i], fault) != 0)
            return -1;
    }
    return 0;
}

/* What is the same for every request of this client. */
static void set_policy(const http_client_t *self, CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* Without it, a look-up that outlives the time-out is waited for: the loop would stop. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, USER_AGENT);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, self->options.connect_timeout_ms);
}

/* What certificates are verified by, and for how long what they vouched for is used. */
static void set_trust(http_client_t *self, CURL *easy)
{
    int64_t now_ms = clock_now_ms();
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (self->trust.is_named) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, self->trust.file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
        curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, self->trust.file);
        curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, NULL);
    }
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, http_trust_seconds(&self->trust, now_ms));
    long seconds = http_trust_connection_seconds(&self->trust, now_ms);
    curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, seconds);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, seconds == 0 ? 1L : 0L);
    /* A session that is resumed is not verified again. */
    curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
}

/* Both are always set: libcurl reads the environment for one that is not. */
static void set_proxy(const http_client_t *self, CURL *easy, const http_request_t *request)
{
    const char *proxy = request->is_direct ? "" : http_proxy_for(&self->proxy, request->url);
    curl_easy_setopt(easy, CURLOPT_PROXY, proxy);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, self->proxy.none);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

static void set_method(transfer_t *transfer, const http_request_t *request)
{
    CURL *easy = transfer->easy;
    transfer->bodiless = strcmp(request->method, "HEAD") == 0;
    if (transfer->bodiless) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (strcmp(request->method, "GET") == 0) {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    } else {
        const void *body = request->body_bytes ? request->body : "";
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_bytes);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    }
}

static int prepare(http_client_t *self, transfer_t *transfer, const http_request_t *request,
                   fault_t *fault)
{
    if (transfer->easy)
        curl_easy_reset(transfer->easy);
    else
        transfer->easy = curl_easy_init();
    if (!transfer->easy)
        return fault_set(fault, "out of memory");
    if (add_headers(transfer, request, fault) != 0)
        return -1;
    CURL *easy = transfer->easy;
    set_policy(self, easy);
    set_trust(self, easy);
    set_proxy(self, easy, request);
    set_method(transfer, request);
    transfer->error_text[0] = '\0';
    transfer->response.tag = request->tag;
    transfer->response.max_body_bytes =
        request->max_response_bytes ? request->max_response_bytes : HTTP_RESPONSE_BODY_BYTES;
    long timeout_ms = request->timeout_ms ? request->timeout_ms : self->options.timeout_ms;
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error_text);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    if (curl_easy_setopt(easy, CURLOPT_URL, request->url) != CURLE_OK)
        return fault_set(fault, "out of memory");
    return 0;
}

static bool is_http_url(const char *url)
{
    return strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
}

static transfer_t *find_transfer(http_client_t *self, transfer_state_t state)
{
    for (size_t i = 0; i < self->options.max_in_flight; i++) {
        if (self->transfers[i].state == state)
            return &self->transfers[i];
    }
    return NULL;
}

int http_client_submit(http_client_t *self, const http_request_t *request, fault_t *fault)
{
    transfer_t *transfer = find_transfer(self, TRANSFER_IDLE);
    if (!transfer)
        return fault_set(fault, "%zu requests are in flight already", self->used);
    if (!is_http_url(request->url) || !is_header_text(request->url))
        return fault_set(fault, "not an http or https URL");
    if (prepare(self, transfer, request, fault) != 0) {
        release(self, transfer);
        return -1;
    }
    CURLMcode code = curl_multi_add_handle(self->multi, transfer->easy);
    if (code != CURLM_OK) {
        release(self, transfer);
        return fault_set(fault, "%s", curl_multi_strerror(code));
    }
    transfer->state = TRANSFER_BUSY;
    self->used++;
    return 0;
}

static http_error_t classify(CURLcode code, const http_response_t *response)
{
    switch (code) {
    case CURLE_OK:
        return HTTP_ERROR_NONE;
    case CURLE_COULDNT_RESOLVE_HOST:
        return HTTP_ERROR_RESOLVE;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY:
        return HTTP_ERROR_PROXY;
    case CURLE_COULDNT_CONNECT:
        return HTTP_ERROR_CONNECT;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_ERROR_TIMEOUT;
    case CURLE_PARTIAL_FILE:
        return HTTP_ERROR_TRUNCATED;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
        return response->header_ended ? HTTP_ERROR_TRUNCATED : HTTP_ERROR_RESET;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return HTTP_ERROR_TLS;
    default:
        return response->over_limit ? HTTP_ERROR_TOO_LARGE : HTTP_ERROR_PROTOCOL;
    }
}

/* Whether the end of the answer was marked, not just guessed from the end of the connection. */
static bool end_is_known(const transfer_t *transfer)
{
    const http_response_t *response = &transfer->response;
    if (!response->header_ended)
        return false;
    if (transfer->bodiless || response->status == 204 || response->status == 304)
        return true;
    const char *encoding = http_response_header(response, "Transfer-Encoding");
    if (encoding)
        return strcasestr(encoding, "chunked") != NULL;
    return http_response_header(response, "Content-Length") != NULL;
}

/* The status of a proxy that did not connect; 0 when none refused. */
static long refused_by_proxy(CURL *easy, CURLcode code)
{
    long status = 0;
    if (code == CURLE_OK)
        return 0;
    curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &status);
    return status / 100 == 2 ? 0 : status;
}

/* Reads what libcurl knows of an ended transfer, and takes it out of the multi handle. */
static void end_transfer(http_client_t *self, transfer_t *transfer, CURLcode code)
{
    http_response_t *response = &transfer->response;
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(self->multi, transfer->easy);
    response->status = (int)status;
    response->error = classify(code, response);
    long refused = refused_by_proxy(transfer->easy, code);
    if (refused) {
        response->error = HTTP_ERROR_PROXY;
        fault_set(&response->reason, "the proxy answers %ld instead of connecting", refused);
    } else if (response->error == HTTP_ERROR_NONE && !end_is_known(transfer)) {
        response->error = HTTP_ERROR_TRUNCATED;
        fault_set(&response->reason, "the answer ends with the connection, not with its length");
    } else if (response->over_limit) {
        fault_set(&response->reason, "the answer is over %zu bytes, or its headers over %u",
                  response->max_body_bytes, HTTP_RESPONSE_HEADER_BYTES);
    } else if (response->error != HTTP_ERROR_NONE) {
        fault_set(&response->reason, "%s",
                  *transfer->error_text ? transfer->error_text : curl_easy_strerror(code));
    }
    transfer->state = TRANSFER_DONE;
    self->done++;
}

void http_client_perform(http_client_t *self)
{
    int running = 0;
    curl_multi_perform(self->multi, &running);
    int left = 0;
    const CURLMsg *message;
    while ((message = curl_multi_info_read(self->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        transfer_t *transfer = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
        end_transfer(self, transfer, message->data.result);
    }
}

int http_client_take(http_client_t *self, http_response_t *response)
{
    if (self->done == 0)
        return 0;
    transfer_t *transfer = find_transfer(self, TRANSFER_DONE);
    assert(transfer);
    *response = transfer->response;
    transfer->response = (http_response_t){0};
    release(self, transfer);
    return 1;
}

void http_client_wait(http_client_t *self, struct pollfd *extra, size_t count, int timeout_ms)
{
    assert(count <= HTTP_CLIENT_WAIT_FDS);
    struct curl_waitfd fds[HTTP_CLIENT_WAIT_FDS];
    for (size_t i = 0; i < count; i++) {
        short events = 0;
        if (extra[i].events & POLLIN)
            events |= CURL_WAIT_POLLIN;
        if (extra[i].events & POLLOUT)
            events |= CURL_WAIT_POLLOUT;
        fds[i] = (struct curl_waitfd){.fd = extra[i].fd, .events = events};
    }
    curl_multi_poll(self->multi, fds, (unsigned int)count, self->done ? 0 : timeout_ms, NULL);
    for (size_t i = 0; i < count; i++) {
        extra[i].revents = 0;
        if (fds[i].revents & CURL_WAIT_POLLIN)
            extra[i].revents |= POLLIN;
        if (fds[i].revents & CURL_WAIT_POLLOUT)
            extra[i].revents |= POLLOUT;
    }
}
