/* Any text as the tenant file: it opens or is refused with a reason, and what it says of an agent
 * is what a plain count of its items says. */
#include "common/json/json.h"
#include "tenant-resolver/directory.h"
#include "tenant-resolver/tenant_item.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ITEMS_MAX 64 /* a plain count takes the square of that */

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes);

typedef struct {
    tenant_item_t items[ITEMS_MAX];
    size_t count;
    bool is_array;
} plain_t;

static void read_plain(plain_t *plain, const char *text, size_t bytes)
{
    static const json_path_t whole = {{NULL}};
    json_reader_t *reader = json_reader_new();
    json_value_t array, item;
    assert(reader);
    json_status_t status = json_read(reader, text, bytes, &whole, 1, &array, NULL);
    plain->is_array = status == JSON_READ_OK && array.type == JSON_ARRAY;
    plain->count = 0;
    if (plain->is_array && array.count <= ITEMS_MAX) {
        json_cursor_t cursor = json_entries(&array);
        while (json_array_next(&cursor, &item))
            plain->count += tenant_item_read(&item, &plain->items[plain->count]) == 0;
    }
    json_reader_destroy(&reader);
}

static void check_verdict(const plain_t *plain, const char *agent_id,
                          const agent_verdict_t *verdict)
{
    const tenant_item_t *tenant = NULL;
    size_t all = 0, enabled = 0;
    for (size_t i = 0; i < plain->count; i++) {
        bool named = strcmp(plain->items[i].agent_id, agent_id) == 0;
        all += named;
        if (named && plain->items[i].enabled) {
            enabled++;
            tenant = &plain->items[i];
        }
    }
    if (enabled != 1) {
        assert(verdict->state == (enabled ? AGENT_AMBIGUOUS
                                  : all   ? AGENT_DISABLED
                                          : AGENT_UNKNOWN));
        return;
    }
    assert(verdict->state == AGENT_TENANT || verdict->state == AGENT_INVALID);
    if (verdict->state == AGENT_INVALID)
        return;
    assert(*tenant->business_id && strcmp(verdict->business_id, tenant->business_id) == 0);
    assert(*tenant->location_id && strcmp(verdict->location_id, tenant->location_id) == 0);
    assert(!strchr(tenant->business_id, ':') && !strchr(tenant->location_id, ':'));
    assert(verdict->record_calls == tenant->record_calls);
}

static void ask(directory_t *directory, const plain_t *plain, const char *agent_id)
{
    wire_view_t answered;
    agent_verdict_t verdict;
    assert(directory_file.can_ask(directory));
    int failed = directory_file.ask(directory, wire_view(agent_id), 0);
    int taken = directory_file.take(directory, 0, &answered, &verdict);
    assert(!failed && taken == 1 && strcmp(answered.bytes, agent_id) == 0);
    check_verdict(plain, agent_id, &verdict);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
    static plain_t plain;
    char path[64];
    fault_t fault = {""};
    int fd = memfd_create("tenants", MFD_CLOEXEC);
    assert(fd >= 0);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ssize_t written = write(fd, input, bytes);
    assert(written == (ssize_t)bytes);
    read_plain(&plain, (const char *)input, bytes);
    directory_t *directory = directory_file.open(NULL, path, NULL, &fault);
    assert(directory ? plain.is_array : !plain.is_array && *fault.text);
    if (directory) {
        for (size_t i = 0; i < plain.count; i++)
            ask(directory, &plain, plain.items[i].agent_id);
        if (plain.count > 0)
            ask(directory, &plain, "agent_of_nobody");
    }
    directory_file.destroy(&directory);
    close(fd);
    return 0;
}
