/* deadlines: when a connection has had its time.
 *
 * The HTTP library closes what is silent; a sender of one byte a second is never silent.  So every
 * phase of a connection has an end that the sender cannot push away: the head as a whole, the body
 * by its average rate, the pause between requests, the taking of the answer.
 *
 * Pure; the caller keeps the figures and the clock.  Safe from any thread. */
#ifndef POSTCALL_INGRESS_DEADLINES_H
#define POSTCALL_INGRESS_DEADLINES_H

#include <stdint.h>

typedef struct {
    int64_t head_ms;          /* from the first moment to the end of a request's head */
    int64_t keep_alive_ms;    /* between two requests; more than a proxy in front waits */
    int64_t silence_ms;       /* without a byte, in a body */
    int64_t rate_grace_ms;    /* no average is taken before */
    int64_t rate_bytes_per_s; /* on average, of a body */
    int64_t store_ms;         /* for the journal to answer */
    int64_t answer_ms;        /* for the sender to take the answer */
    int64_t linger_ms;        /* for the sender to read the answer to a request that was cut off */
} deadlines_t;

typedef enum {
    PHASE_HEAD,    /* a request is expected or its head is on the way */
    PHASE_KEPT,    /* between requests */
    PHASE_BODY,    /* the head is there, the body not all */
    PHASE_STORING, /* all is there; the journal has it */
    PHASE_ANSWERING,
    PHASE_CUT, /* answered in the middle of a request; what still comes is not looked at */
    PHASES_COUNT
} deadlines_phase_t;

/* How far a connection is. */
typedef struct {
    deadlines_phase_t phase;
    int64_t since_ms;     /* when the phase began */
    int64_t last_byte_ms; /* when the last piece of the body came, or the phase began */
    int64_t body_bytes;   /* so far */
} deadlines_pace_t;

typedef enum {
    DEADLINE_NONE, /* it may go on */
    DEADLINE_HEAD,
    DEADLINE_KEEP_ALIVE,
    DEADLINE_SILENCE,
    DEADLINE_RATE,
    DEADLINE_STORE,
    DEADLINE_ANSWER,
    DEADLINE_LINGER,
    DEADLINES_COUNT
} deadline_t;

/* Which deadline has passed at `now_ms`. */
deadline_t deadline_passed(const deadlines_t *deadlines, const deadlines_pace_t *pace,
                           int64_t now_ms);

/* How often to look so that none is missed by more than a tenth of itself; 5 to 1000 ms. */
int64_t deadlines_tick_ms(const deadlines_t *deadlines);

#endif
