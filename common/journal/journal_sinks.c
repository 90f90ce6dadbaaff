/* The sinks hint: a line for each sink that ever was, with the sequence from which on it wants
 * events, then the checksum of those lines.  Without it all sinks begin at the beginning. */

#include "common/journal/journal_sinks.h"

#include "common/base/crc32c.h"
#include "common/journal/journal_startup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SINKS_NAME      "sinks"
#define SINKS_BYTES_MAX 65536

/* Reads the hint as a text.  Owned; NULL when there is none to be believed. */
static char *read_sinks(int slot_directory)
{
    int fd = openat(slot_directory, SINKS_NAME, O_RDONLY | O_CLOEXEC);
    char *text = fd >= 0 ? calloc(1, SINKS_BYTES_MAX + 1) : NULL;
    ssize_t length = text ? file_read_at(fd, text, SINKS_BYTES_MAX, 0) : -1;
    if (fd >= 0)
        (void)close(fd);
    char *crc = text ? strstr(text, "crc ") : NULL;
    char expected[32];
    if (length > 0 && crc) {
        snprintf(expected, sizeof(expected), "crc %08" PRIx32 "\n",
                 crc32c_update(0, text, (size_t)(crc - text)));
        if (strcmp(crc, expected) == 0) {
            *crc = '\0';
            return text;
        }
    }
    free(text);
    return NULL;
}

/* Reads one line into *sink; returns where the next begins, or NULL when it is none. */
static const char *parse_line(const char *line, journal_sink_t *sink)
{
    size_t length = strcspn(line, " \n");
    const char *end = strchr(line, '\n');
    if (!end || line[length] != ' ' || length >= sizeof(sink->name))
        return NULL;
    memcpy(sink->name, line, length);
    sink->name[length] = '\0';
    sink->begin = strtoull(line + length + 1, NULL, 10);
    return end + 1;
}

int journal_sinks_read(int slot_directory, journal_sink_t sinks[JOURNAL_SINKS_EVER_MAX])
{
    char *text = read_sinks(slot_directory);
    int count = 0;
    if (!text)
        return -1;
    for (const char *line = text; line && *line && count < JOURNAL_SINKS_EVER_MAX;) {
        line = parse_line(line, &sinks[count]);
        count += line != NULL;
    }
    free(text);
    return count;
}

/* Takes the begins of the sinks that the hint knows; returns their bits. */
static uint16_t parse_sinks(journal_t *self, const char *text)
{
    journal_sink_t sink;
    uint16_t known = 0;
    for (const char *line = text; *line;) {
        line = parse_line(line, &sink);
        if (!line)
            break;
        for (size_t i = 0; i < self->sinks.count; i++) {
            if (strcmp(sink.name, self->sinks.names[i]) != 0)
                continue;
            self->sinks.begins[i] = sink.begin;
            known |= (uint16_t)(1u << i);
        }
    }
    return known;
}

/* Writes the hint: the lines it had, and those of sinks that it did not know. */
static int write_sinks(const journal_t *self, const char *old, uint16_t known, fault_t *fault)
{
    buffer_t text = {0};
    int status = buffer_append_text(&text, old ? old : "");
    for (size_t i = 0; i < self->sinks.count && status == 0; i++) {
        if (!(known & 1u << i))
            status = buffer_printf(&text, "%s %" PRIu64 "\n", self->sinks.names[i],
                                   self->sinks.begins[i]);
    }
    if (status == 0)
        status =
            buffer_printf(&text, "crc %08" PRIx32 "\n", crc32c_update(0, text.bytes, text.length));
    if (status != 0)
        fault_set(fault, "no memory for the list of sinks");
    else if (file_replace(self->slot.directory, SINKS_NAME, text.bytes, text.length, FILE_SYNCED) !=
                 0 ||
             fsync(self->slot.directory))
        status = fault_set_errno(fault, errno, "'" SINKS_NAME "' of '%s'", self->slot.path);
    buffer_free(&text);
    return status;
}

int journal_sinks_restore(journal_t *self, fault_t *fault)
{
    char *text = read_sinks(self->slot.directory);
    uint16_t known = text ? parse_sinks(self, text) : 0;
    /* Sequences never begin again below a sink's begin, or new events would pass for old ones. */
    for (size_t i = 0; i < self->sinks.count; i++) {
        if (self->sinks.begins[i] > self->writer.next_sequence)
            self->writer.next_sequence = self->sinks.begins[i];
    }
    for (size_t i = 0; i < self->sinks.count; i++) {
        if (text && !(known & 1u << i))
            self->sinks.begins[i] = self->writer.next_sequence;
    }
    int status = known == self->sinks.all ? 0 : write_sinks(self, text, known, fault);
    free(text);
    return status;
}
