/* journal: what a 200 promises, against kills, power cuts and damaged bytes.
 *
 * Two webhooks, the second of which stands behind the first in the last segment.  What is written is in the page cache, where
 * a kill leaves it and a power cut does not; what is synced stays. */

#define EVENTS 2

typedef event_t {
  bool cached;      /* its record is in the segment, as any process sees it */
  bool stable;      /* and on stable storage */
  bool clean;       /* a sync of it failed, and the kernel believes that it is written: no later one writes it */
  bool damaged;     /* a byte of it was changed */
  bool known;       /* the process would call the same webhook a duplicate */
  bool shown;       /* the process gives it to the sinks: its key may be forgotten, the event may not */
  bool promised     /* it was answered 200 */
};
event_t event[EVENTS];
bool up = true;
bool dead;          /* a sync failed: nothing is stored any more */
byte kills, cuts, failures, damages, posts;

mtype = { a_promise_is_kept, damage_costs_one_event, a_duplicate_is_there };
mtype broken;
inline holds(property, condition) {
  if
  :: (condition)
  :: else -> broken = property; printf("broken: "); printm(broken); printf("\n"); assert(false)
  fi
}

/* Power is gone: of what was not synced some is there and some is not. */
inline lose_cache(e) {
  if
  :: event[e].cached && !event[e].stable -> event[e].cached = false
  :: event[e].cached && !event[e].stable -> event[e].stable = true
  :: else
  fi
}

inline stop() {
  up = false;
  dead = false;
  event[0].known = false; event[1].known = false;
  event[0].shown = false; event[1].shown = false
}

/* A start: what the last segment holds is copied, record by record, synced and renamed; then it counts. */
#ifdef WITHOUT_COPYING
#define STABLE_AFTER_START(e) event[e].stable
#else
#define STABLE_AFTER_START(e) event[e].cached
#endif
#ifdef WITHOUT_READING_ON
#define READS_ON_TO(e) ((e) == 0 || !event[0].damaged)
#else
#define READS_ON_TO(e) true
#endif
inline find(e) {
  if
  :: event[e].cached && !event[e].damaged && READS_ON_TO(e) ->
    event[e].stable = STABLE_AFTER_START(e);
    event[e].known = true;
    event[e].shown = true
  :: else
  fi;
  holds(damage_costs_one_event, !event[e].promised || event[e].damaged || event[e].shown)
}

proctype Sender(byte e) {
end:
  do
  /* The record is written; the answer waits for the sync. */
  :: atomic { up && !dead && posts < 3 && !event[e].known && !event[e].cached && (e == 0 || event[0].cached || event[0].shown) ->
      posts++;
      event[e].cached = true;
#ifdef WITHOUT_SYNC_BEFORE_ANSWER
      event[e].promised = true
#endif
    }
  /* The same webhook again: answered like the first, which must be stable. */
  :: atomic { up && !dead && posts < 3 && event[e].known ->
      posts++;
      event[e].promised = true;
      holds(a_duplicate_is_there, event[e].cached) }
  :: atomic { up && !dead && event[e].cached && !event[e].known && !event[e].damaged ->
      event[e].stable = !event[e].clean; event[e].known = true; event[e].shown = true; event[e].promised = true }
  /* The sync fails: the kernel calls the pages clean all the same. */
  :: atomic { up && !dead && event[e].cached && !event[e].stable && failures < 1 ->
      failures++;
      event[e].clean = true;
#ifdef WITHOUT_DYING
      skip
#else
      dead = true
#endif
    }
  od
}

active proctype Trouble() {
end:
  do
  :: atomic { up && (kills < 2 || dead) -> kills = kills + (kills < 2 -> 1 : 0); stop() }
  :: atomic { cuts < 1 ->
      cuts++;
      stop();
      lose_cache(0);
      lose_cache(1);
      holds(a_promise_is_kept, (!event[0].promised || event[0].stable) && (!event[1].promised || event[1].stable)) }
  :: atomic { damages < 1 && event[0].promised && !event[0].damaged -> damages++; event[0].damaged = true }
  :: atomic { !up -> up = true; find(0); find(1) }
  od
}

init {
  atomic { run Sender(0); run Sender(1) }
}
