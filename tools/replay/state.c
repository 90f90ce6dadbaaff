#include "tools/replay/state.h"

#include "common/base/crc32c.h"
#include "proto/messages.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TYPE            "postcall-replay"
#define STATE_BYTES_MAX 65536

#define AT(type, member) .name = #member, .offset = offsetof(type, member)
#define COUNT(array)     (sizeof(array) / sizeof((array)[0]))

static const wire_field_t sink_fields[] = {
    {AT(state_sink_t, sink), .kind = WIRE_TEXT, .limit = MESSAGE_NAME_BYTES_MAX, .required = true},
    {AT(state_sink_t, done), .kind = WIRE_UINT},
    {AT(state_sink_t, retried), .kind = WIRE_UINT},
    {AT(state_sink_t, dead), .kind = WIRE_UINT},
};
static const wire_table_t sink_table = {"sinks", sink_fields, COUNT(sink_fields),
                                        sizeof(state_sink_t)};

static const wire_field_t fields[] = {
    {AT(state_t, arguments), .kind = WIRE_BYTES, .limit = DIGEST_BYTES, .exact = true,
     .required = true},
    {AT(state_t, slot), .kind = WIRE_TEXT, .limit = PATH_MAX, .required = true},
    {AT(state_t, segment), .kind = WIRE_UINT},
    {AT(state_t, offset), .kind = WIRE_UINT},
    {AT(state_t, event_id), .kind = WIRE_BYTES, .limit = MESSAGE_EVENT_ID_BYTES, .exact = true},
    {AT(state_t, settled), .kind = WIRE_UINT},
    {AT(state_t, marked), .kind = WIRE_UINT},
    {AT(state_t, sinks), .kind = WIRE_LIST, .limit = MESSAGE_SINKS_MAX, .items = &sink_table},
};
static const wire_table_t table = {"state", fields, COUNT(fields), sizeof(state_t)};

/* The file's directory, and its name in `copy`. */
static int open_parent(const char *path, char copy[PATH_MAX])
{
    char other[PATH_MAX];
    snprintf(copy, PATH_MAX, "%s", path);
    snprintf(other, sizeof(other), "%s", path);
    memmove(copy, basename(copy), strlen(basename(copy)) + 1);
    return open(dirname(other), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The message, then its checksum. */
int state_save(const char *path, const state_t *state, file_durability_t durability, fault_t *fault)
{
    wire_output_t output = {0};
    char name[PATH_MAX], *bytes = NULL;
    int status = -1, directory = -1;
    if (wire_encode(&output, TYPE, &table, state) == 0)
        bytes = malloc(output.length + sizeof(uint32_t));
    if (bytes) {
        uint32_t crc = crc32c_update(0, output.bytes, output.length);
        memcpy(bytes, output.bytes, output.length);
        memcpy(bytes + output.length, &crc, sizeof(crc));
        directory = open_parent(path, name);
        if (directory >= 0 &&
            file_replace(directory, name, bytes, output.length + sizeof(crc), durability) == 0)
            status = 0;
    }
    if (status != 0)
        fault_set_errno(fault, errno, "--state: '%s' cannot be written", path);
    if (directory >= 0)
        (void)close(directory);
    free(bytes);
    wire_output_free(&output);
    return status;
}

static int decode(const char *bytes, size_t length, state_t *state, wire_memory_t *memory)
{
    wire_view_t type;
    uint32_t crc;
    if (length < sizeof(crc))
        return -1;
    length -= sizeof(crc);
    memcpy(&crc, bytes + length, sizeof(crc));
    if (crc != crc32c_update(0, bytes, length) || wire_type(bytes, length, &type) != WIRE_OK ||
        !wire_equals(type, TYPE))
        return -1;
    return wire_decode(bytes, length, &table, state, memory, NULL) == WIRE_OK ? 0 : -1;
}

int state_load(const char *path, state_t *state, state_memory_t *memory, fault_t *fault)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 1;
    memory->bytes = malloc(STATE_BYTES_MAX);
    ssize_t length =
        fd >= 0 && memory->bytes ? file_read_at(fd, memory->bytes, STATE_BYTES_MAX, 0) : -1;
    if (length < 0)
        fault_set_errno(fault, errno, "--state: '%s' cannot be read", path);
    if (fd >= 0)
        (void)close(fd);
    if (length < 0)
        return -1;
    if (decode(memory->bytes, (size_t)length, state, &memory->memory) != 0)
        return fault_set(fault, "--state: '%s' was not left by a replay", path);
    return 0;
}

void state_memory_free(state_memory_t *memory)
{
    free(memory->bytes);
    wire_memory_free(&memory->memory);
    *memory = (state_memory_t){0};
}

void state_remove(const char *path)
{
    (void)unlink(path); /* most never had one */
}
