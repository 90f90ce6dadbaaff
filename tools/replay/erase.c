#include "tools/replay/erase.h"

#include "common/journal/dead_letter_file.h"
#include "common/journal/erased_record.h"
#include "common/journal/journal_scan.h"
#include "common/journal/journal_slot.h"
#include "common/journal/slot_requests.h"
#include "proto/routes.h"
#include "providers/providers.h"
#include "tools/replay/segment_file.h"
#include "tools/replay/tell_slot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS_MAX     5
#define LETTER_SUFFIX  ".letter"
#define SETTLED_SUFFIX ".settled"
#define LETTER_NAMES   (DISK_FILE_NAME_BYTES_MAX + 1)

/* A place with the texts that it is a view of. */
typedef struct {
    slot_erasure_t erasure;
    char file[LETTER_NAMES];
    char file_id[DISK_FILE_ID_BYTES];
    char *record; /* owned */
} place_t;

/* All places of one slot. */
typedef struct {
    const capture_slot_t *slot;
    const filter_t *filter;
    place_t **places;
    size_t count, capacity;
    uint64_t *sequences; /* of the events of the segment at hand */
    size_t sequence_count, sequence_capacity;
    erase_figures_t figures;
} search_t;

static place_t *add_place(search_t *self, const char *file, fault_t *fault)
{
    if (self->count == self->capacity) {
        size_t capacity = self->capacity ? 2 * self->capacity : 16;
        place_t **grown = realloc(self->places, capacity * sizeof(*grown));
        if (!grown) {
            fault_set(fault, "out of memory");
            return NULL;
        }
        self->places = grown;
        self->capacity = capacity;
    }
    place_t *place = calloc(1, sizeof(*place));
    if (!place) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    snprintf(place->file, sizeof(place->file), "%s", file);
    place->erasure.place.file = wire_view(place->file);
    self->places[self->count++] = place;
    return place;
}

static int add_file(search_t *self, wire_view_t name, fault_t *fault)
{
    char file[LETTER_NAMES];
    snprintf(file, sizeof(file), "%.*s", WIRE_ARGUMENTS(name));
    if (!add_place(self, file, fault))
        return -1;
    self->figures.files++;
    return 0;
}

static int add_record(search_t *self, const char *file, uint64_t file_id, uint64_t offset,
                      const journal_record_t *record, fault_t *fault)
{
    place_t *place = add_place(self, file, fault);
    if (!place)
        return -1;
    slot_erasure_file_id(file_id, place->file_id);
    place->erasure.place.file_id = (wire_view_t){place->file_id, sizeof(place->file_id)};
    place->erasure.place.offset = offset;
    place->record = erased_record_new(record, &place->erasure.record_bytes, fault);
    place->erasure.record = place->record;
    self->figures.records++;
    return place->record ? 0 : -1;
}

static int add_sequence(search_t *self, uint64_t sequence, fault_t *fault)
{
    if (self->sequence_count == self->sequence_capacity) {
        size_t capacity = self->sequence_capacity ? 2 * self->sequence_capacity : 16;
        uint64_t *grown = realloc(self->sequences, capacity * sizeof(*grown));
        if (!grown)
            return fault_set(fault, "out of memory");
        self->sequences = grown;
        self->sequence_capacity = capacity;
    }
    self->sequences[self->sequence_count++] = sequence;
    return 0;
}

static bool has_sequence(const search_t *self, uint64_t sequence)
{
    for (size_t i = 0; i < self->sequence_count; i++) {
        if (self->sequences[i] == sequence)
            return true;
    }
    return false;
}

static bool is_wanted(const search_t *self, wire_view_t provider, wire_view_t conversation_id)
{
    return wire_equals(conversation_id, self->filter->conversation) &&
           (!self->filter->provider || wire_equals(provider, self->filter->provider));
}

/* Letters of an event, whatever sink they are for and whether they are settled. */
static int add_letters(search_t *self, const uint8_t *event_id, fault_t *fault)
{
    char name[DEAD_LETTER_NAME_BYTES];
    int status = 0;
    for (size_t sink = 0; status == 0; sink++) {
        wire_view_t of =
            route_sink_names[sink] ? wire_view(route_sink_names[sink]) : (wire_view_t){0};
        dead_letter_name(event_id, of, name);
        if (!add_place(self, name, fault))
            status = -1;
        if (!route_sink_names[sink])
            break;
    }
    return status;
}

/* Segments and outcomes. */

/* A file of records that is searched. */
typedef struct {
    const char *name;
    uint64_t file_id;
    uint64_t offset; /* of the record at hand */
} file_t;

static int take_event(search_t *self, const file_t *file, const journal_record_t *record,
                      wire_memory_t *memory, fault_t *fault)
{
    disk_event_t event;
    if (record->kind != DISK_EVENT ||
        wire_decode(record->header, record->header_bytes, &disk_event, &event, memory, NULL) !=
            WIRE_OK ||
        !is_wanted(self, event.provider, event.conversation_id))
        return 0;
    if (add_record(self, file->name, file->file_id, file->offset, record, fault) != 0 ||
        add_sequence(self, record->sequence, fault) != 0 ||
        add_letters(self, (const uint8_t *)event.event_id.bytes, fault) != 0)
        return -1;
    return event.body_file.length > 0 ? add_file(self, event.body_file, fault) : 0;
}

static int take_outcome(search_t *self, const file_t *file, const journal_record_t *record,
                        wire_memory_t *memory, fault_t *fault)
{
    disk_resolution_t resolution;
    disk_settlement_t settlement;
    bool wanted = false;
    if (record->kind == DISK_RESOLUTION)
        wanted = wire_decode(record->header, record->header_bytes, &disk_resolution, &resolution,
                             memory, NULL) == WIRE_OK &&
                 is_wanted(self, resolution.provider, resolution.conversation_id);
    else if (record->kind == DISK_SETTLEMENT)
        wanted = wire_decode(record->header, record->header_bytes, &disk_settlement, &settlement,
                             memory, NULL) == WIRE_OK &&
                 settlement.detail.length > 0 && has_sequence(self, settlement.sequence);
    return wanted ? add_record(self, file->name, file->file_id, file->offset, record, fault) : 0;
}

typedef int take_t(search_t *self, const file_t *file, const journal_record_t *record,
                   wire_memory_t *memory, fault_t *fault);

/* Hands every good record of an open file to `take`. */
static int search_file(search_t *self, int fd, uint64_t bytes, file_t *file, take_t *take,
                       fault_t *fault)
{
    journal_scan_t scan = {0};
    wire_memory_t memory = {0};
    journal_record_t record;
    journal_damage_t damage;
    int found, status = 0;
    journal_scan_start(&scan, fd, JOURNAL_ANY_SEGMENT, JOURNAL_FILE_HEADER_BYTES, bytes);
    while (status == 0 && (found = journal_scan_next(&scan, &record, &damage, fault)) != 0) {
        if (found < 0 && journal_scan_pass_over(&scan))
            continue;
        file->offset =
            found < 0 ? 0
                      : scan.offset - journal_record_bytes(record.header_bytes, record.body_bytes);
        status = found < 0 ? -1 : take(self, file, &record, &memory, fault);
    }
    journal_scan_free(&scan);
    wire_memory_free(&memory);
    return status;
}

static int search_part(search_t *self, const capture_segment_t *segment, const char *suffix,
                       take_t *take, fault_t *fault)
{
    char name[JOURNAL_NAME_BYTES];
    segment_file_t part;
    journal_name(name, segment->ordinal, suffix);
    if (segment_file_open(&part, self->slot, segment->ordinal, suffix, fault) != 0)
        return errno == ENOENT ? 0 : -1;
    bool events = take == take_event;
    uint64_t end = events && segment->bytes < part.bytes ? segment->bytes : part.bytes;
    file_t file = {.name = name, .file_id = part.header.file_id};
    size_t before = self->count;
    int status = search_file(self, part.fd, end, &file, take, fault);
    if (status == 0 && self->count > before && !part.has_header)
        status = fault_set(fault, "%s is damaged where it says which file it is", name);
    segment_file_close(&part);
    return status;
}

/* What has come since the capture was opened is not erased: it may be on its way to the sinks. */
static int search_segments(search_t *self, fault_t *fault)
{
    int status = 0;
    for (size_t i = 0; i < self->slot->count && status == 0; i++) {
        const capture_segment_t *segment = &self->slot->items[i];
        self->sequence_count = 0;
        status = search_part(self, segment, JOURNAL_NAME_SEGMENT, take_event, fault);
        if (status == 0)
            status = search_part(self, segment, JOURNAL_NAME_OUTCOMES, take_outcome, fault);
    }
    return status;
}

/* The rest. */

static int search_letter(search_t *self, const char *name, fault_t *fault)
{
    dead_letter_file_t file = {0};
    wire_memory_t memory = {0};
    disk_event_t event;
    const char *body;
    int status = 0;
    char letter[DEAD_LETTER_NAME_BYTES];
    size_t length = strlen(name), end = sizeof(SETTLED_SUFFIX) - 1;
    bool settled = length > end && strcmp(name + length - end, SETTLED_SUFFIX) == 0;
    snprintf(letter, sizeof(letter), settled ? "%.*s" LETTER_SUFFIX : "%.*s",
             (int)(settled ? length - end : length), name);
    if (dead_letter_stem_length(letter) == 0)
        return 0;
    if (dead_letter_file_read(&file, self->slot->dead, name) == 0 &&
        dead_letter_event(&file.letter, &memory, &event, &body) == 0 &&
        is_wanted(self, event.provider, event.conversation_id))
        status = add_file(self, wire_view(letter), fault);
    dead_letter_file_free(&file);
    wire_memory_free(&memory);
    return status;
}

static int search_letters(search_t *self, fault_t *fault)
{
    if (self->slot->dead < 0)
        return 0;
    int fd = openat(self->slot->dead, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;
    int status = 0;
    if (!listing) {
        status = fault_set_errno(fault, errno, "dead letters of %s", self->slot->path);
        if (fd >= 0)
            (void)close(fd);
        return status;
    }
    for (struct dirent *entry; status == 0 && (entry = readdir(listing));)
        status = search_letter(self, entry->d_name, fault);
    (void)closedir(listing);
    return status;
}

static int search_reassigned_of(search_t *self, reassignments_t *reassigned, wire_view_t provider,
                                fault_t *fault)
{
    reassignment_t found = {0};
    wire_view_t conversation = wire_view(self->filter->conversation);
    int there = reassignments_find(reassigned, provider, conversation, &found, fault);
    reassignment_free(&found);
    place_t *place = there == 1 ? add_place(self, REASSIGNMENTS_FILE, fault) : NULL;
    if (there == 1 && !place)
        return -1;
    if (place) {
        place->erasure.place.provider = provider;
        place->erasure.place.conversation_id = conversation;
        self->figures.records++;
    }
    return there < 0 ? -1 : 0;
}

/* Conversations are found by their provider: without one in the filter every provider's are sought.
 */
static int search_reassigned(search_t *self, fault_t *fault)
{
    const char *only = self->filter->provider;
    reassignments_t *reassigned = reassignments_new(self->slot->directory, fault);
    int status = reassigned ? 0 : -1;
    if (status == 0 && only)
        status = search_reassigned_of(self, reassigned, wire_view(only), fault);
    for (size_t i = 0; status == 0 && !only && i < PROVIDERS_COUNT; i++)
        status = search_reassigned_of(self, reassigned, wire_view(providers[i]->name), fault);
    reassignments_destroy(&reassigned);
    return status;
}

/* What replays keep of tenants, beside the ingress's own. */
static int search_replayed(search_t *self, fault_t *fault)
{
    uint8_t bytes[JOURNAL_FILE_HEADER_BYTES];
    journal_file_header_t header;
    int fd = openat(self->slot->directory, SLOT_REPLAYED_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : fault_set_errno(fault, errno, SLOT_REPLAYED_FILE);
    off_t size = lseek(fd, 0, SEEK_END);
    int status = 0;
    if (pread(fd, bytes, sizeof(bytes), 0) == sizeof(bytes) &&
        journal_file_header_read(bytes, &header) == 0) {
        file_t file = {.name = SLOT_REPLAYED_FILE, .file_id = header.file_id};
        status = search_file(self, fd, (uint64_t)size, &file, take_outcome, fault);
    }
    (void)close(fd);
    return status;
}

static void free_search(search_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        free(self->places[i]->record);
        free(self->places[i]);
    }
    free(self->places);
    free(self->sequences);
}

static int ask(search_t *self, fault_t *fault)
{
    char request[SLOT_REQUEST_NAME_BYTES];
    slot_erasure_t *erasures = calloc(self->count, sizeof(*erasures));
    if (!erasures)
        return fault_set(fault, "out of memory");
    for (size_t i = 0; i < self->count; i++)
        erasures[i] = self->places[i]->erasure;
    int status = slot_request_erase(self->slot->directory, erasures, self->count, request, fault);
    free(erasures);
    return status == 0 ? tell_slot_wait(self->slot, request, fault) : -1;
}

/* One round over a slot.  1: something was there; 0: nothing was; -1. */
static int erase_round(const capture_slot_t *slot, const filter_t *filter, erase_figures_t *figures,
                       fault_t *fault)
{
    search_t search = {.slot = slot, .filter = filter};
    int status = search_segments(&search, fault);
    if (status == 0)
        status = search_letters(&search, fault);
    if (status == 0)
        status = search_reassigned(&search, fault);
    search.sequence_count = 0;
    if (status == 0)
        status = search_replayed(&search, fault);
    if (status == 0 && search.count > 0)
        status = ask(&search, fault) == 0 ? 1 : -1;
    figures->records += search.figures.records;
    figures->files += search.figures.files;
    free_search(&search);
    return status;
}

int erase_run(const capture_t *capture, const filter_t *filter, erase_figures_t *figures,
              fault_t *fault)
{
    *figures = (erase_figures_t){0};
    for (size_t i = 0; i < capture->count; i++) {
        int status = 1;
        for (unsigned round = 0; status == 1 && round < ROUNDS_MAX; round++)
            status = erase_round(&capture->slots[i], filter, figures, fault);
        if (status == 1)
            return fault_set(fault, "%s has more of the call whenever it is looked at",
                             capture->slots[i].path);
        if (status < 0)
            return -1;
    }
    return 0;
}
