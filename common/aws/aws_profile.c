#include "common/aws/aws_profile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buffer.h"

/* What has been found of the profile so far. */
typedef struct {
    const char *name;
    aws_key_set_t keys;
    const char *unsupported; /* the entry that asks for another kind of source */
} profile_t;

typedef struct {
    const char *entry;
    size_t offset; /* in aws_key_set_t */
    size_t capacity;
} key_entry_t;

static const key_entry_t key_entries[] = {
    {"aws_access_key_id", offsetof(aws_key_set_t, access_key_id), AWS_KEY_ID_BYTES},
    {"aws_secret_access_key", offsetof(aws_key_set_t, secret_access_key), AWS_SECRET_KEY_BYTES},
    {"aws_session_token", offsetof(aws_key_set_t, session_token), AWS_SESSION_TOKEN_BYTES},
};

static const char *const unsupported_entries[] = {
    "role_arn",    "source_profile", "credential_process",
    "sso_session", "sso_start_url",  "login_session",
};

static int read_all(int fd, const char *path, buffer_t *text, fault_t *fault)
{
    for (;;) {
        char part[4096];
        ssize_t got = read(fd, part, sizeof(part));
        if (got < 0)
            return fault_set_errno(fault, errno, "%.150s", path);
        if (got == 0)
            return 0;
        if (text->length + (size_t)got > AWS_PROFILE_FILE_BYTES)
            return fault_set(fault, "%.150s is over %u bytes", path, AWS_PROFILE_FILE_BYTES);
        if (buffer_append(text, part, (size_t)got) != 0)
            return fault_set(fault, "out of memory");
    }
}

/* A file that is not there is empty, and so is one in a home that is not ours to read. */
static int load(const char *path, buffer_t *text, fault_t *fault)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES
                   ? 0
                   : fault_set_errno(fault, errno, "%.150s", path);
    int result = read_all(fd, path, text, fault);
    close(fd);
    return result;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts the blanks off both ends, in place. */
static char *trim(char *text)
{
    while (is_blank(*text))
        text++;
    size_t bytes = strlen(text);
    while (bytes > 0 && is_blank(text[bytes - 1]))
        text[--bytes] = '\0';
    return text;
}

/* A comment starts at the line's start, or behind a blank. */
static void cut_comment(char *line)
{
    for (char *at = line; *at; at++) {
        if ((*at == '#' || *at == ';') && (at == line || is_blank(at[-1]))) {
            *at = '\0';
            return;
        }
    }
}

/* Whether "[...]" names the profile: "[x]", and in the config file "[profile x]" but for default.
 */
static bool opens_profile(char *line, const char *name, bool is_config)
{
    line[strcspn(line, "]")] = '\0';
    char *title = trim(line + 1);
    bool prefixed = strncmp(title, "profile", 7) == 0 && is_blank(title[7]);
    if (!is_config)
        return strcmp(title, name) == 0;
    if (prefixed)
        return strcmp(trim(title + 7), name) == 0;
    return strcmp(name, "default") == 0 && strcmp(title, name) == 0;
}

static int take_entry(profile_t *profile, const char *entry, const char *value, fault_t *fault)
{
    for (size_t i = 0; i < sizeof(unsupported_entries) / sizeof(*unsupported_entries); i++) {
        if (strcmp(entry, unsupported_entries[i]) == 0)
            profile->unsupported = unsupported_entries[i];
    }
    for (size_t i = 0; i < sizeof(key_entries) / sizeof(*key_entries); i++) {
        if (strcmp(entry, key_entries[i].entry) != 0)
            continue;
        if (strlen(value) >= key_entries[i].capacity)
            return fault_set(fault, "%s of AWS profile '%.60s' is too long", entry, profile->name);
        memcpy((char *)&profile->keys + key_entries[i].offset, value, strlen(value) + 1);
    }
    return 0;
}

/* Takes the profile's entries out of one file's text.  Indented lines belong to nested settings,
 * which hold no keys. */
static int scan(profile_t *profile, char *text, bool is_config, fault_t *fault)
{
    bool inside = false;
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
        cut_comment(line);
        char *equals = strchr(line, '=');
        if (line[0] == '[') {
            inside = opens_profile(line, profile->name, is_config);
        } else if (inside && equals && !is_blank(line[0])) {
            *equals = '\0';
            if (take_entry(profile, trim(line), trim(equals + 1), fault) != 0)
                return -1;
        }
    }
    return 0;
}

/* The file a setting names, else the usual one in the home directory; "" when there is no home. */
static void find_path(const char *named, const char *usual, char path[PATH_MAX])
{
    const char *home = getenv("HOME");
    path[0] = '\0';
    if (named)
        snprintf(path, PATH_MAX, "%s", named);
    else if (home && *home)
        snprintf(path, PATH_MAX, "%s/.aws/%s", home, usual);
}

static int scan_file(profile_t *profile, const char *path, bool is_config, fault_t *fault)
{
    if (!*path)
        return 0;
    buffer_t text = {0};
    int result = load(path, &text, fault);
    if (result == 0 && text.length > 0)
        result = scan(profile, text.bytes, is_config, fault);
    buffer_free(&text);
    return result;
}

int aws_profile_read(const aws_credential_settings_t *settings, aws_key_set_t *keys, fault_t *fault)
{
    profile_t profile = {.name = settings->profile ? settings->profile : "default"};
    char path[PATH_MAX];
    find_path(settings->config_file, "config", path);
    if (scan_file(&profile, path, true, fault) != 0)
        return -1;
    find_path(settings->shared_credentials_file, "credentials", path);
    if (scan_file(&profile, path, false, fault) != 0)
        return -1;
    if (profile.unsupported)
        return fault_set(fault, "AWS profile '%.60s' uses %s, which is not supported: give it keys",
                         profile.name, profile.unsupported);
    bool has_id = *profile.keys.access_key_id;
    bool has_secret = *profile.keys.secret_access_key;
    if (!has_id && !has_secret && !settings->profile)
        return 0;
    if (!has_id || !has_secret)
        return fault_set(fault, "AWS profile '%.60s' has no keys in %.150s", profile.name,
                         *path ? path : "~/.aws/credentials");
    *keys = profile.keys;
    return 1;
}
