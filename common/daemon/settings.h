/* settings: a daemon's configuration, from environment variables into its own plain struct.
 *
 * A daemon describes each setting in one row of a table; reading, checking, --help and
 * --check-config all follow from the row.  A variable that is set but empty counts as not set
 * (compose and systemd pass them so).  A bad value or an unknown variable with the daemon's prefix
 * is a fault of one line that names the setting and says what would be right.  Secrets are never
 * printed.
 *
 * Nothing here is kept between calls, nothing exits; one thread at a time per struct. */
#ifndef POSTCALL_COMMON_DAEMON_SETTINGS_H
#define POSTCALL_COMMON_DAEMON_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base/fault.h"
#include "common/base/log.h"

/* A secret file is at most this long. */
#define SETTINGS_SECRET_BYTES_MAX 65536

/* Items of a list setting, in order. */
typedef struct {
    char **items; /* owned; NULL when empty */
    size_t count;
} settings_list_t;

typedef enum {
    SETTING_TYPE_TEXT,      /* char *: NULL when not set */
    SETTING_TYPE_BOOL,      /* bool: true or false */
    SETTING_TYPE_INTEGER,   /* int64_t: whole number in decimal, within min and max */
    SETTING_TYPE_BYTES,     /* int64_t: as integer, or with KiB, MiB or GiB behind it */
    SETTING_TYPE_LIST,      /* settings_list_t: comma-separated, no empty items */
    SETTING_TYPE_CHOICE,    /* int or enum: index into `choices` */
    SETTING_TYPE_SECRET,    /* char *: NULL when not set; NAME_FILE names a file to read it from */
    SETTING_TYPE_ADDRESS,   /* char *: one ZeroMQ endpoint */
    SETTING_TYPE_ADDRESSES, /* settings_list_t: ZeroMQ endpoints */
} setting_type_t;

enum {
    SETTING_REQUIRED = 1,   /* there is no default that could do */
    SETTING_RELOADABLE = 2, /* settings_reload reads it again */
};

/* One setting. */
typedef struct {
    const char *name;     /* of the environment variable */
    setting_type_t type;  /* by one of the macros below, with offset */
    size_t offset;        /* of the member in the daemon's struct */
    const char *fallback; /* what counts when nothing is set; NULL: the member stays empty or 0 */
    const char *fallback_words; /* for --help, where the default is worked out later; may be NULL */
    const char *help;           /* one sentence */
    int64_t min, max; /* of integer and bytes, both included; max 0 means no limit above */
    const char *const *choices; /* of choice: names, then NULL */
    /* A further rule for the text, each item of a list; may be NULL.  0, or -1 and a fault that
     * says what would be right. */
    int (*check)(const char *text, fault_t *fault);
    unsigned flags;
} setting_t;

/* Type and offset of a row.  A member of another type does not compile. */
#define SETTING_TEXT(structure, member)    SETTING_AT_(TEXT, structure, member, char *)
#define SETTING_BOOL(structure, member)    SETTING_AT_(BOOL, structure, member, bool)
#define SETTING_INTEGER(structure, member) SETTING_AT_(INTEGER, structure, member, int64_t)
#define SETTING_BYTES(structure, member)   SETTING_AT_(BYTES, structure, member, int64_t)
#define SETTING_LIST(structure, member)    SETTING_AT_(LIST, structure, member, settings_list_t)
#define SETTING_SECRET(structure, member)  SETTING_AT_(SECRET, structure, member, char *)
#define SETTING_ADDRESS(structure, member) SETTING_AT_(ADDRESS, structure, member, char *)
#define SETTING_ADDRESSES(structure, member)                                                       \
    SETTING_AT_(ADDRESSES, structure, member, settings_list_t)
#define SETTING_CHOICE(structure, member)                                                          \
    .type = SETTING_TYPE_CHOICE,                                                                   \
    .offset =                                                                                      \
        offsetof(structure, member) + _Generic(((structure *)0)->member, int : 0, unsigned : 0)
#define SETTING_AT_(kind, structure, member, c_type)                                               \
    .type = SETTING_TYPE_##kind,                                                                   \
    .offset = offsetof(structure, member) + _Generic(((structure *)0)->member, c_type : 0)

/* What every daemon can be told; a member of the daemon's struct. */
typedef struct {
    log_level_t log_level;
    log_format_t log_format;
    char *admin_listen; /* host:port, or "off" */
    char *curve_dir;    /* NULL: no encryption between daemons */
    bool trust_network;
} settings_shared_t;

extern const char *const settings_log_levels[];
extern const char *const settings_log_formats[];

/* 0 when `text` is `off` or a listen address (common/base/address.h). */
int settings_check_admin_listen(const char *text, fault_t *fault);

/* The rows for settings_shared_t, to stand in a daemon's table. */
/* clang-format off */
#define SETTINGS_SHARED_ROWS(prefix, admin_fallback, structure, member)                            \
    {.name = "LOG_LEVEL", SETTING_CHOICE(structure, member.log_level),                             \
     .choices = settings_log_levels, .fallback = "info",                                           \
     .help = "The least urgent lines that are logged."},                                           \
    {.name = "LOG_FORMAT", SETTING_CHOICE(structure, member.log_format),                           \
     .choices = settings_log_formats, .fallback = "logfmt",                                        \
     .help = "How a log line is written."},                                                        \
    {.name = prefix "_ADMIN_LISTEN", SETTING_TEXT(structure, member.admin_listen),                 \
     .check = settings_check_admin_listen, .fallback = admin_fallback,                             \
     .help = "Where /metrics, /healthz and /readyz are served: IP:PORT, or off."},                 \
    {.name = "POSTCALL_CURVE_DIR", SETTING_TEXT(structure, member.curve_dir),                      \
     .help = "Directory of CURVE keys, made by postcall-keys: what the daemons say to each other " \
             "is encrypted, and strangers are refused."},                                          \
    {.name = "POSTCALL_TRUST_NETWORK", SETTING_BOOL(structure, member.trust_network),              \
     .fallback = "false",                                                                          \
     .help = "Allows unencrypted ZeroMQ addresses beyond this machine; whoever reaches them can "  \
             "read every transcript."}
/* clang-format on */

/* Reads the environment (NULL-terminated NAME=value texts) into `into`, which need not be
 * initialised: every row's member is set, from the environment or from its default.  `prefix` is
 * the daemon's, without the underscore behind.  Beyond single values it refuses unknown variables
 * with the prefix, except what Kubernetes injects for services (*_SERVICE_HOST, *_SERVICE_PORT*,
 * *_PORT, *_PORT_<n>_*; https://kubernetes.io/docs/concepts/services-networking/service/), and
 * endpoints that settings_check_address refuses, by the table's own POSTCALL_CURVE_DIR and
 * POSTCALL_TRUST_NETWORK.  0, or -1 with a fault; then nothing is left to free. */
int settings_load(const setting_t *table, size_t count, const char *prefix,
                  char *const *environment, void *into, fault_t *fault);

/* The next variable (as NAME=value) that begins with POSTCALL_, as the settings of all daemons do,
 * and is none of the table: misspelt, or of whatever starts the daemons, so it is no fault.  NULL
 * after the last; `*at` counts on from 0. */
const char *settings_stray(const setting_t *table, size_t count, char *const *environment,
                           size_t *at);

/* Reads the rows flagged reloadable again (secret files, after SIGHUP) and replaces their members.
 * 0, or -1 with a fault; then every member keeps its old value. */
int settings_reload(const setting_t *table, size_t count, char *const *environment, void *into,
                    fault_t *fault);

/* Frees what the members own, wipes secrets, and leaves the members empty. */
void settings_free(const setting_t *table, size_t count, void *into);

/* 0 when a ZeroMQ endpoint may be used: it is well-formed, and local (ipc, inproc, 127.0.0.0/8,
 * ::1, localhost) or protected by CURVE or by the word of the operator.  Else -1 and a fault. */
int settings_check_address(const char *zmq_endpoint, bool curve, bool trust_network,
                           fault_t *fault);

/* An argument of a daemon's own, such as --migrate: given, it sets a bool in the struct. */
typedef struct {
    const char *name;
    const char *help;
    size_t offset;
} settings_option_t;

/* A daemon as its command line shows it. */
typedef struct {
    const char *name;    /* of the binary: postcall-ingress */
    const char *prefix;  /* INGRESS */
    const char *purpose; /* one sentence */
    const setting_t *table;
    size_t count;
    const settings_option_t *options; /* its own arguments; may be NULL */
    size_t option_count;
    /* Rules across settings; may be NULL.  0, or -1 and a fault. */
    int (*check)(const void *settings, fault_t *fault);
} settings_program_t;

typedef enum { SETTINGS_HELP_TEXT, SETTINGS_HELP_MARKDOWN, SETTINGS_HELP_MAN } settings_help_t;

/* Prints usage and the table: setting, default, meaning.  Markdown prints the table alone, for the
 * README and its test; man prints a whole page, for groff_man(7). */
void settings_help(FILE *out, const settings_program_t *program, settings_help_t form);

/* settings_command's answer when the daemon shall start. */
#define SETTINGS_START (-1)

/* The front of every main: reads arguments and environment into `into`.  --help (in each of its
 * forms) and --version print to standard output; --check-config says whether the settings would do;
 * --check-ready asks the daemon that runs with the same settings (common/daemon/ready_check.h);
 * what is wrong goes to standard error in one line.  Returns SETTINGS_START (settings_free is then
 * due), or the exit status: 0, 64 (EX_USAGE) for a wrong argument, 69 (EX_UNAVAILABLE) for a daemon
 * that is not ready, 78 (EX_CONFIG) for a wrong setting. */
int settings_command(int argc, char *const *argv, const settings_program_t *program, void *into);

#endif
