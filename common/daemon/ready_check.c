#include "common/daemon/ready_check.h"

#include "common/http/http_client.h"

#include <stdio.h>
#include <string.h>

#define URL_BYTES 256

static void wait_for_answer(http_client_t *client, http_response_t *response)
{
    for (;;) {
        http_client_perform(client);
        if (http_client_take(client, response))
            return;
        http_client_wait(client, NULL, 0, READY_CHECK_MS);
    }
}

/* The page has a line for each reason; a fault is one line. */
static int tell_reasons(const buffer_t *page, fault_t *fault)
{
    char text[FAULT_TEXT_BYTES] = "";
    size_t used = 0;
    const char *at = page->bytes, *end = at + page->length;
    while (at < end && used < sizeof(text)) {
        size_t length = strcspn(at, "\n");
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%.*s", used ? "; " : "",
                                 (int)length, at);
        at += length + 1;
    }
    return fault_set(fault, "%s", text);
}

static int judge(const http_response_t *response, fault_t *fault)
{
    if (response->error != HTTP_ERROR_NONE)
        return fault_set(fault, "%s", response->reason.text);
    if (response->status == 200)
        return 0;
    if (response->status == 503 && response->body.length)
        return tell_reasons(&response->body, fault);
    return fault_set(fault, "/readyz answered %d", response->status);
}

int ready_check(const char *admin_listen, fault_t *fault)
{
    if (strcmp(admin_listen, "off") == 0)
        return fault_set(fault, "it cannot be asked: its admin address is off");
    http_client_t *client = http_client_new(NULL, fault);
    if (!client)
        return -1;
    char url[URL_BYTES];
    snprintf(url, sizeof(url), "http://%s/readyz", admin_listen);
    http_request_t request = {.method = "GET", .url = url, .timeout_ms = READY_CHECK_MS};
    http_response_t response = {0};
    int result = http_client_submit(client, &request, fault);
    if (result == 0) {
        wait_for_answer(client, &response);
        result = judge(&response, fault);
    }
    http_response_free(&response);
    http_client_destroy(&client);
    return result;
}
