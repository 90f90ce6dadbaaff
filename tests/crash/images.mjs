// What a power cut may leave of a disk: a few ways that are always tried, and any others by chance.

import { mixed } from './disk.mjs';

const all = () => true;
const none = () => false;
const whole = (file) => file.contents();
const synced = (file) => file.synced;

/** `stale`: bytes of another file, which a disk may show where it was never written. */
const fixedWays = (stale) => ({
  synced: { names: none, bytes: synced },
  all: { names: all, bytes: whole },
  names: { names: all, bytes: synced },
  bytes: { names: none, bytes: whole },
  zeros: { names: all, bytes: (file) => mixed(file, { beyond: () => 'zero' }) },
  stale: { names: all, bytes: (file) => mixed(file, { beyond: () => 'stale', stale }) },
  torn: {
    names: all,
    bytes: (file) => mixed(file, { beyond: (index, count) => (2 * index < count ? 'new' : 'cut') }),
  },
  later: {
    names: all,
    bytes: (file) =>
      mixed(file, { beyond: (index, count) => (2 * index < count ? 'zero' : 'new') }),
  },
});

/** A generator of pseudo-random numbers (mulberry32). */
export function chanceOf(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return { flip: () => next() < 0.5, pick: (list) => list[Math.floor(next() * list.length)] };
}

/** Each name, file and block by itself; the choice for a change or file is made once an image. */
function anyWay(chance, stale) {
  const chosen = new Map();
  const once = (thing, choose) => {
    if (!chosen.has(thing)) chosen.set(thing, choose());
    return chosen.get(thing);
  };
  const block = {
    overwritten: () => chance.pick(['old', 'new']),
    beyond: () => chance.pick(['new', 'new', 'new', 'zero', 'stale', 'cut']),
    stale,
  };
  const ways = [synced, whole, (file) => mixed(file, block), (file) => mixed(file, block)];
  return {
    names: (change) => once(change, () => chance.flip()),
    bytes: (file) => once(file, () => chance.pick(ways)(file)),
  };
}

/** The images of a disk at this moment, each once: [way, image] with `more` by chance. */
export function imagesOf(disk, { chance, stale, more }) {
  const images = new Map();
  const add = (way, left) => {
    const image = disk.image(left);
    if (!images.has(image.key)) images.set(image.key, [way, image]);
  };
  Object.entries(fixedWays(stale)).forEach(([way, left]) => add(way, left));
  for (let index = 0; index < more; index += 1) add(`any ${index}`, anyWay(chance, stale));
  return [...images.values()];
}
