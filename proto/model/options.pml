/* The sizes and switches of a run; `check` sets them (-DNAME=VALUE), these are the values without it. */

#ifndef EVENTS
#define EVENTS 2           /* that are in the journal, at most 3 */
#endif
#ifndef SINKS
#define SINKS 1            /* at most 2 */
#endif
#ifndef RESOLVERS
#define RESOLVERS 1        /* at most 2 */
#endif
#ifndef LEASES
#define LEASES 3           /* on their way at once, at most 4 */
#endif
#ifndef WINDOW
#define WINDOW 3           /* waiting and leased, per sink */
#endif
#ifndef APART
#define APART 3            /* deferred, per sink; then the cursor stops */
#endif
#ifndef CAPACITY
#define CAPACITY 3         /* of a resolver, per sink */
#endif
#ifndef AT_ONCE
#define AT_ONCE 3          /* what the worker of a sink takes */
#endif
#ifndef MAX_DELIVER
#define MAX_DELIVER 2
#endif

/* How often each of these may happen. */
#ifndef INGRESS_CRASHES
#define INGRESS_CRASHES 0
#endif
#ifndef RESOLVER_CRASHES
#define RESOLVER_CRASHES 0
#endif
#ifndef WORKER_CRASHES
#define WORKER_CRASHES 0
#endif
#ifndef WORKER_STOPS
#define WORKER_STOPS 0     /* in order, with `bye` */
#endif
#ifndef LOSSES
#define LOSSES 0           /* of a message, with the connection that it was on */
#endif
#ifndef EARLY
#define EARLY 0            /* a lease runs out although nothing happened to it; 9: as often as you like */
#endif
#ifndef REJECTIONS
#define REJECTIONS 0       /* `dead` from a sink */
#endif
#ifndef DOWN
#define DOWN 0             /* 1: sink 0 is down: it says so, or its worker dies of all it gets, or there is none; 2: not the first */
#endif

/* Sorts of events; 9: none is. */
#ifndef POISON
#define POISON 9           /* kills the worker of sink 0 */
#endif
#ifndef REFUSED
#define REFUSED 9          /* sink 0 answers `retry` for ever; 8: to all */
#endif
#ifndef RULED_OUT
#define RULED_OUT 9        /* not for sink 0: the resolver says `done` in its place */
#endif
#ifndef TRAFFIC
#define TRAFFIC 9          /* traffic without an end: when it is settled, the next one comes */
#endif
#ifndef LARGE
#define LARGE 9            /* larger than the whole capacity */
#endif

/* MOVED_AGENT: nobody has been resolved yet, and the resolvers do not agree whose the agent is. */
