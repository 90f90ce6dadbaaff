#include "ingress/replies.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct replies {
    struct MHD_Response *kept[ANSWERS_COUNT];
    struct MHD_Response *closed[ANSWERS_COUNT];
};

static bool add(struct MHD_Response *response, const char *name, const char *value)
{
    return !value || MHD_add_response_header(response, name, value) == MHD_YES;
}

static struct MHD_Response *make(const answer_row_t *row, bool close)
{
    /* Never written to: the library takes the pointer without const. */
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(row->body), (void *)(uintptr_t)row->body, MHD_RESPMEM_PERSISTENT);
    if (!response)
        return NULL;
    if (add(response, "Content-Type", "application/json") && add(response, "Allow", row->allow) &&
        add(response, "Retry-After", row->retry ? ANSWER_RETRY_AFTER_SECONDS : NULL) &&
        add(response, "Connection", close || row->close ? "close" : NULL))
        return response;
    MHD_destroy_response(response);
    return NULL;
}

replies_t *replies_new(void)
{
    replies_t *self = calloc(1, sizeof(*self));
    bool complete = self != NULL;
    for (answer_t answer = 0; complete && answer < ANSWERS_COUNT; answer++) {
        self->kept[answer] = make(answer_row(answer), false);
        self->closed[answer] = make(answer_row(answer), true);
        complete = self->kept[answer] && self->closed[answer];
    }
    if (!complete)
        replies_destroy(&self);
    return self;
}

void replies_destroy(replies_t **self)
{
    replies_t *replies = *self;
    if (!replies)
        return;
    for (answer_t answer = 0; answer < ANSWERS_COUNT; answer++) {
        if (replies->kept[answer])
            MHD_destroy_response(replies->kept[answer]);
        if (replies->closed[answer])
            MHD_destroy_response(replies->closed[answer]);
    }
    free(replies);
    *self = NULL;
}

struct MHD_Response *replies_get(const replies_t *self, answer_t answer, bool close)
{
    return close ? self->closed[answer] : self->kept[answer];
}
