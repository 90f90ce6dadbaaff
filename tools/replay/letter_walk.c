#include "tools/replay/letter_walk.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct letter_walk_t {
    const capture_t *capture;
    size_t slot;
    dead_letter_page_t page;
    size_t next;                             /* in the page */
    bool listed;                             /* the page is filled */
    char after[DEAD_LETTER_NAME_BYTES];      /* the next letter is the one behind this name */
    char page_after[DEAD_LETTER_NAME_BYTES]; /* and the page's first the one behind this */
    dead_letter_file_t file;
    wire_memory_t memory;
    uint64_t damaged;
};

letter_walk_t *letter_walk_new(const capture_t *capture, fault_t *fault)
{
    letter_walk_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    self->capture = capture;
    return self;
}

void letter_walk_destroy(letter_walk_t **self_p)
{
    letter_walk_t *self = *self_p;
    if (!self)
        return;
    dead_letter_page_free(&self->page);
    dead_letter_file_free(&self->file);
    wire_memory_free(&self->memory);
    free(self);
    *self_p = NULL;
}

/* Does the page hold the name that follows this one? */
static bool in_page(const letter_walk_t *self, size_t slot, const char *name)
{
    return self->listed && slot == self->slot && self->page.count > 0 &&
           strcmp(name, self->page_after) >= 0 &&
           strcmp(name, self->page.names[self->page.count - 1]) < 0;
}

void letter_walk_seek(letter_walk_t *self, size_t slot, const char *name)
{
    self->listed = in_page(self, slot, name);
    self->slot = slot;
    snprintf(self->after, sizeof(self->after), "%s", name);
    if (!self->listed)
        return;
    while (self->next > 0 && strcmp(self->page.names[self->next - 1], name) > 0)
        self->next--;
    while (strcmp(self->page.names[self->next], name) <= 0)
        self->next++;
}

/* The next name of the slot.  1: it is in `after`; 0: it has no more; -1. */
static int next_name(letter_walk_t *self, fault_t *fault)
{
    int directory = self->capture->slots[self->slot].dead;
    if (directory < 0)
        return 0;
    if (!self->listed || self->next == self->page.count) {
        if (dead_letter_page_read(&self->page, directory, self->after, fault) != 0)
            return -1;
        memcpy(self->page_after, self->after, sizeof(self->after));
        self->listed = true;
        self->next = 0;
    }
    if (self->page.count == 0)
        return 0;
    snprintf(self->after, sizeof(self->after), "%s", self->page.names[self->next++]);
    return 1;
}

int letter_walk_read(letter_walk_t *self, size_t slot, const char *name, letter_item_t *item)
{
    *item = (letter_item_t){.slot = slot, .name = name, .letter = &self->file.letter};
    if (dead_letter_file_read(&self->file, self->capture->slots[slot].dead, name) != 0 ||
        dead_letter_event(&self->file.letter, &self->memory, &item->event, &item->body) != 0)
        return 0;
    const wire_list_t *known = &self->file.letter.letter.resolution;
    item->resolved = known->count > 0;
    if (item->resolved)
        item->resolution = *(const disk_resolution_t *)known->items;
    return 1;
}

int letter_walk_next(letter_walk_t *self, letter_item_t *item, fault_t *fault)
{
    while (self->slot < self->capture->count) {
        int found = next_name(self, fault);
        if (found < 0)
            return -1;
        if (found == 0) {
            letter_walk_seek(self, self->slot + 1, "");
            continue;
        }
        if (letter_walk_read(self, self->slot, self->after, item) == 1)
            return 1;
        self->damaged +=
            faccessat(self->capture->slots[self->slot].dead, self->after, F_OK, 0) == 0;
    }
    return 0;
}

uint64_t letter_walk_damaged(const letter_walk_t *self)
{
    return self->damaged;
}
