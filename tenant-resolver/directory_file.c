#include "common/base/log.h"
#include "common/json/json.h"
#include "tenant-resolver/directory.h"
#include "tenant-resolver/tenant_item.h"

#include <czmq.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory of a million agents has about 300 MB; a larger file is a mistake. */
#define FILE_BYTES_MAX   ((off_t)512 << 20)
#define LOOK_INTERVAL_MS 1000

/* Items that name the same agent are chained. */
typedef struct entry_t {
    tenant_item_t item;
    struct entry_t *next;
} entry_t;

struct directory_t {
    char *path;
    json_reader_t *reader;
    zhashx_t *agents; /* agent id to entry_t */
    struct stat seen; /* the version that was read, good or broken */
    bool broken;
    bool changed; /* and nobody was told yet */
    int64_t next_look_ms;
    char *questions[DIRECTORY_QUESTIONS_MAX];
    size_t question_count;
    char *answered; /* lent to the caller */
};

static void destroy_entries(void **item)
{
    entry_t *entry = *item;
    while (entry) {
        entry_t *next = entry->next;
        free(entry);
        entry = next;
    }
    *item = NULL;
}

static zhashx_t *agents_table_new(void)
{
    zhashx_t *agents = zhashx_new();
    zhashx_set_destructor(agents, destroy_entries);
    return agents;
}

static int add_item(zhashx_t *agents, const json_value_t *value)
{
    entry_t *entry = calloc(1, sizeof(*entry));
    if (!entry)
        return -1;
    if (tenant_item_read(value, &entry->item) != 0) {
        free(entry); /* names no agent: nobody can ask for it */
        return 0;
    }
    entry_t *first = zhashx_lookup(agents, entry->item.agent_id);
    if (first) {
        entry->next = first->next;
        first->next = entry;
    } else if (zhashx_insert(agents, entry->item.agent_id, entry) != 0) {
        free(entry);
        return -1;
    }
    return 0;
}

/* Makes a table of the text; NULL when it is no JSON array, or memory is out. */
static zhashx_t *parse(json_reader_t *reader, const char *text, size_t bytes, fault_t *fault)
{
    static const json_path_t whole = {{NULL}};
    json_value_t array, item;
    if (json_read(reader, text, bytes, &whole, 1, &array, fault) != JSON_READ_OK)
        return NULL;
    if (array.type != JSON_ARRAY) {
        fault_set(fault, "it is no JSON array");
        return NULL;
    }
    zhashx_t *agents = agents_table_new();
    json_cursor_t cursor = json_entries(&array);
    while (json_array_next(&cursor, &item)) {
        if (add_item(agents, &item) != 0) {
            fault_set(fault, "out of memory");
            zhashx_destroy(&agents);
            return NULL;
        }
    }
    return agents;
}

/* Reads a whole open file (malloc); NULL with a fault. */
static char *read_all(int fd, size_t bytes, fault_t *fault)
{
    char *text = malloc(bytes + 1);
    size_t length = 0;
    while (text && length < bytes) {
        ssize_t got = read(fd, text + length, bytes - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            fault_set(fault, "it could not be read whole");
            free(text);
            return NULL;
        }
        length += (size_t)got;
    }
    if (!text)
        fault_set(fault, "out of memory");
    return text;
}

static int load(directory_t *self, fault_t *fault)
{
    struct stat now;
    int fd = open(self->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fault_set_errno(fault, errno, "it cannot be opened");
    char *text = NULL;
    zhashx_t *agents = NULL;
    if (fstat(fd, &now) != 0 || !S_ISREG(now.st_mode) || now.st_size > FILE_BYTES_MAX)
        fault_set(fault, "it is no regular file of a reasonable size");
    else if ((text = read_all(fd, (size_t)now.st_size, fault)))
        agents = parse(self->reader, text, (size_t)now.st_size, fault);
    close(fd);
    free(text);
    self->seen = now;
    if (!agents)
        return -1;
    zhashx_destroy(&self->agents);
    self->agents = agents;
    return 0;
}

static void file_destroy(directory_t **self_p)
{
    directory_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->question_count; i++)
        free(self->questions[i]);
    free(self->answered);
    zhashx_destroy(&self->agents);
    json_reader_destroy(&self->reader);
    free(self->path);
    free(self);
    *self_p = NULL;
}

static directory_t *file_open(const resolver_settings_t *settings, const char *name,
                              metrics_t *metrics, fault_t *fault)
{
    (void)settings;
    (void)metrics;
    directory_t *self = calloc(1, sizeof(*self));
    if (self)
        self->path = strdup(name);
    if (self)
        self->reader = json_reader_new();
    if (!self || !self->path || !self->reader) {
        fault_set(fault, "out of memory");
        file_destroy(&self);
        return NULL;
    }
    fault_t reason;
    if (load(self, &reason) != 0) {
        fault_set(fault, "TENANT_DIRECTORY: %s: %s", name, reason.text);
        file_destroy(&self);
    }
    return self;
}

static bool is_other_version(const struct stat *a, const struct stat *b)
{
    return a->st_ino != b->st_ino || a->st_dev != b->st_dev || a->st_size != b->st_size ||
           a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec;
}

/* Reads the file again if it is another one. */
static void look(directory_t *self)
{
    struct stat now;
    fault_t fault;
    if (stat(self->path, &now) != 0 || !is_other_version(&now, &self->seen))
        return;
    self->broken = load(self, &fault) != 0;
    if (self->broken)
        log_line(LOG_LEVEL_ERROR, "the tenant file is broken, keeping the old version",
                 LOG_TEXT("file", self->path), LOG_TEXT("reason", fault.text));
    else
        log_line(LOG_LEVEL_INFO, "read the tenant file again", LOG_TEXT("file", self->path),
                 LOG_NUMBER("agents", zhashx_size(self->agents)));
    self->changed = self->changed || !self->broken;
}

static bool file_changed(directory_t *self, int64_t now_ms)
{
    if (now_ms >= self->next_look_ms) {
        self->next_look_ms = now_ms + LOOK_INTERVAL_MS;
        look(self);
    }
    bool changed = self->changed;
    self->changed = false;
    return changed;
}

static bool file_can_ask(const directory_t *self)
{
    return self->question_count < DIRECTORY_QUESTIONS_MAX;
}

static int file_ask(directory_t *self, wire_view_t agent_id, int64_t now_ms)
{
    (void)now_ms;
    char *question = strndup(agent_id.bytes, agent_id.length);
    if (!question)
        return -1;
    self->questions[self->question_count++] = question;
    return 0;
}

/* Two items are enough to judge by: two enabled ones are one too many already. */
static void answer(const directory_t *self, const char *agent_id, agent_verdict_t *verdict)
{
    agent_item_t items[2];
    size_t count = 0;
    for (const entry_t *entry = zhashx_lookup(self->agents, agent_id); entry && count < 2;
         entry = entry->next) {
        if (!entry->item.enabled && (count > 0 || entry->next))
            continue; /* a disabled one counts only when there is no other */
        items[count++] = (agent_item_t){.business_id = wire_view(entry->item.business_id),
                                        .location_id = wire_view(entry->item.location_id),
                                        .enabled = entry->item.enabled,
                                        .record_calls = entry->item.record_calls};
    }
    agents_decide(items, count, verdict);
    verdict->dated = self->broken;
}

static int file_take(directory_t *self, int64_t now_ms, wire_view_t *agent_id,
                     agent_verdict_t *verdict)
{
    (void)now_ms;
    if (self->question_count == 0)
        return 0;
    look(self); /* whoever asks may have been told to because it was edited just now */
    free(self->answered);
    self->answered = self->questions[--self->question_count];
    *agent_id = wire_view(self->answered);
    answer(self, self->answered, verdict);
    return 1;
}

static void file_wait(directory_t *self, struct pollfd *fds, size_t count, int64_t wait_ms)
{
    bool answers = self->question_count > 0;
    (void)poll(fds, count, answers ? 0 : (int)wait_ms); /* everything is looked at anyway */
}

static const char *file_trouble(const directory_t *self)
{
    return self->broken ? "the tenant file is broken; the old version is used" : NULL;
}

const directory_kind_t directory_file = {
    .prefix = "file:",
    .open = file_open,
    .destroy = file_destroy,
    .can_ask = file_can_ask,
    .ask = file_ask,
    .take = file_take,
    .changed = file_changed,
    .wait = file_wait,
    .trouble = file_trouble,
};
