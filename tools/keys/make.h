/* make: key files for the links between daemons, in the places that common/link/curve_keys.h tells.
 *
 * What is there already is never written over, so that it can run at every start of a stack; a run
 * that was cut short is completed by the next.  Several runs at once do no harm. */
#ifndef POSTCALL_TOOLS_KEYS_MAKE_H
#define POSTCALL_TOOLS_KEYS_MAKE_H

#include "common/link/curve_keys.h"

#include <stdbool.h>

/* What a process is to the others: a tenant-resolver is both. */
typedef struct {
    const char *name;
    bool source;
    bool worker;
} make_member_t;

#define MAKE_MEMBERS_MAX 16

/* All processes that have a link, from the table of hops (proto/endpoints.h); how many. */
size_t make_members(make_member_t members[MAKE_MEMBERS_MAX]);

typedef struct {
    bool made; /* false: the secret key was there */
    char fingerprint[CURVE_FINGERPRINT_BYTES];
} make_result_t;

/* Makes the member's secret key in the file `name`.key (member->name, or that and ".next"), and
 * publishes its public key beside those that are there.  0, or -1 with a fault. */
int make_keys(const char *directory, const make_member_t *member, const char *name,
              make_result_t *result, fault_t *fault);

#endif
