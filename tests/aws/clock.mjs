// The clock that the local AWS judges signatures and key lifetimes by. Tests shift it; real time
// goes on beneath.

export function createClock() {
  let shiftMs = 0;
  return {
    /** Milliseconds since 1970. */
    now: () => Date.now() + shiftMs,
    /** Puts the clock so many seconds before (negative) or after the real time. */
    setSkew(seconds) {
      shiftMs = seconds * 1000;
    },
  };
}
