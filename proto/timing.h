/* timing: the intervals that both sides of a hop rely on, and what must hold between them.
 *
 * They are defaults of settings.  Whoever changes one on one side keeps these relations: a peer is
 * not given up while it pings, and a lease does not run out while somebody works on it. */
#ifndef POSTCALL_PROTO_TIMING_H
#define POSTCALL_PROTO_TIMING_H

/* Both sides ping so often. */
#define TIMING_PING_INTERVAL_MS 1000
/* A peer that says nothing for so long is gone; a large body in transit delays its pings. */
#define TIMING_PEER_SILENCE_MS 15000
/* A worker whose connection is closed has so long to come back. */
#define TIMING_PEER_GONE_MS 2000
/* A refused worker asks again after this. */
#define TIMING_REFUSED_RETRY_MS 10000
/* A lease without an outcome runs out after this. */
#define TIMING_ACK_WAIT_MS 30000
/* `working` extends the lease of an event that waits so often.  A sink that begins to write just
 * before that has a deadline of 20 s, twice 10 s where a batch waits for another, and the lease
 * must outlast it: a backend that hangs is answered with `retry` and never a lease that runs out.
 */
#define TIMING_WORKING_INTERVAL_MS 5000
/* A `resolved` without its `go` is said again with every such interval, and given up after this. */
#define TIMING_GO_WAIT_MS 60000
/* A name is looked up so often. */
#define TIMING_LOOKUP_INTERVAL_MS 5000

_Static_assert(TIMING_PEER_SILENCE_MS >= 3 * TIMING_PING_INTERVAL_MS,
               "one lost ping is no silence");
_Static_assert(TIMING_PEER_GONE_MS < TIMING_PEER_SILENCE_MS, "a closed connection tells sooner");
_Static_assert(2 * TIMING_WORKING_INTERVAL_MS < TIMING_ACK_WAIT_MS,
               "a late `working` still comes in time");

/* As the text of a setting's default. */
#define TIMING_TEXT(interval)  TIMING_TEXT_(interval)
#define TIMING_TEXT_(interval) #interval

#endif
