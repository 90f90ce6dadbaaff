#include "common/http/http_proxy.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#define THIS_MACHINE "localhost,127.0.0.0/8,::1"

/* NULL stays NULL. */
static int copy(const char *text, char **out)
{
    if (!text)
        return 0;
    *out = strdup(text);
    return *out ? 0 : -1;
}

/* The list with this machine before it; libcurl takes "*" for all hosts only when it is alone. */
static int copy_none(const char *list, char **out)
{
    if (!list || strcmp(list, "*") == 0)
        return copy(list ? list : THIS_MACHINE, out);
    return asprintf(out, "%s,%s", THIS_MACHINE, list) < 0 ? -1 : 0;
}

int http_proxy_open(http_proxy_t *self, const http_proxy_options_t *options, fault_t *fault)
{
    *self = (http_proxy_t){0};
    if (copy(options->https, &self->https) != 0 || copy(options->http, &self->http) != 0 ||
        copy_none(options->none, &self->none) != 0)
        return fault_set(fault, "out of memory");
    return 0;
}

static void wipe(char **text)
{
    if (*text)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

void http_proxy_close(http_proxy_t *self)
{
    wipe(&self->https);
    wipe(&self->http);
    wipe(&self->none);
}

const char *http_proxy_for(const http_proxy_t *self, const char *url)
{
    const char *proxy = strncmp(url, "https:", 6) == 0 ? self->https : self->http;
    return proxy ? proxy : "";
}

static bool is_proxy_scheme(const char *scheme)
{
    static const char *const schemes[] = {"http",    "https",  "socks4",
                                          "socks4a", "socks5", "socks5h"};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
        if (strcmp(scheme, schemes[i]) == 0)
            return true;
    }
    return false;
}

static bool is_proxy(CURLU *url, const char *text)
{
    char whole[HTTP_PROXY_URL_BYTES];
    int bytes = snprintf(whole, sizeof(whole), "%s%s", strstr(text, "://") ? "" : "http://", text);
    char *scheme = NULL;
    bool good = bytes < (int)sizeof(whole) &&
                curl_url_set(url, CURLUPART_URL, whole, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
                curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                is_proxy_scheme(scheme);
    curl_free(scheme);
    explicit_bzero(whole, sizeof(whole));
    return good;
}

int http_proxy_check(const char *text, fault_t *fault)
{
    CURLU *url = curl_url();
    if (!url)
        return fault_set(fault, "out of memory");
    bool good = is_proxy(url, text);
    curl_url_cleanup(url);
    return good ? 0
                : fault_set(fault, "not a proxy: give http://HOST:PORT, or https, socks4, socks4a, "
                                   "socks5 or socks5h before the host");
}
