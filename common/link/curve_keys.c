#include "common/link/curve_keys.h"

#include "common/base/digest.h"
#include "common/base/file_io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#define KEY_ENDING ".pub"

/* A file that is longer than a key and a newline is none. */
#define FILE_BYTES (CURVE_TEXT_BYTES + 1)

/* The text of a key file.  0, or -1 with errno; EINVAL when it is no key. */
static int read_text(const char *path, char text[CURVE_TEXT_BYTES])
{
    char bytes[FILE_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe is not waited for */
    if (fd < 0)
        return -1;
    ssize_t length = file_read_at(fd, bytes, sizeof(bytes), 0);
    int error = errno;
    close(fd);
    if (length == CURVE_TEXT_BYTES && bytes[length - 1] == '\n')
        length--;
    bool fits = length == CURVE_TEXT_BYTES - 1 && !memchr(bytes, '\0', (size_t)length);
    if (fits) {
        memcpy(text, bytes, (size_t)length);
        text[length] = '\0';
    }
    explicit_bzero(bytes, sizeof(bytes));
    errno = length < 0 ? error : EINVAL;
    return fits ? 0 : -1;
}

static int decode(const char *text, uint8_t key[CURVE_KEY_BYTES])
{
    errno = EINVAL;
    return zmq_z85_decode(key, text) ? 0 : -1;
}

int curve_keys_read_pair(const char *directory, const char *name, curve_pair_t *out, fault_t *fault)
{
    char path[CURVE_PATH_BYTES], secret_text[CURVE_TEXT_BYTES], public_text[CURVE_TEXT_BYTES];
    curve_pair_t pair;
    snprintf(path, sizeof(path), "%s/%s.key", directory, name);
    int status = read_text(path, secret_text);
    if (status == 0 && (decode(secret_text, pair.secret_key) != 0 ||
                        zmq_curve_public(public_text, secret_text) != 0 ||
                        decode(public_text, pair.public_key) != 0))
        status = -1;
    if (status != 0)
        fault_set_errno(fault, errno, "cannot read a key from %s", path);
    else
        *out = pair;
    explicit_bzero(secret_text, sizeof(secret_text));
    explicit_bzero(&pair, sizeof(pair));
    return status;
}

static int is_key_file(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name), ending = strlen(KEY_ENDING);
    return entry->d_name[0] != '.' && length > ending &&
           strcmp(entry->d_name + length - ending, KEY_ENDING) == 0;
}

static void add_key(const char *path, curve_keys_t *keys)
{
    char text[CURVE_TEXT_BYTES];
    if (keys->count < CURVE_KEYS_MAX && read_text(path, text) == 0 &&
        decode(text, keys->keys[keys->count]) == 0)
        keys->count++;
    else
        keys->ignored++;
}

int curve_keys_read_public(const char *directory, const char *role, const char *name,
                           curve_keys_t *out, fault_t *fault)
{
    char path[CURVE_PATH_BYTES], file[CURVE_PATH_BYTES + NAME_MAX + 2];
    struct dirent **entries;
    snprintf(path, sizeof(path), "%s/%s/%s", directory, role, name);
    int count = scandir(path, &entries, is_key_file, alphasort);
    if (count < 0)
        return fault_set_errno(fault, errno, "cannot read the directory %s", path);
    out->count = out->ignored = 0;
    for (int i = 0; i < count; i++) {
        snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
        add_key(file, out);
        free(entries[i]);
    }
    free(entries);
    return 0;
}

void curve_fingerprint(const uint8_t public_key[CURVE_KEY_BYTES], char out[CURVE_FINGERPRINT_BYTES])
{
    uint8_t digest[DIGEST_BYTES];
    digest_sha256(public_key, CURVE_KEY_BYTES, digest);
    digest_hex(digest, (CURVE_FINGERPRINT_BYTES - 1) / 2, out);
}
