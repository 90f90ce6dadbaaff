/* lookup: asks for the addresses of a name without holding up the loop that asks.
 *
 * Each question has a thread of its own for as long as it takes: the system's resolver blocks, for
 * half a minute when its servers are silent, and can neither be polled nor stopped.  So a thread is
 * left to itself when nobody waits for it any more.  Nothing is remembered here; when to ask, and
 * what to do with the answer, is the caller's.
 *
 * Thread rule: one thread, the one that made it; `resolve` is called on the lookup's threads. */
#ifndef POSTCALL_COMMON_LINK_LOOKUP_H
#define POSTCALL_COMMON_LINK_LOOKUP_H

#include "common/base/fault.h"

#include <stdbool.h>
#include <stddef.h>

#define LOOKUP_ADDRESSES_MAX 256
/* The longest numeric address, with the scope of a link-local one (INET6_ADDRSTRLEN, IF_NAMESIZE).
 */
#define LOOKUP_ADDRESS_BYTES 64

typedef struct {
    size_t count; /* 0 with a fault */
    bool cut;     /* there were more than LOOKUP_ADDRESSES_MAX */
    fault_t fault;
    char addresses[LOOKUP_ADDRESSES_MAX][LOOKUP_ADDRESS_BYTES]; /* numeric; each once */
} lookup_answer_t;

/* Fills in the addresses of `host`, or the fault.  Blocks as long as it likes. */
typedef void lookup_resolve_t(void *context, const char *host, lookup_answer_t *answer);

/* As the system resolves names: /etc/hosts, DNS, IPv4 and IPv6.  `context` is ignored. */
lookup_resolve_t lookup_system;

typedef struct lookup_t lookup_t;

/* `context` outlives the last call of `resolve`, whenever that returns.  NULL and a fault when
 * memory or a descriptor is not to be had. */
lookup_t *lookup_new(lookup_resolve_t *resolve, void *context, fault_t *fault);
/* Waits for nothing; what is still being asked is forgotten. */
void lookup_destroy(lookup_t **self_p);

/* Asks for the addresses of `host`; `tag` comes back with the answer.  0, or -1 with a fault. */
int lookup_ask(lookup_t *self, const char *host, size_t tag, fault_t *fault);
/* The next answer, to be freed with free(), and its tag; NULL when there is none yet. */
lookup_answer_t *lookup_take(lookup_t *self, size_t *tag);

/* A descriptor that is readable while answers wait to be taken.  Only for polling. */
int lookup_fd(const lookup_t *self);

#endif
