/* http_proxy: which proxy a request goes through.
 *
 * One proxy for https URLs, one for http, and a list of hosts that are reached without, as in
 * curl's environment variables (https://curl.se/libcurl/c/libcurl-env.html).  This machine
 * (localhost, 127.0.0.0/8, ::1) is always reached without, as by Go and Java: to a proxy these
 * names mean itself.  Safe from any thread while nobody closes it. */
#ifndef POSTCALL_COMMON_HTTP_HTTP_PROXY_H
#define POSTCALL_COMMON_HTTP_HTTP_PROXY_H

#include "common/base/fault.h"

#define HTTP_PROXY_URL_BYTES 2048

/* NULL: none. */
typedef struct {
    const char *https; /* [scheme://][user:password@]host[:port] */
    const char *http;
    const char *none; /* hosts, domains, addresses and networks with commas between, or "*" */
} http_proxy_options_t;

typedef struct {
    char *https, *http, *none; /* owned */
} http_proxy_t;

/* Copies the options.  0, or -1 when memory is out; http_proxy_close is due in any case. */
int http_proxy_open(http_proxy_t *self, const http_proxy_options_t *options, fault_t *fault);

/* Wipes the proxies, which may hold passwords, and frees them. */
void http_proxy_close(http_proxy_t *self);

/* The proxy for a URL, unless its host is one of self->none; "" for no proxy. */
const char *http_proxy_for(const http_proxy_t *self, const char *url);

/* 0 when `text` names a proxy that libcurl can use; else -1 and a fault, which does not repeat the
 * text: it may hold a password. */
int http_proxy_check(const char *text, fault_t *fault);

#endif
