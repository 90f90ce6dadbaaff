#include "common/delivery/letters.h"

#include "common/base/offload.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    wire_output_t texts; /* the letter, encoded: the one copy that owns all its views */
    wire_memory_t memory;
    disk_letter_t letter;
    char *record;
    size_t record_bytes;
    char body_file[DISK_BODY_FILE_BYTES_MAX + 1];
    letters_result_t result;
} job_t;

struct letters_t {
    const char *slot_directory;
    offload_t *offload;
};

static void run(void *context, void *item)
{
    const letters_t *self = context;
    job_t *job = item;
    fault_t fault = {{0}};
    const dead_letter_t letter = {
        .letter = job->letter,
        .event_record = job->record,
        .event_record_bytes = job->record_bytes,
        .body_file = job->body_file[0] ? job->body_file : NULL,
    };
    job->result.written = dead_letters_put(self->slot_directory, &letter, 1, &fault) == 0;
    memcpy(job->result.detail, fault.text, sizeof(job->result.detail));
}

static void free_job(job_t *job)
{
    wire_output_free(&job->texts);
    wire_memory_free(&job->memory);
    free(job->record);
    free(job);
}

letters_t *letters_new(const char *slot_directory, fault_t *fault)
{
    letters_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    self->slot_directory = slot_directory;
    self->offload = offload_new(1, run, self, fault);
    if (!self->offload)
        letters_destroy(&self);
    return self;
}

void letters_destroy(letters_t **self_p)
{
    letters_t *self = *self_p;
    letters_result_t ignored; /* a letter that is not settled yet is written again, as the same */
    if (!self)
        return;
    while (self->offload && offload_pending(self->offload) > 0) {
        struct pollfd finished = {.fd = letters_fd(self), .events = POLLIN};
        (void)poll(&finished, 1, -1); /* interrupted: asked again */
        (void)letters_take(self, &ignored);
    }
    offload_destroy(&self->offload);
    free(self);
    *self_p = NULL;
}

/* Copies the letter with all that its views point to. */
static bool copy_letter(job_t *job, const disk_letter_t *letter)
{
    return wire_encode(&job->texts, NULL, &disk_letter, letter) == 0 &&
           wire_decode(job->texts.bytes, job->texts.length, &disk_letter, &job->letter,
                       &job->memory, NULL) == WIRE_OK;
}

bool letters_put(letters_t *self, const disk_letter_t *letter, size_t sink, char *record,
                 size_t record_bytes, wire_view_t body_file)
{
    if (offload_pending(self->offload) >= LETTERS_MAX ||
        body_file.length > DISK_BODY_FILE_BYTES_MAX)
        return false;
    job_t *job = calloc(1, sizeof(*job));
    if (!job)
        return false;
    if (body_file.length > 0)
        memcpy(job->body_file, body_file.bytes, body_file.length);
    job->result = (letters_result_t){.sequence = letter->sequence, .sink = sink};
    job->record = record;
    job->record_bytes = record_bytes;
    if (!copy_letter(job, letter) || offload_put(self->offload, job) != 0) {
        job->record = NULL; /* stays the caller's */
        free_job(job);
        return false;
    }
    return true;
}

int letters_take(letters_t *self, letters_result_t *result)
{
    job_t *job = offload_take(self->offload);
    if (!job)
        return 0;
    *result = job->result;
    free_job(job);
    return 1;
}

int letters_fd(const letters_t *self)
{
    return offload_fd(self->offload);
}
