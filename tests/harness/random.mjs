// Pseudo-random choices from a seed (mulberry32): the same seed chooses the same on every machine.

export function randomOf(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const below = (n) => Math.floor(next() * n);
  return {
    chance: (p) => next() < p,
    below,
    between: (from, to) => from + below(to - from + 1),
    pick: (list) => list[below(list.length)],
    /** One of the names of {name: weight}. */
    weigh(weights) {
      const all = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
      let left = next() * all;
      return Object.keys(weights).find((name) => (left -= weights[name]) < 0);
    },
    /** A copy in another order. */
    shuffle: (list) =>
      list.reduce((mixed, item, index) => {
        const at = below(index + 1);
        mixed.splice(at, 0, item);
        return mixed;
      }, []),
  };
}

/** A seed made of several numbers: that of part 7 of seed 1 tells nothing of part 8. */
export function seedOf(...numbers) {
  return numbers.reduce(
    (seed, number) => Math.imul((seed ^ number) + 0x9e3779b9, 0x85ebca6b) >>> 0,
    numbers.length,
  );
}
