// README.md and docs/ against reality: what they show is what comes out, and what they name is there.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { binaryOf, PRESET } from '../harness/daemon.mjs';
import { eventually } from '../harness/eventually.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { listSettings } from '../harness/settings.mjs';
import { STAGES, startStack } from '../harness/stack.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGES = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .sort()
    .map((name) => `docs/${name}`),
];
/** All that users read, as one text; what the README shows comes first. */
const README = PAGES.map((page) => readFileSync(join(ROOT, page), 'utf8')).join('\n');
const SOURCES = execFileSync('git', ['ls-files', '*.c', '*.h'], { cwd: ROOT, encoding: 'utf8' })
  .trim()
  .split('\n')
  .map((path) => readFileSync(join(ROOT, path), 'utf8'))
  .join('\n');

/** The text of the fenced blocks in one language ('' for none), without the fences. */
const blocks = (language) =>
  [...README.matchAll(/^```(\w*)\n(.*?)^```$/gms)]
    .filter(([, name]) => name === language)
    .map(([, , text]) => text);
const blockWith = (language, words) => blocks(language).find((text) => text.includes(words));

let postgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.destroy());

/** A stack as scripts/run starts it, but for its ports, with a secret or without one. */
async function startAsRun(t, secret) {
  const ingress = secret
    ? { ELEVENLABS_WEBHOOK_SECRET: secret }
    : { ELEVENLABS_WEBHOOK_SECRET: undefined, INGRESS_ALLOW_UNSIGNED: 'true' };
  const stack = await startStack({ postgres, environment: { ingress } });
  t.after(() => stack.destroy());
  return stack;
}

/** Runs a block of shell as it stands there, at the port of this stack; returns what it prints. */
function runShell(stack, text) {
  assert.ok(text.includes('localhost:3003'));
  const here = text.replaceAll('localhost:3003', `127.0.0.1:${stack.ports.http}`);
  const { status, stdout, stderr } = spawnSync('bash', ['-euc', here], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout;
}

async function recordsOf(stack, count) {
  await eventually('the call has arrived', async () => {
    const { rows, records } = await stack.evidence();
    return rows.length === count && records.length === count;
  });
  return stack.evidence();
}

test('the call to try comes out as it is shown, and its queries find it', async (t) => {
  const stack = await startAsRun(t);
  const answer = runShell(stack, blockWith('bash', 'conv_test_123'));
  assert.equal(`${answer}\n`, blockWith('json', '"success"'));
  await recordsOf(stack, 1);
  const lines = readFileSync(stack.streamFile, 'utf8');
  assert.equal(lines, blockWith('json', '"resourceType"'));
  const psql = ['-X', '-Axc', 'SELECT id, data FROM resources', stack.database];
  assert.equal(execFileSync('psql', psql, { encoding: 'utf8' }), blockWith('', 'id|B0100001'));
  const object = join(stack.storeDirectory, 'transcripts/B0100001/conv_test_123.json');
  assert.equal(`${readFileSync(object, 'utf8')}\n`, blockWith('json', '"role"'));
  const answers = [];
  for (const query of blocks('sql')) answers.push(await postgres.query(query, [], stack.database));
  const [calls, month, days, actions] = answers;
  assert.equal(calls.length, 1);
  assert.equal(month[0].total_calls, '0', 'the call was in 2025');
  assert.deepEqual(
    [days[0].num_calls, Number(days[0].avg_duration), days[0].total_cost],
    ['1', 42, '350'],
  );
  assert.deepEqual(Object.values(actions[0]), ['voice_call', 'call_ended', 'elevenlabs', '1']);
});

test('the signed call is accepted', async (t) => {
  const stack = await startAsRun(t, 'wsec_try');
  const answer = runShell(stack, blockWith('bash', 'conv_signed_1'));
  assert.equal(JSON.parse(answer).message, 'Call data logged successfully');
  await recordsOf(stack, 1);
});

test('the tables of settings are those of --help', () => {
  const check = ['--check', join('build', PRESET, 'bin')];
  const { status, stdout } = spawnSync('scripts/readme-settings', check, {
    cwd: ROOT,
    encoding: 'utf8',
  });
  assert.equal(status, 0, `scripts/readme-settings would change a page:\n${stdout}`);
  for (const name of [...Object.keys(STAGES), 'replay'])
    assert.ok(README.includes(`<!-- settings of ${name} -->`));
});

test('metrics, log lines and dead-letter reasons that it names are there', () => {
  const metrics = README.match(/\bpostcall_[a-z_]+/g).filter((name) => name !== 'postcall_schema');
  assert.ok(metrics.length > 10);
  // What every daemon counts is named by metrics_name: the daemon stands before the rest.
  const ofEach = new RegExp(`^postcall_(${Object.keys(STAGES).join('|').replace(/-/g, '_')})_`);
  const isThere = (name) =>
    SOURCES.includes(`"${name}"`) || SOURCES.includes(`"${name.replace(ofEach, '')}"`);
  for (const name of metrics.filter((found) => !found.endsWith('_')))
    assert.ok(isThere(name), name);
  const lines = [...README.matchAll(/msg="([^"]+)"/g)].map(([, words]) => words);
  assert.ok(lines.length > 3);
  for (const words of lines) assert.ok(SOURCES.includes(`"${words}"`), words);
  const reasons = [...SOURCES.matchAll(/^#define DEAD_(?!LETTERS)\w+ +"(\w+)"$/gm)].map(
    ([, name]) => name,
  );
  assert.equal(reasons.length, 12);
  for (const reason of reasons) assert.ok(README.includes(`\`${reason}\``), reason);
});

test('settings that it names are there', async () => {
  const known = new Set(['NAME_FILE']);
  for (const name of Object.keys(STAGES))
    for (const row of await listSettings(name)) {
      known.add(row.name);
      if (/\bfile\b.*_FILE/.test(row.right)) known.add(`${row.name}_FILE`);
    }
  const named = [...README.matchAll(/`(\*?[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)[`=]/g)].map(
    ([, name]) => name,
  );
  assert.ok(named.length > 50);
  for (const name of named) {
    const isKnown = name.startsWith('*')
      ? [...known].some((other) => other.endsWith(name.slice(1)))
      : known.has(name);
    assert.ok(isKnown, name);
  }
});

test('files, folders and programs that it names are there', () => {
  const scripts = README.match(/(?:scripts|bench)\/[a-z-]+/g);
  for (const path of scripts) assert.ok(existsSync(join(ROOT, path)), path);
  const programs = README.match(/(?<!\.)\bpostcall-[a-z]+(-[a-z]+)*/g);
  for (const program of programs)
    assert.ok(existsSync(binaryOf(program.slice('postcall-'.length))), program);
});

/** The anchors of a page, as they are made of its headings. */
const anchorsOf = (text) =>
  [...text.replace(/^```.*?^```$/gms, '').matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

test('every link in every page of the repository leads somewhere', () => {
  const pages = execFileSync('git', ['ls-files', '*.md'], { cwd: ROOT, encoding: 'utf8' });
  let links = 0;
  for (const page of pages.trim().split('\n')) {
    const text = readFileSync(join(ROOT, page), 'utf8').replace(/^```.*?^```$/gms, '');
    for (const [, target] of text.matchAll(/\]\(([^) ]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [path, anchor] = target.split('#');
      const file = path ? join(dirname(page), path) : page;
      assert.ok(existsSync(join(ROOT, file)), `${page}: ${target}`);
      if (anchor)
        assert.ok(
          anchorsOf(readFileSync(join(ROOT, file), 'utf8')).includes(anchor),
          `${page}: ${target}`,
        );
      links++;
    }
  }
  assert.ok(links > 50);
});

test('the pictures are those of their sources', () => {
  const pictures = readdirSync(join(ROOT, 'docs/pictures')).filter((name) => name.endsWith('.dot'));
  assert.ok(pictures.length > 2);
  for (const name of pictures) {
    const source = readFileSync(join(ROOT, 'docs/pictures', name));
    const picture = readFileSync(join(ROOT, 'docs/pictures', name.replace(/dot$/, 'svg')), 'utf8');
    const digest = createHash('sha256').update(source).digest('hex');
    assert.ok(picture.includes(digest), `run scripts/pictures: ${name} has changed`);
  }
});

test('the first page stays short', () => {
  const lines = readFileSync(join(ROOT, 'README.md'), 'utf8').split('\n').length;
  assert.ok(lines <= 201, `README.md has ${lines} lines`);
});
