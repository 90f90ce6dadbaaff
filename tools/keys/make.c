#include "tools/keys/make.h"

#include "common/base/file_io.h"
#include "common/base/random.h"
#include "proto/endpoints.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#define DIRECTORY_MODE 0755
#define SECRET_MODE    0600
#define PUBLIC_MODE    0644

/* Members. */

static make_member_t *member_of(make_member_t *members, size_t *count, const char *name)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(members[i].name, name) == 0)
            return &members[i];
    }
    members[*count] = (make_member_t){.name = name};
    return &members[(*count)++];
}

size_t make_members(make_member_t members[MAKE_MEMBERS_MAX])
{
    size_t rows, count = 0;
    const endpoint_t *row = endpoint_rows(&rows);
    for (; rows > 0; rows--, row++) {
        member_of(members, &count, row->source)->source = true;
        member_of(members, &count, row->worker)->worker = true;
    }
    return count;
}

/* Files. */

static int make_directory(const char *path, fault_t *fault)
{
    if (mkdir(path, DIRECTORY_MODE) == 0 || errno == EEXIST)
        return 0;
    return fault_set_errno(fault, errno, "cannot make the directory %s", path);
}

/* Writes a key and a newline to a new file, synced. */
static int write_aside(const char *path, mode_t mode, const char *text)
{
    char line[CURVE_TEXT_BYTES + 1];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return -1;
    int length = snprintf(line, sizeof(line), "%s\n", text);
    int status = fchmod(fd, mode); /* whatever the umask */
    if (status == 0)
        status = file_write_at(fd, line, (size_t)length, 0);
    if (status == 0)
        status = fsync(fd);
    int error = errno;
    explicit_bzero(line, sizeof(line));
    close(fd);
    errno = error;
    return status;
}

/* The file appears whole or not at all, and never in place of another.  1: it was there; 0; -1. */
static int put(const char *path, mode_t mode, const char *text, fault_t *fault)
{
    char aside[CURVE_PATH_BYTES + 32];
    snprintf(aside, sizeof(aside), "%s.%016llx", path, (unsigned long long)random_bits());
    int status = write_aside(aside, mode, text);
    if (status == 0)
        status = link(aside, path);
    int error = errno;
    (void)unlink(aside); /* it may not be there */
    if (status == 0 || error == EEXIST)
        return status == 0 ? 0 : 1;
    return fault_set_errno(fault, error, "cannot write %s", path);
}

static int make_secret(const char *directory, const char *name, fault_t *fault)
{
    char path[CURVE_PATH_BYTES], public_text[CURVE_TEXT_BYTES], secret_text[CURVE_TEXT_BYTES];
    snprintf(path, sizeof(path), "%s/%s.key", directory, name);
    if (access(path, F_OK) == 0)
        return 1;
    if (zmq_curve_keypair(public_text, secret_text) != 0)
        return fault_set(fault, "this libzmq cannot encrypt");
    int status = put(path, SECRET_MODE, secret_text, fault);
    explicit_bzero(secret_text, sizeof(secret_text));
    return status;
}

static bool is_published(const curve_keys_t *keys, const curve_pair_t *pair)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (memcmp(keys->keys[i], pair->public_key, CURVE_KEY_BYTES) == 0)
            return true;
    }
    return false;
}

/* By its fingerprint, unless it is there under another name. */
static int publish(const char *directory, const char *role, const char *name,
                   const curve_pair_t *pair, fault_t *fault)
{
    char path[CURVE_PATH_BYTES], text[CURVE_TEXT_BYTES], fingerprint[CURVE_FINGERPRINT_BYTES];
    curve_keys_t keys;
    snprintf(path, sizeof(path), "%s/%s", directory, role);
    if (make_directory(path, fault) != 0)
        return -1;
    snprintf(path, sizeof(path), "%s/%s/%s", directory, role, name);
    if (make_directory(path, fault) != 0 ||
        curve_keys_read_public(directory, role, name, &keys, fault) != 0)
        return -1;
    if (is_published(&keys, pair))
        return 0;
    curve_fingerprint(pair->public_key, fingerprint);
    snprintf(path, sizeof(path), "%s/%s/%s/%s.pub", directory, role, name, fingerprint);
    (void)zmq_z85_encode(text, pair->public_key, CURVE_KEY_BYTES); /* any 32 bytes have a text */
    return put(path, PUBLIC_MODE, text, fault) < 0 ? -1 : 0;
}

int make_keys(const char *directory, const make_member_t *member, const char *name,
              make_result_t *result, fault_t *fault)
{
    curve_pair_t pair;
    if (make_directory(directory, fault) != 0)
        return -1;
    int was_there = make_secret(directory, name, fault);
    if (was_there < 0 || curve_keys_read_pair(directory, name, &pair, fault) != 0)
        return -1;
    int status = 0;
    if (member->source)
        status = publish(directory, CURVE_SOURCES, member->name, &pair, fault);
    if (status == 0 && member->worker)
        status = publish(directory, CURVE_WORKERS, member->name, &pair, fault);
    result->made = !was_there;
    curve_fingerprint(pair.public_key, result->fingerprint);
    explicit_bzero(&pair, sizeof(pair));
    return status;
}
