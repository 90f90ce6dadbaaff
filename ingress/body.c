#include "ingress/body.h"

#include "common/base/log.h"

#include <assert.h>
#include <errno.h>

/* Takes `amount` of a shared quota; false, and nothing taken, when it is used up. */
static bool take(_Atomic int64_t *used, int64_t amount, int64_t max)
{
    if (atomic_fetch_add(used, amount) + amount <= max)
        return true;
    atomic_fetch_sub(used, amount);
    return false;
}

static void give_back(_Atomic int64_t *used, int64_t *amount)
{
    atomic_fetch_sub(used, *amount);
    *amount = 0;
}

static void free_memory(body_t *self)
{
    buffer_free(&self->memory);
    give_back(&self->room->memory_bytes, &self->memory_bytes);
}

static bool refuse(answer_t *refusal, answer_t answer)
{
    *refusal = answer;
    return false;
}

static answer_t disk_answer(int error)
{
    return error == ENOSPC ? ANSWER_STORAGE_FULL : ANSWER_STORAGE_FAILED;
}

static bool append_to_file(body_t *self, const void *bytes, size_t length, answer_t *refusal)
{
    body_room_t *room = self->room;
    if (!take(&room->file_bytes, (int64_t)length, room->file_bytes_max)) {
        counts_limit(room->counts, LIMIT_FILE_BYTES);
        return refuse(refusal, ANSWER_OVERLOADED);
    }
    self->file_bytes += (int64_t)length;
    if (journal_body_write(self->file, bytes, length) != 0)
        return refuse(refusal, disk_answer(errno));
    return true;
}

/* Memory is counted as it is allocated, not as it is used. */
static bool append_to_memory(body_t *self, const void *bytes, size_t length)
{
    body_room_t *room = self->room;
    if ((int64_t)(self->memory.length + length) > room->spill_bytes)
        return false;
    if (buffer_reserve(&self->memory, length) != 0)
        return false;
    int64_t more = (int64_t)self->memory.capacity - self->memory_bytes;
    if (more > 0 && !take(&room->memory_bytes, more, room->memory_bytes_max)) {
        counts_limit(room->counts, LIMIT_MEMORY_BYTES);
        return false;
    }
    self->memory_bytes += more;
    return buffer_append(&self->memory, bytes, length) == 0;
}

bool body_spill(body_t *self, answer_t *refusal)
{
    if (self->file)
        return true;
    fault_t fault;
    self->file = journal_body_new(self->room->journal, &fault);
    if (!self->file) {
        log_line(LOG_LEVEL_DEBUG, "no file for a body", LOG_TEXT("reason", fault.text));
        return refuse(refusal, ANSWER_STORAGE_UNAVAILABLE);
    }
    if (!append_to_file(self, self->memory.bytes, self->memory.length, refusal))
        return false;
    free_memory(self);
    return true;
}

bool body_append(body_t *self, const void *bytes, size_t length, answer_t *refusal)
{
    if (self->file || !append_to_memory(self, bytes, length)) {
        if (!body_spill(self, refusal) || !append_to_file(self, bytes, length, refusal))
            return false;
    }
    self->bytes += length;
    return true;
}

const char *body_view(body_t *self, fault_t *fault)
{
    if (self->file)
        return journal_body_map(self->file, 0, fault);
    return self->memory.bytes ? self->memory.bytes : "";
}

const char *body_keep(body_t *self, answer_t *refusal)
{
    assert(self->file);
    fault_t fault;
    errno = 0;
    const char *name = journal_body_keep(self->file, &fault);
    if (!name) {
        *refusal = disk_answer(errno);
        log_line(LOG_LEVEL_DEBUG, "a body could not be synced", LOG_TEXT("reason", fault.text));
    }
    return name;
}

void body_free(body_t *self, bool discard)
{
    free_memory(self);
    journal_body_destroy(&self->file, discard);
    give_back(&self->room->file_bytes, &self->file_bytes);
    self->bytes = 0;
}
