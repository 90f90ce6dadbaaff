/* aws_settings: what a daemon that calls AWS can be told, under the names of the AWS SDKs.
 *
 * The names and their meaning are those of the "AWS SDKs and Tools Reference Guide"
 * (https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html).  Plain data, owned by
 * common/daemon/settings; a member that is not set is NULL. */
#ifndef POSTCALL_COMMON_AWS_AWS_SETTINGS_H
#define POSTCALL_COMMON_AWS_AWS_SETTINGS_H

#include <stdbool.h>

#include "common/base/fault.h"
#include "common/http/http_proxy.h"

/* Where keys may come from, in the order in which common/aws/aws_credentials looks. */
typedef struct {
    char *access_key_id;
    char *secret_access_key;
    char *session_token;
    char *profile;
    char *shared_credentials_file;
    char *config_file;
    char *web_identity_token_file;
    char *role_arn;
    char *role_session_name;
    char *container_relative_uri;
    char *container_full_uri;
    char *container_token;
    char *container_token_file;
    bool is_metadata_disabled;
    char *metadata_endpoint;
    char *metadata_endpoint_mode;
} aws_credential_settings_t;

/* Proxies, under the names of curl's environment variables in capitals, or in small letters. */
typedef struct {
    char *https;
    char *http;
    char *all;
    char *none;
} aws_proxy_settings_t;

typedef struct {
    char *region;
    char *default_region;
    bool use_fips;
    bool use_dual_stack;
    char *endpoint_url;         /* for every service */
    char *service_endpoint_url; /* for the daemon's own */
    char *sts_endpoint_url;
    char *ca_bundle;
    char *ssl_cert_file;
    aws_proxy_settings_t proxy;
    aws_proxy_settings_t proxy_small; /* counts more, as in curl */
    aws_credential_settings_t credentials;
} aws_settings_t;

/* Whether the settings name a region, an address and keys for `service` ("kinesis", "s3" or
 * "dynamodb"); files that they name are read, nothing is asked over the network.  0, or -1 naming
 * the setting that is missing or wrong. */
int aws_settings_check(const aws_settings_t *settings, const char *service, fault_t *fault);

/* The file of certificates to trust, or NULL for the system's. */
const char *aws_settings_ca_file(const aws_settings_t *settings);

/* The proxies that count, borrowed from the settings. */
http_proxy_options_t aws_settings_proxy(const aws_settings_t *settings);

/* 0 when `text` is IPv4 or IPv6, in either case as the SDKs take it. */
int aws_settings_check_mode(const char *text, fault_t *fault);

/* clang-format off */
#define AWS_PROXY_ROWS_(structure, member)                                                         \
    {.name = "HTTPS_PROXY", SETTING_SECRET(structure, member.proxy.https),                         \
     .check = http_proxy_check,                                                                    \
     .help = "The proxy to AWS over https: [http://][USER:PASSWORD@]HOST:PORT, also with "         \
             "https, socks4, socks4a, socks5 or socks5h."},                                        \
    {.name = "HTTP_PROXY", SETTING_SECRET(structure, member.proxy.http),                           \
     .check = http_proxy_check, .help = "The proxy to endpoint URLs that begin with http:."},      \
    {.name = "ALL_PROXY", SETTING_SECRET(structure, member.proxy.all), .check = http_proxy_check,  \
     .help = "The proxy where neither of these is set."},                                          \
    {.name = "NO_PROXY", SETTING_TEXT(structure, member.proxy.none),                               \
     .help = "Hosts, domains, addresses and networks that are reached without a proxy, with "      \
             "commas between, or *; this machine and the services that give AWS keys to "          \
             "instances and containers always are."},                                              \
    {.name = "https_proxy", SETTING_SECRET(structure, member.proxy_small.https),                   \
     .check = http_proxy_check, .help = "As HTTPS_PROXY, and counts more."},                       \
    {.name = "http_proxy", SETTING_SECRET(structure, member.proxy_small.http),                     \
     .check = http_proxy_check, .help = "As HTTP_PROXY, and counts more."},                        \
    {.name = "all_proxy", SETTING_SECRET(structure, member.proxy_small.all),                       \
     .check = http_proxy_check, .help = "As ALL_PROXY, and counts more."},                         \
    {.name = "no_proxy", SETTING_TEXT(structure, member.proxy_small.none),                         \
     .help = "As NO_PROXY, and counts more."},
/* clang-format on */

/* The rows for aws_settings_t, to stand in a daemon's table of settings; `service` is the
 * upper-case end of AWS_ENDPOINT_URL_<SERVICE>. */
/* clang-format off */
#define AWS_SETTINGS_ROWS(service, structure, member)                                              \
    {.name = "AWS_REGION", SETTING_TEXT(structure, member.region),                                 \
     .help = "The AWS region, such as eu-central-1."},                                             \
    {.name = "AWS_DEFAULT_REGION", SETTING_TEXT(structure, member.default_region),                 \
     .help = "The region where AWS_REGION is not set."},                                           \
    {.name = "AWS_USE_FIPS_ENDPOINT", SETTING_BOOL(structure, member.use_fips),                    \
     .fallback = "false", .help = "Whether AWS's addresses with FIPS 140 cryptography are used."}, \
    {.name = "AWS_USE_DUALSTACK_ENDPOINT", SETTING_BOOL(structure, member.use_dual_stack),         \
     .fallback = "false", .help = "Whether AWS's addresses that have IPv6, too, are used."},       \
    {.name = "AWS_ENDPOINT_URL", SETTING_TEXT(structure, member.endpoint_url),                     \
     .help = "URL that takes the place of every AWS service."},                                    \
    {.name = "AWS_ENDPOINT_URL_" service, SETTING_TEXT(structure, member.service_endpoint_url),    \
     .help = "URL that takes the place of this AWS service."},                                     \
    {.name = "AWS_ENDPOINT_URL_STS", SETTING_TEXT(structure, member.sts_endpoint_url),             \
     .help = "URL that takes the place of AWS STS, which gives keys for a web identity."},         \
    {.name = "AWS_CA_BUNDLE", SETTING_TEXT(structure, member.ca_bundle),                           \
     .help = "PEM file of the certificates to trust instead of the system's; read again when it "  \
             "changes."},                                                                          \
    {.name = "SSL_CERT_FILE", SETTING_TEXT(structure, member.ssl_cert_file),                       \
     .help = "The same file where AWS_CA_BUNDLE is not set, under OpenSSL's name for it."},        \
    AWS_PROXY_ROWS_(structure, member)                                                             \
    {.name = "AWS_ACCESS_KEY_ID", SETTING_TEXT(structure, member.credentials.access_key_id),       \
     .help = "The access key, where keys are given directly."},                                    \
    {.name = "AWS_SECRET_ACCESS_KEY",                                                              \
     SETTING_SECRET(structure, member.credentials.secret_access_key),                              \
     .help = "The secret of the access key."},                                                     \
    {.name = "AWS_SESSION_TOKEN", SETTING_SECRET(structure, member.credentials.session_token),     \
     .help = "The token of temporary keys."},                                                      \
    {.name = "AWS_PROFILE", SETTING_TEXT(structure, member.credentials.profile),                   \
     .fallback_words = "default", .help = "The profile whose keys are read from the AWS files."},  \
    {.name = "AWS_SHARED_CREDENTIALS_FILE",                                                        \
     SETTING_TEXT(structure, member.credentials.shared_credentials_file),                          \
     .fallback_words = "~/.aws/credentials", .help = "The file of profiles with their keys."},     \
    {.name = "AWS_CONFIG_FILE", SETTING_TEXT(structure, member.credentials.config_file),           \
     .fallback_words = "~/.aws/config", .help = "The file of profiles."},                          \
    {.name = "AWS_WEB_IDENTITY_TOKEN_FILE",                                                        \
     SETTING_TEXT(structure, member.credentials.web_identity_token_file),                          \
     .help = "The token that STS exchanges for keys (EKS sets it)."},                              \
    {.name = "AWS_ROLE_ARN", SETTING_TEXT(structure, member.credentials.role_arn),                 \
     .help = "The role that the token asks for."},                                                 \
    {.name = "AWS_ROLE_SESSION_NAME",                                                              \
     SETTING_TEXT(structure, member.credentials.role_session_name),                                \
     .fallback_words = "postcall", .help = "The name of the session in AWS's records."},           \
    {.name = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",                                             \
     SETTING_TEXT(structure, member.credentials.container_relative_uri),                           \
     .help = "Where on 169.254.170.2 a container gets its keys (ECS sets it)."},                   \
    {.name = "AWS_CONTAINER_CREDENTIALS_FULL_URI",                                                 \
     SETTING_TEXT(structure, member.credentials.container_full_uri),                               \
     .help = "The whole URL where a container gets its keys (EKS sets it)."},                      \
    /* Text and not secret: AWS's own NAME_FILE must be read again for each request. */            \
    {.name = "AWS_CONTAINER_AUTHORIZATION_TOKEN",                                                  \
     SETTING_TEXT(structure, member.credentials.container_token),                                  \
     .help = "The Authorization header for either of these."},                                     \
    {.name = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",                                             \
     SETTING_TEXT(structure, member.credentials.container_token_file),                             \
     .help = "A file with that header; it counts more than the header given directly."},           \
    {.name = "AWS_EC2_METADATA_DISABLED",                                                          \
     SETTING_BOOL(structure, member.credentials.is_metadata_disabled), .fallback = "false",        \
     .help = "Whether the keys of the EC2 instance are left alone."},                              \
    {.name = "AWS_EC2_METADATA_SERVICE_ENDPOINT",                                                  \
     SETTING_TEXT(structure, member.credentials.metadata_endpoint),                                \
     .fallback_words = "http://169.254.169.254", .help = "Where the EC2 instance gives keys."},    \
    {.name = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",                                             \
     SETTING_TEXT(structure, member.credentials.metadata_endpoint_mode),                           \
     .check = aws_settings_check_mode, .fallback_words = "IPv4",                                   \
     .help = "IPv6 for instances that have no IPv4 address."}
/* clang-format on */

#endif
