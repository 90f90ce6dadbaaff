#include "common/daemon/settings.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/address.h"
#include "common/daemon/setting_value.h"

#define NAME_BYTES 128

const char *const settings_log_levels[] = {"error", "warn", "info", "debug", NULL};
const char *const settings_log_formats[] = {"logfmt", "json", NULL};

int settings_check_admin_listen(const char *text, fault_t *fault)
{
    address_listen_t ignored;
    if (strcmp(text, "off") == 0 || address_parse_listen(text, &ignored, NULL) == 0)
        return 0;
    return fault_set(fault, "\"%.48s\": give IP:PORT, [IPv6]:PORT, or off", text);
}

int settings_check_address(const char *zmq_endpoint, bool curve, bool trust_network, fault_t *fault)
{
    if (address_check_endpoint(zmq_endpoint, fault))
        return -1;
    if (curve || trust_network || address_endpoint_is_local(zmq_endpoint))
        return 0;
    return fault_set(fault,
                     "%.64s can be reached from other machines: set POSTCALL_CURVE_DIR, or "
                     "POSTCALL_TRUST_NETWORK=true if nobody else can",
                     zmq_endpoint);
}

/* The value of `name`; NULL when it is not set or empty. */
static const char *look_up(char *const *environment, const char *name)
{
    size_t length = strlen(name);
    for (; *environment; environment++) {
        const char *entry = *environment;
        if (strncmp(entry, name, length) == 0 && entry[length] == '=')
            return entry[length + 1] ? entry + length + 1 : NULL;
    }
    return NULL;
}

static bool ends_with(const char *text, const char *ending)
{
    size_t length = strlen(text), tail = strlen(ending);
    return length >= tail && strcmp(text + length - tail, ending) == 0;
}

/* True when _PORT_ and a number follow each other, as in X_PORT_5611_TCP_ADDR. */
static bool has_numbered_port(const char *name)
{
    const char *port = strstr(name, "_PORT_");
    return port && isdigit((unsigned char)port[strlen("_PORT_")]);
}

static bool is_from_kubernetes(const char *name)
{
    return ends_with(name, "_SERVICE_HOST") || strstr(name, "_SERVICE_PORT") ||
           ends_with(name, "_PORT") || has_numbered_port(name);
}

static bool names_row(const setting_t *row, const char *name)
{
    size_t length = strlen(row->name);
    if (strncmp(name, row->name, length) != 0)
        return false;
    const char *rest = name + length;
    return !*rest || (row->type == SETTING_TYPE_SECRET && strcmp(rest, "_FILE") == 0);
}

static bool is_known(const setting_t *table, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (names_row(&table[i], name))
            return true;
    }
    return is_from_kubernetes(name);
}

/* The next entry whose name begins with `prefix` and an underscore and is no setting, or NULL. */
static const char *next_unknown(const setting_t *table, size_t count, const char *prefix,
                                char *const *environment, size_t *at)
{
    size_t length = strlen(prefix);
    while (environment[*at]) {
        const char *entry = environment[(*at)++];
        if (strncmp(entry, prefix, length) != 0 || entry[length] != '_')
            continue;
        char name[NAME_BYTES];
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(entry, "="), entry);
        if (!is_known(table, count, name))
            return entry;
    }
    return NULL;
}

static int refuse_unknown(const setting_t *table, size_t count, const char *prefix,
                          char *const *environment, fault_t *fault)
{
    size_t at = 0;
    const char *entry = next_unknown(table, count, prefix, environment, &at);
    return entry ? fault_set(fault, "%.*s is not a setting: --help lists those there are",
                             (int)strcspn(entry, "="), entry)
                 : 0;
}

const char *settings_stray(const setting_t *table, size_t count, char *const *environment,
                           size_t *at)
{
    return next_unknown(table, count, "POSTCALL", environment, at);
}

/* Drops one newline at the end, and a carriage return before it. */
static size_t without_newline(const char *text, size_t length)
{
    if (length && text[length - 1] == '\n')
        length--;
    if (length && text[length - 1] == '\r')
        length--;
    return length;
}

/* Reads a secret file into `text`, which holds SETTINGS_SECRET_BYTES_MAX and a NUL. */
static int read_secret_file(const char *name, const char *path, char *text, fault_t *fault)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return fault_set_errno(fault, errno, "%s: cannot open \"%.96s\"", name, path);
    setvbuf(file, NULL, _IONBF, 0);
    size_t length = fread(text, 1, SETTINGS_SECRET_BYTES_MAX + 1, file);
    int error = ferror(file) ? errno : 0;
    (void)fclose(file); /* was only read */
    if (error)
        return fault_set_errno(fault, error, "%s: cannot read \"%.96s\"", name, path);
    if (length > SETTINGS_SECRET_BYTES_MAX)
        return fault_set(fault, "%s: \"%.96s\" is longer than a secret may be (%d bytes)", name,
                         path, SETTINGS_SECRET_BYTES_MAX);
    length = without_newline(text, length);
    text[length] = '\0';
    if (length == 0 || strlen(text) != length)
        return fault_set(fault, "%s: \"%.96s\" is empty or holds a NUL byte", name, path);
    return 0;
}

static int load_secret_file(const setting_t *row, const char *path, void *into, fault_t *fault)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof(name), "%s_FILE", row->name);
    size_t size = SETTINGS_SECRET_BYTES_MAX + 2;
    char *text = malloc(size);
    if (!text)
        return fault_set(fault, "%s: out of memory", name);
    int result = read_secret_file(name, path, text, fault);
    if (result == 0)
        result = setting_value_read(row, text, into, fault);
    explicit_bzero(text, size);
    free(text);
    return result;
}

static const char *look_up_file(const setting_t *row, char *const *environment)
{
    char name[NAME_BYTES];
    if (row->type != SETTING_TYPE_SECRET)
        return NULL;
    snprintf(name, sizeof(name), "%s_FILE", row->name);
    return look_up(environment, name);
}

static int load_row(const setting_t *row, char *const *environment, void *into, fault_t *fault)
{
    const char *value = look_up(environment, row->name);
    const char *path = look_up_file(row, environment);
    if (value && path)
        return fault_set(fault, "%s and %s_FILE are both set: give one of them", row->name,
                         row->name);
    if (path)
        return load_secret_file(row, path, into, fault);
    if (!value)
        value = row->fallback;
    if (value)
        return setting_value_read(row, value, into, fault);
    if (row->flags & SETTING_REQUIRED)
        return fault_set(fault, "%s is not set: %s", row->name, row->help);
    return 0;
}

static const void *find_member(const setting_t *table, size_t count, const char *name,
                               const void *settings)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table[i].name, name) == 0)
            return (const char *)settings + table[i].offset;
    }
    return NULL;
}

/* The endpoints that a member holds, as a list that borrows them. */
static settings_list_t endpoints_of(const setting_t *row, void *settings)
{
    void *member = (char *)settings + row->offset;
    if (row->type == SETTING_TYPE_ADDRESSES)
        return *(settings_list_t *)member;
    if (row->type == SETTING_TYPE_ADDRESS && *(char **)member)
        return (settings_list_t){.items = member, .count = 1};
    return (settings_list_t){0};
}

static int refuse_open_endpoints(const setting_t *table, size_t count, void *settings,
                                 fault_t *fault)
{
    char *const *curve_dir = find_member(table, count, "POSTCALL_CURVE_DIR", settings);
    const bool *trust = find_member(table, count, "POSTCALL_TRUST_NETWORK", settings);
    for (size_t i = 0; i < count; i++) {
        settings_list_t endpoints = endpoints_of(&table[i], settings);
        for (size_t k = 0; k < endpoints.count; k++) {
            fault_t reason;
            if (settings_check_address(endpoints.items[k], curve_dir && *curve_dir, trust && *trust,
                                       &reason))
                return fault_set(fault, "%s: %s", table[i].name, reason.text);
        }
    }
    return 0;
}

static int load_all(const setting_t *table, size_t count, char *const *environment, void *into,
                    fault_t *fault)
{
    for (size_t i = 0; i < count; i++) {
        assert(strlen(table[i].name) < NAME_BYTES - strlen("_FILE"));
        if (load_row(&table[i], environment, into, fault))
            return -1;
    }
    return refuse_open_endpoints(table, count, into, fault);
}

int settings_load(const setting_t *table, size_t count, const char *prefix,
                  char *const *environment, void *into, fault_t *fault)
{
    for (size_t i = 0; i < count; i++)
        setting_value_clear(&table[i], into);
    if (refuse_unknown(table, count, prefix, environment, fault) ||
        load_all(table, count, environment, into, fault)) {
        settings_free(table, count, into);
        return -1;
    }
    return 0;
}

static size_t struct_size(const setting_t *table, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size_t end = table[i].offset + sizeof(settings_list_t);
        size = end > size ? end : size;
    }
    return size;
}

int settings_reload(const setting_t *table, size_t count, char *const *environment, void *into,
                    fault_t *fault)
{
    size_t bytes = struct_size(table, count);
    assert(bytes > 0);
    void *fresh = calloc(1, bytes);
    if (!fresh)
        return fault_set(fault, "out of memory");
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        if (table[i].flags & SETTING_RELOADABLE)
            result = load_row(&table[i], environment, fresh, fault);
    }
    for (size_t i = 0; i < count && result == 0; i++) {
        if (table[i].flags & SETTING_RELOADABLE)
            setting_value_move(&table[i], fresh, into);
    }
    settings_free(table, count, fresh);
    free(fresh);
    return result;
}

void settings_free(const setting_t *table, size_t count, void *into)
{
    for (size_t i = 0; i < count; i++)
        setting_value_free(&table[i], into);
}
