/* delivery: the way of events from the journal to the sinks, and what may go wrong on it.
 *
 * README.md says what stands for what in the code, and what is left out.  WITHOUT_... takes one rule back: then
 * the checker must find something broken.
 *
 * A lease is a process here.  It travels from place to place and may be lost at each, which is what messages do,
 * without their frames.  Time is left out: what is deferred wakes up at some time, what is lost is noticed at some
 * time, and a lease may run out early. */

#include "options.pml"

/* The states of a pair (one event for one sink). */
mtype = { NONE, WAITING, LEASED, DEFERRED, SUSPECT, DYING, SETTLED };
/* The places of a lease. */
mtype = { NOWHERE, TO_RESOLVER, LOOKED_UP, RESOLVED, RECORDED, QUEUED, TO_WORKER, AT_WORKER, WRITTEN, TO_INGRESS };
/* Outcomes. */
mtype = { DONE, RETRY, RETRY_SINK, DEAD, LOST };
/* Sinks: it works; it is down and its worker says so; it is down and its worker dies of whatever it gets. */
mtype = { UP, REFUSES, DIES };
/* What may be found broken. */
mtype = { nothing_is_forgotten, settled_with_an_outcome, one_tenant, no_letter_while_down, only_poison_dies,
          one_probe, capacity_is_kept, deferred_are_bounded, stopping_loses_nothing, everything_settled };

typedef pair_t {
  mtype state = SETTLED;
  byte lease;          /* the current one + 1, or 0 */
  bool alone;          /* it was given while nothing else was out */
  byte run_outs;
  byte alone_run_outs;
  bool proof           /* since its first run-out alone the sink has worked */
};

typedef sink_t {
  bool paused;
  byte probe;          /* the lease that probes + 1, or 0 */
  byte alone;          /* the suspect that is out + 1, or 0 */
  bool turn;           /* of the suspects */
  mtype mood = UP;
  byte leaving;        /* its worker was asked to stop: 1: it has said `bye`; 2: the resolver has heard it */
  bool known_down;     /* (the checker's) it has said that it is down, and has written nothing since */
  byte tries           /* (the checker's) leases given since then that are not over */
};

typedef lease_t {
  mtype place = NOWHERE;
  byte event;
  byte sink;
  byte resolver;
  byte tenant;         /* 0: not known yet */
  bool alone;
  bool out;            /* the ingress has it in its table, against the resolver's credit */
  bool old;            /* it is of an earlier incarnation of the ingress */
  bool cut;            /* its resolver is gone: nobody passes on what becomes of it */
  bool counted;        /* (the checker's) it is one of the sink's `tries` */
  mtype outcome = DONE;
  byte number          /* WITHOUT_WHOLE_LEASE */
};

#define PAIR(e, s) ((e) * SINKS + (s))
pair_t pair[3 * SINKS];
sink_t sink[SINKS];
lease_t lease[4];
chan waiting[SINKS] = [3] of { byte };     /* events, in the order in which they are given again */
chan queue[RESOLVERS * SINKS] = [4] of { byte };   /* leases that wait at a resolver for a worker's credit */
byte recorded, on_disk;                    /* whose the conversation is (all events are of one): written, synced */
byte ingress_crashes, resolver_crashes, worker_crashes, worker_stops, losses, early, rejections;
byte last_number;                          /* WITHOUT_WHOLE_LEASE */
byte used[RESOLVERS * SINKS];              /* WITHOUT_ABSOLUTE_CREDIT */

/* What is true outside, whatever any process believes. */
bool written[3 * SINKS];                   /* the sink has it */
bool ruled_out[3 * SINKS];                 /* it is not for this sink, the resolver has found */
bool letter[3 * SINKS];                    /* its dead letter is on stable storage */
byte tenants;                              /* under which it was written, a bit each */
#define HAS_OUTCOME(e, s) (written[PAIR(e, s)] || ruled_out[PAIR(e, s)] || letter[PAIR(e, s)])

mtype broken;
inline holds(property, condition) {
  if
  :: (condition)
  :: else -> broken = property; printf("broken: "); printm(broken); printf("\n"); assert(false)
  fi
}

/* How many pairs of a sink are in a state.  Events that a run does not use are settled from the start. */
#define IS(e, s, x) (pair[PAIR(e, s)].state == x)
#define COUNT(s, x) (IS(0, s, x) + IS(1, s, x) + IS(2, s, x))
/* Of four leases. */
#define SUM(of, r, s) (of(0, r, s) + of(1, r, s) + of(2, r, s) + of(3, r, s))

/* Credit: what is out at a resolver for a sink, against its capacity. */

#define SIZE(e) ((e) == LARGE -> CAPACITY + 1 : 1)
#define IS_OUT(n, r, s) (lease[n].out && lease[n].resolver == (r) && lease[n].sink == (s))
#define IS_CURRENT_OUT(n, r, s) (IS_OUT(n, r, s) && pair[PAIR(lease[n].event, s)].lease == (n) + 1)
#define SIZE_OUT(n, r, s) (IS_OUT(n, r, s) -> SIZE(lease[n].event) : 0)
#if defined(WITHOUT_ABSOLUTE_CREDIT)
#define USED(r, s) used[(r) * SINKS + (s)]
#elif defined(WITHOUT_EXPIRED_COUNTED)
#define USED(r, s) SUM(IS_CURRENT_OUT, r, s)
#else
#define USED(r, s) SUM(SIZE_OUT, r, s)
#endif
#ifdef WITHOUT_LARGE
#define HAS_CREDIT(r, s, e) (USED(r, s) + SIZE(e) <= CAPACITY)
#else
#define HAS_CREDIT(r, s, e) (USED(r, s) == 0 || USED(r, s) + SIZE(e) <= CAPACITY)
#endif
/* What a resolver has for a sink of this incarnation of the ingress, wherever it stands. */
#define IS_HELD(n, r, s) (lease[n].place != NOWHERE && !lease[n].old && !lease[n].cut && \
                          lease[n].resolver == (r) && lease[n].sink == (s))

/* What is at the worker of a sink, or on its way to it. */
#define IS_THERE(n, r, s) (lease[n].sink == (s) && \
  (lease[n].place == TO_WORKER || lease[n].place == AT_WORKER || lease[n].place == WRITTEN))
#define IS_ALONE_THERE(n, r, s) (IS_THERE(n, r, s) && lease[n].alone)

/* Nobody has it any more; the ingress may not know that yet. */
inline vanish(n) {
  lease[n].place = NOWHERE;
  lease[n].outcome = DONE;
  lease[n].tenant = 0;
  lease[n].alone = false;
  lease[n].old = false;
  lease[n].cut = false
}

/* The ingress: the states of a pair (common/delivery/dispatch). */

#define IS_OPEN(e, s) (!IS(e, s, NONE) && !IS(e, s, SETTLED))
#define IS_CURRENT(n, e, s) (IS(e, s, LEASED) && pair[PAIR(e, s)].lease == n + 1)
#define IS_SUSPECT(e, s) (pair[PAIR(e, s)].run_outs >= 2)

inline leave(e, s) {
  if
  :: IS(e, s, WAITING) -> waiting[s]??eval(e)
  :: else
  fi;
  if
  :: sink[s].alone == e + 1 -> sink[s].alone = 0
  :: else
  fi;
  pair[PAIR(e, s)].lease = 0
}

inline hand_back(e, s) {
  leave(e, s);
  if
  :: IS_SUSPECT(e, s) -> pair[PAIR(e, s)].state = SUSPECT
  :: else -> pair[PAIR(e, s)].state = WAITING; waiting[s]!e
  fi
}

inline defer(e, s) {
  leave(e, s);
  pair[PAIR(e, s)].state = (IS_SUSPECT(e, s) -> SUSPECT : DEFERRED);
  holds(deferred_are_bounded, COUNT(s, DEFERRED) < APART + WINDOW)
}

inline settle(e, s) {
  leave(e, s);
  holds(settled_with_an_outcome, HAS_OUTCOME(e, s));
  pair[PAIR(e, s)].state = SETTLED;
  pair[PAIR(e, s)].alone = false;
  pair[PAIR(e, s)].run_outs = 0;
  pair[PAIR(e, s)].alone_run_outs = 0;
  pair[PAIR(e, s)].proof = false;
  if
  :: e == TRAFFIC -> pair[PAIR(e, s)].state = NONE; written[PAIR(e, s)] = false; ruled_out[PAIR(e, s)] = false
  :: else
  fi
}

inline start_dying(e, s) {
#ifdef WITHOUT_LETTER_FIRST
  settle(e, s)
#else
  leave(e, s);
  pair[PAIR(e, s)].state = DYING
#endif
}

inline end_probe(n, s) {
  if
  :: sink[s].probe == n + 1 -> sink[s].probe = 0
  :: else
  fi
}

inline answered(e, s) {
  if
  :: !IS_SUSPECT(e, s) -> sink[s].turn = true
  :: else
  fi
}

inline prove(other, e, s) {
  if
  :: other != e && pair[PAIR(other, s)].alone_run_outs > 0 -> pair[PAIR(other, s)].proof = true
  :: else
  fi
}

#ifdef WITHOUT_WORD_OF_THE_SINK
#define PROVES_NOTHING(e, s) false
#else
#define PROVES_NOTHING(e, s) ruled_out[PAIR(e, s)]
#endif

/* The sink works: its pause ends, and suspects have no excuse. */
inline works(e, s) {
  if
  :: PROVES_NOTHING(e, s)
  :: else -> sink[s].paused = false; sink[s].probe = 0; prove(0, e, s); prove(1, e, s); prove(2, e, s)
  fi
}

#ifdef WITHOUT_PROOF
#define IS_PROVEN(e, s) true
#else
#define IS_PROVEN(e, s) pair[PAIR(e, s)].proof
#endif

inline run_out_alone(e, s) {
  if
  :: pair[PAIR(e, s)].alone_run_outs < MAX_DELIVER -> pair[PAIR(e, s)].alone_run_outs++
  :: else
  fi;
  if
  :: pair[PAIR(e, s)].alone_run_outs == MAX_DELIVER && IS_PROVEN(e, s) ->
    holds(no_letter_while_down, sink[s].mood == UP);
    holds(only_poison_dies, e == POISON);
    start_dying(e, s)
  :: else -> hand_back(e, s)
  fi
}

#ifdef WITHOUT_COUNTING_ALONE
#define COUNTS_AS_ALONE(e, s) true
#else
#define COUNTS_AS_ALONE(e, s) pair[PAIR(e, s)].alone
#endif

inline run_out(n, e, s) {
  holds(stopping_loses_nothing, WORKER_STOPS == 0);
  if
  :: pair[PAIR(e, s)].run_outs < 2 -> pair[PAIR(e, s)].run_outs++
  :: else
  fi;
  end_probe(n, s);
  if
  :: COUNTS_AS_ALONE(e, s) -> run_out_alone(e, s)
  :: else -> hand_back(e, s)
  fi
}

/* The ingress: what comes back (common/delivery/dispatch_hear). */

inline hear_done(e, s) {
  if
  :: IS_OPEN(e, s) -> answered(e, s); works(e, s); settle(e, s)
  :: else
  fi
}

inline pause(n, s) {
  if
  :: !sink[s].paused || sink[s].probe == n + 1 -> sink[s].paused = true; sink[s].probe = 0
  :: else
  fi
}

inline hear_retry(n, e, s, whole_sink) {
  answered(e, s);
  if
#ifndef WITHOUT_PAUSE
  :: whole_sink -> pause(n, s); hand_back(e, s)
#else
  :: whole_sink -> end_probe(n, s); hand_back(e, s)
#endif
  :: else -> end_probe(n, s); defer(e, s)
  fi
}

#ifdef WITHOUT_CURRENT_ONLY
#define COUNTS(n, e, s) (IS(e, s, LEASED) || IS(e, s, SUSPECT))
#else
#define COUNTS(n, e, s) IS_CURRENT(n, e, s)
#endif

inline hear_other(n, e, s, said) {
  if
  :: !COUNTS(n, e, s)
  :: else ->
    if
    :: said == LOST -> run_out(n, e, s)
    :: said == DEAD -> answered(e, s); end_probe(n, s); start_dying(e, s)
    :: said == RETRY -> hear_retry(n, e, s, false)
    :: said == RETRY_SINK -> hear_retry(n, e, s, true)
    fi
  fi
}

/* (The checker's) What is known of the sink, and whether a try of it is over. */
inline follow_tries(n) {
  if
  :: lease[n].counted -> lease[n].counted = false; sink[lease[n].sink].tries--
  :: else
  fi;
  if
  :: lease[n].outcome == RETRY_SINK && !lease[n].old -> sink[lease[n].sink].known_down = true
  :: lease[n].outcome == DONE && !ruled_out[PAIR(lease[n].event, lease[n].sink)] -> sink[lease[n].sink].known_down = false
  :: else
  fi
}

#ifdef WITHOUT_LATE_DONE
#define DONE_COUNTS(n, e, s) (!lease[n].old && IS_CURRENT(n, e, s))
#else
#define DONE_COUNTS(n, e, s) true
#endif

/* What lease n says is about lease m (common/link/source_hear). */
inline hear_about(n, m) {
  e = lease[m].event;
  s = lease[m].sink;
  if
  :: lease[n].outcome == DONE && DONE_COUNTS(n, e, s) -> hear_done(e, s)
  :: lease[n].outcome == DONE && !DONE_COUNTS(n, e, s)
  :: lease[n].outcome != DONE && !lease[m].old -> hear_other(m, e, s, lease[n].outcome)
  :: lease[n].outcome != DONE && lease[m].old
  fi;
  lease[m].out = false
}

inline hear(n) {
  follow_tries(n);
  m = n;
#ifdef WITHOUT_WHOLE_LEASE
  m = 0;
  do
  :: m < 4 && !(lease[m].out && lease[m].number == lease[n].number) -> m++
  :: else -> break
  od;
#endif
#ifdef WITHOUT_ABSOLUTE_CREDIT
  used[lease[n].resolver * SINKS + lease[n].sink]--;
#endif
  if
  :: m < 4 -> hear_about(n, m)
  :: else
  fi;
  vanish(n);
  e = 0; s = 0; m = 0
}

/* The ingress: what may go (common/delivery/dispatch_give). */

#if defined(WITHOUT_DEFERRED_APART)
#define IN_WINDOW(s) (COUNT(s, WAITING) + COUNT(s, LEASED) + COUNT(s, DEFERRED))
#elif defined(WITHOUT_SUSPECTS_APART)
#define IN_WINDOW(s) (COUNT(s, WAITING) + COUNT(s, LEASED) + COUNT(s, SUSPECT))
#elif defined(WITHOUT_OWN_WINDOW)
#define IN_WINDOW(s) (COUNT(0, WAITING) + COUNT(0, LEASED) + COUNT(SINKS - 1, WAITING) + COUNT(SINKS - 1, LEASED))
#else
#define IN_WINDOW(s) (COUNT(s, WAITING) + COUNT(s, LEASED))
#endif
#ifdef WITHOUT_BOUND
#define IS_APART_FULL(s) false
#else
#define IS_APART_FULL(s) (COUNT(s, DEFERRED) >= APART)
#endif
#define FRESH_WAITS(s) (COUNT(s, NONE) > 0 && !IS_APART_FULL(s))
#define OTHERS_WAIT(s) (FRESH_WAITS(s) || COUNT(s, WAITING) > 0)
#if defined(WITHOUT_SUSPECTS_TURN)
#define SUSPECT_IS_NEXT(s) (COUNT(s, SUSPECT) > 0 && !OTHERS_WAIT(s))
#elif defined(WITHOUT_OTHERS_TURN)
#define SUSPECT_IS_NEXT(s) (COUNT(s, SUSPECT) > 0)
#else
#define SUSPECT_IS_NEXT(s) (COUNT(s, SUSPECT) > 0 && (sink[s].turn || !OTHERS_WAIT(s)))
#endif
#ifdef WITHOUT_ALONE
#define MAY_GO(s) (!sink[s].paused || sink[s].probe == 0)
#define MAY_GO_ALONE(r, s) HAS_CREDIT(r, s, NEXT_SUSPECT(s))
#else
#define MAY_GO(s) (sink[s].alone == 0 && (!sink[s].paused || sink[s].probe == 0))
#define MAY_GO_ALONE(r, s) (COUNT(s, LEASED) == 0 && USED(r, s) == 0)
#endif
#define TRIED(e, s) (IS(e, s, SUSPECT) -> pair[PAIR(e, s)].alone_run_outs : 9)
#define NEXT_SUSPECT(s) (TRIED(0, s) <= TRIED(1, s) && TRIED(0, s) <= TRIED(2, s) -> 0 : (TRIED(1, s) <= TRIED(2, s) -> 1 : 2))
#define NEXT_FRESH(s) (IS(0, s, NONE) -> 0 : (IS(1, s, NONE) -> 1 : 2))
#define IS_TAKEN(n) (lease[n].out || lease[n].place != NOWHERE)
#define HAS_SLOT (!IS_TAKEN(0) || (LEASES > 1 && !IS_TAKEN(1)) || (LEASES > 2 && !IS_TAKEN(2)) || (LEASES > 3 && !IS_TAKEN(3)))
#define MAY_GIVE_FRESH(r, s) (sink[s].leaving < 2 && MAY_GO(s) && !SUSPECT_IS_NEXT(s) && COUNT(s, WAITING) == 0 && \
                              FRESH_WAITS(s) && IN_WINDOW(s) < WINDOW && HAS_CREDIT(r, s, NEXT_FRESH(s)))
#define CAN_GIVE(s) (HAS_SLOT && sink[s].leaving < 2 && MAY_GO(s))

inline give(e, s, r, is_alone) {
  n = 0;
  do
  :: IS_TAKEN(n) -> n++
  :: else -> break
  od;
  lease[n].event = e;
  lease[n].sink = s;
  lease[n].resolver = r;
  lease[n].tenant = on_disk;
  lease[n].alone = is_alone;
  lease[n].out = true;
  lease[n].place = TO_RESOLVER;
#ifdef WITHOUT_WHOLE_LEASE
  last_number++;
  lease[n].number = last_number;
#endif
#ifdef WITHOUT_ABSOLUTE_CREDIT
  used[r * SINKS + s]++;
#endif
  holds(capacity_is_kept, SUM(IS_HELD, r, s) <= CAPACITY);
  leave(e, s);
  pair[PAIR(e, s)].state = LEASED;
  pair[PAIR(e, s)].lease = n + 1;
  pair[PAIR(e, s)].alone = is_alone;
  if
  :: sink[s].paused -> sink[s].probe = n + 1
  :: else
  fi;
  if
  :: is_alone -> sink[s].alone = e + 1; sink[s].turn = false
  :: else
  fi;
  if
  :: sink[s].known_down ->
    lease[n].counted = true;
    sink[s].tries++;
    holds(one_probe, sink[s].tries == 1)
  :: else
  fi;
  n = 0
}

#define GIVE_AGAIN(e, r) \
  :: atomic { CAN_GIVE(s) && !SUSPECT_IS_NEXT(s) && waiting[s]?[e] && HAS_CREDIT(r, s, e) -> give(e, s, r, false) }
#define GIVE(r) \
  :: atomic { CAN_GIVE(s) && SUSPECT_IS_NEXT(s) && MAY_GO_ALONE(r, s) -> f = NEXT_SUSPECT(s); give(f, s, r, true); f = 0 } \
  GIVE_AGAIN(0, r) GIVE_AGAIN(1, r) GIVE_AGAIN(2, r) \
  :: atomic { HAS_SLOT && MAY_GIVE_FRESH(r, s) -> f = NEXT_FRESH(s); give(f, s, r, false); f = 0 }

proctype Giver(byte s) {
  byte f, n;
end:
  do
  GIVE(0)
#if RESOLVERS > 1
  GIVE(1)
#endif
  :: atomic { SUSPECT_IS_NEXT(s) && sink[s].turn && COUNT(s, LEASED) == 0 && USED(0, s) > 0 && USED(RESOLVERS - 1, s) > 0 ->
              sink[s].turn = false }
  od
}

/* What happens to a pair in the course of time.  A delay is long: what is fresh goes meanwhile. */
proctype Timer(byte e, s) {
end:
  do
  :: atomic { IS(e, s, DEFERRED) && !MAY_GIVE_FRESH(0, s) -> pair[PAIR(e, s)].state = WAITING; waiting[s]!e }
  :: atomic { IS(e, s, DYING) -> letter[PAIR(e, s)] = true; settle(e, s) }
  :: atomic { IS(e, s, LEASED) && (EARLY == 9 || early < EARLY) ->
      early = early + (EARLY == 9 -> 0 : 1);
      run_out(pair[PAIR(e, s)].lease - 1, e, s) }
  od
}

/* The resolution is written to the outcome log; a sync makes it count. */
active proctype Sync() {
end:
  do
  :: atomic { on_disk != recorded -> on_disk = recorded }
  od
}

/* A lease on its way. */

#define BELIEF (lease[n].resolver + 1)   /* the resolvers do not agree: the agent has just moved */

#ifdef WITHOUT_FIRST_IS_FINAL
#define FINAL BELIEF
#else
#define FINAL (recorded -> recorded : BELIEF)
#endif
#ifdef WITHOUT_SYNC_BEFORE_GO
#define MAY_SAY_GO (recorded != 0)
#define GO recorded
#else
#define MAY_SAY_GO (on_disk != 0 && on_disk == recorded)
#define GO on_disk
#endif
#ifdef WITHOUT_WAITING_FOR_GO
#define AFTER_LOOK_UP TO_RESOLVER; lease[n].tenant = BELIEF; recorded = FINAL
#else
#define AFTER_LOOK_UP RESOLVED
#endif

#define QUEUE queue[lease[n].resolver * SINKS + lease[n].sink]
#ifdef WITHOUT_FIRST_IN_FIRST_OUT
#define IS_NEXT_IN_QUEUE QUEUE??[eval(n)]
#else
#define IS_NEXT_IN_QUEUE QUEUE?[eval(n)]
#endif
/* The resolver and the worker hold nothing else beside what goes alone. */
#ifdef WITHOUT_ALONE
#define MAY_GO_DOWN true
#else
#define MAY_GO_DOWN (SUM(IS_ALONE_THERE, 0, lease[n].sink) == 0 && (!lease[n].alone || SUM(IS_THERE, 0, lease[n].sink) == 0))
#endif

/* An outcome is said; if the resolver is gone, to nobody. */
inline say(what) {
  if
  :: lease[n].cut -> vanish(n)
  :: else -> lease[n].outcome = what; lease[n].place = TO_INGRESS
  fi
}

/* The resolver notices that the worker which had it is gone. */
inline lose_at_worker(n) {
#ifdef WITHOUT_LOST
  if
  :: !lease[n].cut -> lease[n].place = QUEUED; QUEUE!n
  :: else -> vanish(n)
  fi
#else
  say(LOST)
#endif
}

/* The worker of a sink dies with all that it has, and is started again. */
inline worker_dies(s) {
  atomic {
    n_ = n;
    n = 0;
    do
    :: n < 4 && IS_THERE(n, 0, s) -> lose_at_worker(n); n++
    :: n < 4 && !IS_THERE(n, 0, s) -> n++
    :: n == 4 -> break
    od;
    n = n_;
    n_ = 0
  }
}

#define IS_REFUSED(e) ((e) == REFUSED || REFUSED == 8)

inline try_to_write() {
  e = lease[n].event;
  s = lease[n].sink;
  if
  :: sink[s].mood == REFUSES -> say(RETRY_SINK)
  :: sink[s].mood == DIES || (s == 0 && e == POISON) -> worker_dies(s)
  :: sink[s].mood == UP && s == 0 && IS_REFUSED(e) -> say(RETRY)
  :: sink[s].mood == UP && !(s == 0 && (e == POISON || IS_REFUSED(e))) && rejections < REJECTIONS -> rejections++; say(DEAD)
  :: sink[s].mood == UP && !(s == 0 && (e == POISON || IS_REFUSED(e))) ->
    written[PAIR(e, s)] = true;
    tenants = tenants | (1 << lease[n].tenant);
    holds(one_tenant, (tenants & (tenants - 1)) == 0);
    lease[n].place = WRITTEN
  fi;
  e = 0; s = 0
}

proctype Lease(byte n) {
  byte e, s, m, n_;
end:
  do
  :: atomic { lease[n].place == TO_RESOLVER && lease[n].tenant == 0 -> lease[n].place = LOOKED_UP }
  :: atomic { lease[n].place == TO_RESOLVER && lease[n].tenant != 0 && lease[n].sink == 0 && lease[n].event == RULED_OUT ->
      ruled_out[PAIR(lease[n].event, 0)] = true;
      say(DONE) }
  :: atomic { lease[n].place == TO_RESOLVER && lease[n].tenant != 0 && !(lease[n].sink == 0 && lease[n].event == RULED_OUT) ->
      lease[n].place = QUEUED;
      QUEUE!n }
  :: atomic { lease[n].place == LOOKED_UP && !lease[n].old -> lease[n].place = AFTER_LOOK_UP }
  :: atomic { lease[n].place == RESOLVED && !lease[n].old && IS_OPEN(lease[n].event, lease[n].sink) ->
      recorded = FINAL;
      lease[n].place = RECORDED }
  /* It hears nothing: the event is settled, or the ingress is another one. */
  :: atomic { (lease[n].place == LOOKED_UP || lease[n].place == RESOLVED || lease[n].place == RECORDED) &&
              (lease[n].old || !IS_OPEN(lease[n].event, lease[n].sink)) -> say(RETRY) }
  :: atomic { lease[n].place == RECORDED && !lease[n].old && MAY_SAY_GO ->
      lease[n].tenant = GO;
      lease[n].place = TO_RESOLVER }
  :: atomic { lease[n].place == QUEUED && IS_NEXT_IN_QUEUE && sink[lease[n].sink].leaving < 2 &&
              SUM(IS_THERE, 0, lease[n].sink) < AT_ONCE && MAY_GO_DOWN ->
      QUEUE??eval(n);
      lease[n].place = TO_WORKER }
  /* Without a worker nothing waits for one. */
  :: atomic { lease[n].place == QUEUED && sink[lease[n].sink].leaving == 2 -> QUEUE??eval(n); say(RETRY) }
  :: atomic { lease[n].place == TO_WORKER -> lease[n].place = AT_WORKER }
  :: atomic { lease[n].place == AT_WORKER -> try_to_write() }
  :: atomic { lease[n].place == WRITTEN -> say(DONE) }
  :: atomic { lease[n].place == TO_INGRESS -> hear(n) }
  /* The ingress finds that it is nowhere: by a pong, or since its resolver is gone. */
  :: atomic { lease[n].out && (lease[n].place == NOWHERE || lease[n].cut) -> 
      e = lease[n].event; s = lease[n].sink;
      if
      :: lease[n].counted -> lease[n].counted = false; sink[s].tries--
      :: else
      fi;
      hear_other(n, e, s, LOST);
      lease[n].out = false;
      e = 0; s = 0 }
  od
}

/* What goes wrong. */

#define IS_USED(i) ((i) / SINKS < EVENTS)

inline ingress_restarts() {
  i = 0;
  do
  :: i < 3 * SINKS && pair[i].state == NONE -> i++
  :: i < 3 * SINKS && pair[i].state == SETTLED && IS_USED(i) -> pair[i].state = NONE; i++   /* the settlement was not synced */
  :: i < 3 * SINKS && pair[i].state == SETTLED ->
    holds(nothing_is_forgotten, !IS_USED(i) || written[i] || ruled_out[i] || letter[i]);
    i++
#ifdef WITHOUT_DEFERRED_KEPT
  :: i < 3 * SINKS && pair[i].state == DEFERRED ->
    holds(nothing_is_forgotten, written[i] || ruled_out[i] || letter[i]);
    i++
#endif
  :: i < 3 * SINKS && pair[i].state != NONE && pair[i].state != SETTLED -> forget_pair(i); i++
  :: i == 3 * SINKS -> break
  od;
  i = 0;
  do
  :: i < SINKS ->
    do
    :: nempty(waiting[i]) -> waiting[i]?_
    :: empty(waiting[i]) -> break
    od;
    sink[i].paused = false; sink[i].probe = 0; sink[i].alone = 0; sink[i].turn = false;
    sink[i].known_down = false; sink[i].tries = 0;
    i++
  :: i == SINKS -> break
  od;
  i = 0;
  do
  :: i < 4 ->
    lease[i].out = false;
    lease[i].counted = false;
    lease[i].old = (lease[i].place != NOWHERE);
    i++
  :: i == 4 -> break
  od;
  i = 0;
  last_number = 0;
  if
  :: on_disk = recorded
  :: recorded = on_disk
  fi
}

inline forget_pair(i) {
  pair[i].state = NONE;
  pair[i].lease = 0;
  pair[i].alone = false;
  pair[i].run_outs = 0;
  pair[i].alone_run_outs = 0;
  pair[i].proof = false
}

inline resolver_dies(r) {
  n = 0;
  do
  :: n < 4 && lease[n].resolver != r -> n++
  :: n < 4 && lease[n].resolver == r && lease[n].place == NOWHERE -> n++
  :: n < 4 && lease[n].resolver == r && IS_THERE(n, r, lease[n].sink) -> lease[n].cut = true; n++
  :: n < 4 && lease[n].resolver == r && lease[n].place != NOWHERE && !IS_THERE(n, r, lease[n].sink) ->
    if
    :: lease[n].place == QUEUED -> QUEUE??eval(n)
    :: else
    fi;
    vanish(n);
    n++
  :: n == 4 -> break
  od;
  n = 0
}

#define IS_ON_ITS_WAY(n) (lease[n].place == TO_RESOLVER || lease[n].place == TO_INGRESS)
#define IS_ON_ITS_WAY_BELOW(n) (lease[n].place == TO_WORKER || lease[n].place == WRITTEN)
#define LOSE(k) \
  :: atomic { losses < LOSSES && IS_ON_ITS_WAY(k) -> losses++; vanish(k) } \
  :: atomic { losses < LOSSES && IS_ON_ITS_WAY_BELOW(k) -> losses++; n = k; lose_at_worker(k); n = 0 }
#define CRASH_RESOLVER(r) :: atomic { resolver_crashes < RESOLVER_CRASHES -> resolver_crashes++; resolver_dies(r) }
#define CRASH_WORKER(s) :: atomic { worker_crashes < WORKER_CRASHES -> worker_crashes++; worker_dies(s) }

proctype Trouble() {
  byte i, n, n_;
end:
  do
  :: atomic { ingress_crashes < INGRESS_CRASHES -> ingress_crashes++; ingress_restarts() }
  CRASH_RESOLVER(0)
#if RESOLVERS > 1
  CRASH_RESOLVER(1)
#endif
  CRASH_WORKER(0)
  LOSE(0) LOSE(1) LOSE(2) LOSE(3)
  od
}

/* The worker of sink 0 is asked to stop, and started again. */
inline hand_back_all() {
  n = 0;
  do
  :: n < 4 && IS_THERE(n, 0, 0) && lease[n].place == AT_WORKER -> say(RETRY); n++
  :: n < 4 && IS_THERE(n, 0, 0) && lease[n].place == WRITTEN -> say(DONE); n++
  :: n < 4 && IS_THERE(n, 0, 0) && lease[n].place == TO_WORKER -> lose_at_worker(n); n++
  :: n < 4 && !IS_THERE(n, 0, 0) -> n++
  :: n == 4 -> break
  od;
  n = 0
}

#define IS_ON_ITS_WAY_TO(n, r, s) (lease[n].place == TO_WORKER && lease[n].sink == s)
#ifdef WITHOUT_BYE
#define MAY_LEAVE true
#else
#define MAY_LEAVE (sink[0].leaving == 2 && SUM(IS_ON_ITS_WAY_TO, 0, 0) == 0)   /* first in, first out: `bye` comes last */
#endif

proctype Stop() {
  byte n;
end:
  do
  :: atomic { worker_stops < WORKER_STOPS && sink[0].leaving == 0 -> worker_stops++; sink[0].leaving = 1 }
  :: atomic { sink[0].leaving == 1 -> sink[0].leaving = 2 }
  :: atomic { sink[0].leaving > 0 && MAY_LEAVE -> hand_back_all(); sink[0].leaving = 0 }
  od
}

#define ADD_PAIR(e, s) if :: e < EVENTS -> pair[PAIR(e, s)].state = NONE; run Timer(e, s) :: else fi

init {
  atomic {
    ADD_PAIR(0, 0); ADD_PAIR(1, 0); ADD_PAIR(2, 0);
    run Giver(0);
#if SINKS > 1
    ADD_PAIR(0, 1); ADD_PAIR(1, 1); ADD_PAIR(2, 1);
    run Giver(1);
#endif
#ifndef MOVED_AGENT
    recorded = 1;
    on_disk = 1;
#endif
#if DOWN > 0
    if
    :: DOWN < 2 -> sink[0].mood = REFUSES
    :: sink[0].mood = DIES
    :: sink[0].mood = DIES; sink[0].leaving = 2   /* there is none */
    fi;
#endif
    run Lease(0);
    if :: LEASES > 1 -> run Lease(1) :: else fi;
    if :: LEASES > 2 -> run Lease(2) :: else fi;
    if :: LEASES > 3 -> run Lease(3) :: else fi;
#if INGRESS_CRASHES + RESOLVER_CRASHES + WORKER_CRASHES + LOSSES > 0
    run Trouble();
#endif
#if WORKER_STOPS > 0
    run Stop();
#endif
    skip
  }
}

#define ALL_SETTLED(s) (IS(0, s, SETTLED) && IS(1, s, SETTLED) && IS(2, s, SETTLED))
#if DOWN > 0
#define AIM (SINKS == 1 || ALL_SETTLED(SINKS - 1))
#elif REFUSED < 9
#define AIM (IS(1, 0, SETTLED) && IS(2, 0, SETTLED))
#elif TRAFFIC < 9
#define AIM IS(0, 0, SETTLED)
#else
#define AIM (ALL_SETTLED(0) && ALL_SETTLED(SINKS - 1))
#endif
/* When nothing can move any more. */
active proctype Watch() {
  timeout -> holds(everything_settled, AIM)
}

ltl everything_settles { <> [] (AIM) }
