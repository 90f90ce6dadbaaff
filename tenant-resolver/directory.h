/* directory: who an agent belongs to, as the operator keeps it.  A kind of directory is a row of
 * functions; questions are answered later or at once, one answer for each.
 *
 * Thread rule: one thread, the loop's. */
#ifndef POSTCALL_TENANT_RESOLVER_DIRECTORY_H
#define POSTCALL_TENANT_RESOLVER_DIRECTORY_H

#include "common/base/metrics.h"
#include "tenant-resolver/agents.h"
#include "tenant-resolver/settings.h"

#include <poll.h>

typedef struct directory_t directory_t;

/* Directories keep questions until they are answered; more at once are a bug of the caller's. */
#define DIRECTORY_QUESTIONS_MAX 256

typedef struct {
    const char *prefix; /* of TENANT_DIRECTORY: what follows it is the name */
    directory_t *(*open)(const resolver_settings_t *settings, const char *name, metrics_t *metrics,
                         fault_t *fault);
    void (*destroy)(directory_t **self_p);
    /* True while another question may be put. */
    bool (*can_ask)(const directory_t *self);
    /* Puts a question; agent_id is copied.  0, or -1 when memory is out: there is no answer then.
     */
    int (*ask)(directory_t *self, wire_view_t agent_id, int64_t now_ms);
    /* 1: the next answer; agent_id is valid until the next call.  0: none now. */
    int (*take)(directory_t *self, int64_t now_ms, wire_view_t *agent_id, agent_verdict_t *verdict);
    /* True once after each change that was noticed. */
    bool (*changed)(directory_t *self, int64_t now_ms);
    /* Waits on `fds` and on what the directory itself waits for. */
    void (*wait)(directory_t *self, struct pollfd *fds, size_t count, int64_t wait_ms);
    /* NULL while it works; else why not. */
    const char *(*trouble)(const directory_t *self);
} directory_kind_t;

extern const directory_kind_t directory_file;
extern const directory_kind_t directory_dynamodb;

#endif
