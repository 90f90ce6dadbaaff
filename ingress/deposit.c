#include "ingress/deposit.h"

#include "common/base/log_event.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct deposit {
    deposits_t *deposits;
    void *waiter;
    atomic_int holders;  /* the owner; the journal or the offload; the last one frees */
    atomic_bool claimed; /* somebody has decided the answer */
    answer_t answer;     /* written by who claimed it, before wake */
    bool started;
    bool decided; /* `identity` and `plan` are filled */
    bool discard; /* a kept body file is not wanted after all */
    deposit_envelope_t envelope;
    identity_t identity;
    intake_plan_t plan;
    journal_append_t append;
    void (*work)(deposit_t *self); /* the next thing for the offload */
};

deposit_t *deposit_new(deposits_t *deposits, void *waiter)
{
    deposit_t *self = calloc(1, sizeof(*self));
    if (!self)
        return NULL;
    self->deposits = deposits;
    self->waiter = waiter;
    self->envelope.body.room = &deposits->room;
    atomic_init(&self->holders, 1);
    atomic_fetch_add(&deposits->alive, 1);
    return self;
}

deposit_envelope_t *deposit_envelope(deposit_t *self)
{
    return &self->envelope;
}

answer_t deposit_answer(const deposit_t *self)
{
    return self->answer;
}

static void destroy(deposit_t *self)
{
    deposits_t *deposits = self->deposits;
    body_free(&self->envelope.body, self->discard);
    free(self->envelope.target);
    free(self->envelope.content_type);
    for (size_t i = 0; i < PROVIDER_HEADERS_MAX; i++)
        free(self->envelope.headers[i]);
    if (self->started)
        atomic_fetch_sub(&deposits->waiting, 1);
    free(self);
    atomic_fetch_sub(&deposits->alive, 1);
}

/* Closing and deleting a large file takes the disk a while: not on a thread that serves others. */
static void drop_hold(deposit_t *self)
{
    if (atomic_fetch_sub(&self->holders, 1) > 1)
        return;
    self->work = destroy;
    if (!self->envelope.body.file || offload_put(self->deposits->offload, self) != 0)
        destroy(self);
}

void deposit_release(deposit_t **self)
{
    if (*self)
        drop_hold(*self);
    *self = NULL;
}

bool deposits_are_over(deposits_t *deposits)
{
    return atomic_load(&deposits->alive) == 0 && atomic_load(&deposits->inside) == 0;
}

/* Whoever is late changes nothing. */
void deposit_give_up(deposit_t *self, answer_t answer)
{
    deposits_t *deposits = self->deposits;
    atomic_fetch_add(&deposits->inside, 1);
    if (!atomic_exchange(&self->claimed, true)) {
        self->answer = answer;
        deposits->wake(self->waiter);
    }
    atomic_fetch_sub(&deposits->inside, 1);
}

/* Reads who and when, and makes the plan; false when there is nothing to store. */
static bool decide(deposit_t *self, const char *body, answer_t *answer)
{
    const deposit_envelope_t *envelope = &self->envelope;
    *answer = ANSWER_OVERLOADED;
    json_reader_t *reader = readers_take(self->deposits->readers);
    if (!reader)
        return false;
    fault_t fault = {.text = ""};
    provider_request_t asked = {.signer_tenant = envelope->signer.tenant};
    for (size_t i = 0; i < PROVIDER_HEADERS_MAX; i++)
        asked.headers[i] = envelope->headers[i];
    int read = envelope->provider->identify(reader, &asked, body, envelope->body.bytes,
                                            &self->identity, &fault);
    readers_put(self->deposits->readers, reader);
    if (read != 0)
        return false;
    const intake_request_t request = {
        .provider = envelope->provider,
        .is_unsigned = envelope->is_unsigned,
        .signature = envelope->signature,
        .identity = &self->identity,
        .digest = envelope->digest,
        .body_bytes = envelope->body.bytes,
        .received_us = envelope->received_us,
        .method = envelope->method,
        .target = envelope->target,
        .content_type = envelope->content_type,
        .signature_header = envelope->headers[0],
    };
    intake_decide(&request, &self->plan);
    self->decided = true;
    *answer = self->plan.answer;
    if (self->plan.dead_reason)
        log_line(LOG_LEVEL_DEBUG, "webhook goes to no sink",
                 LOG_TEXT("reason", self->plan.dead_reason), LOG_TEXT("detail", fault.text));
    return self->plan.store;
}

bool deposit_prepare(deposit_t *self, answer_t *answer)
{
    fault_t fault;
    body_t *body = &self->envelope.body;
    return body->file || decide(self, body_view(body, &fault), answer);
}

static void log_stored(const deposit_t *self, journal_answer_t answer)
{
    static const char *const words[] = {[JOURNAL_STORED] = "stored",
                                        [JOURNAL_DUPLICATE] = "duplicate",
                                        [JOURNAL_FULL] = "full",
                                        [JOURNAL_DEAD] = "dead"};
    log_line(LOG_LEVEL_DEBUG, "webhook", LOG_EVENT_ID(self->plan.event_id),
             LOG_TEXT("type", self->identity.type), LOG_NUMBER("bytes", self->envelope.body.bytes),
             LOG_TEXT("journal", words[answer]));
}

/* On the journal's thread.  When the journal is dead the record may be on the disk all the same, so
 * its body stays: what no record names is deleted at the next start. */
static void stored(journal_append_t *append, journal_answer_t answer)
{
    deposit_t *self = (deposit_t *)((char *)append - offsetof(deposit_t, append));
    deposits_t *deposits = self->deposits;
    atomic_fetch_add(&deposits->inside, 1);
    counts_stored(deposits->room.counts, answer, self->plan.dead_reason);
    log_stored(self, answer);
    self->discard = answer == JOURNAL_DUPLICATE || answer == JOURNAL_FULL;
    deposit_give_up(self, intake_answer(&self->plan, answer));
    drop_hold(self);
    atomic_fetch_sub(&deposits->inside, 1);
}

/* Hands the deposit to the journal, together with a hold. */
static void submit(deposit_t *self)
{
    fault_t fault;
    body_t *body = &self->envelope.body;
    self->append = (journal_append_t){
        .event = &self->plan.event,
        .body = body->file ? NULL : body_view(body, &fault),
        .body_bytes = body->file ? 0 : body->bytes,
        .complete = stored,
    };
    memcpy(self->append.dedupe, self->plan.dedupe, JOURNAL_DEDUPE_BYTES);
    journal_submit(self->deposits->room.journal, &self->append);
}

/* Reads and syncs a body that goes to a file; false and an answer when that failed. */
static bool keep_apart(deposit_t *self, answer_t *answer)
{
    fault_t fault;
    body_t *body = &self->envelope.body;
    if (!self->decided) {
        const char *view = body_view(body, &fault);
        *answer = ANSWER_STORAGE_UNAVAILABLE;
        if (!view || !decide(self, view, answer))
            return false;
    }
    if (!body_spill(body, answer))
        return false;
    const char *name = body_keep(body, answer);
    self->plan.event.body_file = wire_view(name);
    return name != NULL;
}

static void store_apart(deposit_t *self)
{
    answer_t answer = ANSWER_STORAGE_SLOW;
    if (!atomic_load(&self->claimed) && keep_apart(self, &answer)) {
        submit(self);
        return;
    }
    self->discard = true;
    deposit_give_up(self, answer);
    drop_hold(self);
}

void deposit_start(deposit_t *self)
{
    self->started = true;
    atomic_fetch_add(&self->deposits->waiting, 1);
    atomic_fetch_add(&self->holders, 1);
    if (self->decided && !self->plan.apart) {
        submit(self);
        return;
    }
    self->work = store_apart;
    if (offload_put(self->deposits->offload, self) == 0)
        return;
    deposit_give_up(self, ANSWER_OVERLOADED);
    drop_hold(self);
}

void deposit_work(void *deposits, void *deposit)
{
    /* Deposits own themselves, so a finished one is only to be forgotten. */
    while (offload_take(((deposits_t *)deposits)->offload))
        continue;
    deposit_t *self = deposit;
    self->work(self);
}
