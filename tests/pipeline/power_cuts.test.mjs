// The power fails at every system call of an ingress: whatever a disk may have kept by then, the
// next start keeps every promise. See tests/crash/README.md.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { mayNotTrace } from '../harness/syscalls.mjs';
import { Disk } from '../crash/disk.mjs';
import { chanceOf, imagesOf } from '../crash/images.mjs';
import { Promises, SINKS } from '../crash/promises.mjs';
import { mixedEvent, record } from '../crash/record.mjs';
import { followLife, recordingArguments } from '../crash/recording.mjs';
import { PROGRAM, Reopener, scratchParent, writeImage } from '../crash/reopener.mjs';

const skip = mayNotTrace();
const MORE = Number(process.env.CRASH_IMAGES ?? 1); // by chance, at each cut
const AGAIN = Number(process.env.CRASH_AGAIN ?? 6); // starts that are cut as well
const SEED = Number(process.env.CRASH_SEED ?? 1);

// The ways of images.mjs in which no file is half there.
const UNTORN = ['synced', 'all', 'names', 'bytes'];

const events = (from, to) =>
  Array.from({ length: to - from }, (_, index) => mixedEvent(from + index));

test('no power cut breaks a promise', { skip }, async (t) => {
  const sent = events(1, 61);
  const kills = [];
  const recording = await record(async (recorder) => {
    await recorder.live();
    await recorder.send(sent.slice(0, 20));
    await recorder.rest();
    await recorder.ingress.stopCleanly();
    // Nobody takes anything: all syncs but those of a segment's beginning are of events.
    recorder.stack.daemons['tenant-resolver'].pause();
    await recorder.live(['fdatasync:signal=SIGKILL:when=10'], { INGRESS_SEGMENT_BYTES: '1MiB' });
    // Two at a time: at most two share a sync, so there are enough of them on any machine.
    await recorder.send(sent.slice(20, 40), { connections: 2 });
    kills.push(await recorder.killed());
    recorder.stack.daemons['tenant-resolver'].resume();
    // Nor does a deletion sync what the start ought to have synced.
    await recorder.live(['fsync:signal=SIGKILL:when=14'], { INGRESS_RETENTION_HOURS: '72' });
    // One at a time: who repeats what the killed process wrote is answered before anything new.
    await recorder.send(sent.slice(20, 50), { connections: 1 });
    kills.push(await recorder.killed());
    await recorder.live();
    await recorder.send(sent.slice(20, 60), { connections: 1 });
    await recorder.rest();
    await recorder.ingress.stopCleanly();
  });
  t.after(() => recording.destroy());
  const lasts = await checkCuts(t, recording, sent);
  assert.deepEqual(kills, [true, true]);
  const inSync = ({ name, path }) => name === 'fdatasync' && path.endsWith('.journal');
  assert.ok(lasts[1].some(inSync), 'the second life did not end in the sync of an event');
});

/** For each life: every moment at which the power may fail, and what a kill left undone. */
function* cutsOf({ traces, root }, promises) {
  const disk = new Disk();
  const chance = chanceOf(SEED);
  let stale = Buffer.alloc(0);
  for (const [life, path] of traces.entries()) {
    const cuts = [];
    const unfinished = followLife(path, {
      disk,
      root,
      promise: (side, message) => promises.hear(side, message),
      cut: (call) => {
        stale = longestSegment(disk) ?? stale;
        cuts.push({
          where: `life ${life + 1}, cut ${cuts.length + 1}, ${call}`,
          promised: promises.now(),
          images: imagesOf(disk, { chance, stale, more: MORE }),
        });
      },
    });
    yield { cuts, unfinished };
  }
}

async function checkCuts(t, recording, sent) {
  const promises = new Promises(sent);
  const reopener = new Reopener(SINKS);
  t.after(() => reopener.remove());
  const known = new Map();
  const lasts = [];
  const torn = [];
  for (const { cuts, unfinished } of cutsOf(recording, promises)) {
    lasts.push(unfinished);
    for (const [, image] of cuts.flatMap(({ images }) => images)) {
      if (!known.has(image.key)) known.set(image.key, await reopener.begin(image, 'ingress'));
    }
    for (const { where, promised, images } of cuts) {
      for (const [way, image] of images) {
        const found = await known.get(image.key).found;
        const wrong = promises.broken(promised, found);
        if (UNTORN.includes(way) && found.damaged_records + found.damaged_files > 0)
          wrong.push('what is whole is called damaged');
        assert.deepEqual(wrong, [], `${where}, ${way}`);
        if (!UNTORN.includes(way)) torn.push({ where: `${where}, ${way}`, promised, image });
      }
    }
    t.diagnostic(`${cuts.length} cuts, ${known.size} images, ${promises.answered.size} answered`);
  }
  const chance = chanceOf(SEED);
  for (let count = 0; count < AGAIN; count += 1)
    await checkStart(t, chance, chance.pick(torn), { promises, reopener });
  await reopener.close();
  return lasts;
}

/** The power fails again, while a journal is started on what the first failure left. */
async function checkStart(t, chance, { where, promised, image }, { promises, reopener }) {
  const scratch = mkdtempSync(join(scratchParent(), 'postcall-start-'));
  t.after(() => rmSync(scratch, { recursive: true, force: true }));
  const root = join(scratch, 'image');
  const trace = join(scratch, 'trace');
  writeImage(root, image);
  const started = spawnSync('strace', [...recordingArguments(trace), PROGRAM, ...SINKS], {
    input: `${root}/ingress\n`,
  });
  assert.equal(started.status, 0, String(started.stderr));
  const disk = Disk.of(image);
  const stale = longestSegment(disk);
  const images = new Map();
  followLife(trace, {
    disk,
    root,
    promise: () => {},
    cut: (call) => {
      for (const [way, left] of imagesOf(disk, { chance, stale, more: MORE }))
        if (!images.has(left.key)) images.set(left.key, [`${call}, ${way}`, left]);
    },
  });
  assert.ok(images.size > 20, `${images.size} images of a start`);
  for (const [again, left] of images.values()) {
    const { found } = await reopener.begin(left, 'ingress');
    assert.deepEqual(promises.broken(promised, await found), [], `${where}; again ${again}`);
  }
  t.diagnostic(`${where}: ${images.size} images of its start`);
}

// Of a segment, so that what is stale looks like what is fresh.
function longestSegment(disk) {
  const segments = disk.find('ingress/0/segments')?.entries() ?? new Map();
  return [...segments]
    .filter(([name]) => name.endsWith('.journal'))
    .map(([, file]) => file.synced)
    .sort((one, other) => other.length - one.length)[0];
}
