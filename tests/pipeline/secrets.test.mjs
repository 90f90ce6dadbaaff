// What nobody may read in a log, on a page, on a command line or in an error: secrets, what was
// said on the phone, and who called.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startAws } from '../aws/aws.mjs';
import { startDaemon } from '../harness/daemon.mjs';
import { eventually } from '../harness/eventually.mjs';
import { send } from '../harness/load.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { runDaemon } from '../harness/settings.mjs';
import { STAGES, startStack } from '../harness/stack.mjs';
import { sign, transcription, twilioFailure } from '../harness/webhook.mjs';

const PASSWORD = 'hunter2Zq9';
const SECRET = 'wsec_hidden_51c0ffee';
const OLD_SECRET = 'wsec_hidden_01dface';
const WORDS = 'my diagnosis is nobody-elses-business';
const PHONE = '+40722111222';

let postgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.destroy());

function withPassword(url) {
  return url.replace('postgres@', `postgres:${PASSWORD}@`);
}

/** Everything that can be read of a running daemon from outside. */
async function publicOf(daemon) {
  const pages = await Promise.all(
    ['metrics', 'readyz', 'healthz', 'nothing'].map(async (page) =>
      (await fetch(`http://${daemon.admin}/${page}`)).text(),
    ),
  );
  const commandLine = readFileSync(`/proc/${daemon.pid}/cmdline`, 'utf8');
  return [...daemon.lines, ...pages, commandLine].join('\n');
}

function assertHidden(text, hidden, where) {
  for (const part of hidden) {
    const line = text.split('\n').find((one) => one.includes(part));
    assert.equal(line, undefined, `${where} shows ${part}`);
  }
}

/** Webhooks that are accepted, refused and kept as dead letters, with the same words in each. */
async function sendAllSorts(url, first) {
  const transcript = [{ role: 'user', message: WORDS, time_in_call_secs: 1 }];
  const metadata = { phone_call: { external_number: PHONE, agent_number: PHONE } };
  const event = (seed, more = {}) =>
    transcription(seed, { data: { transcript }, metadata, ...more });
  const stale = event(first + 1);
  const statuses = [];
  const sent = async (...parameters) => statuses.push((await send(url, ...parameters)).status);
  await sent(event(first), { secret: SECRET });
  await sent(event(first + 2, { agentId: 'agent_nobody' }), { secret: OLD_SECRET });
  await sent(twilioFailure(first + 3), { secret: SECRET });
  await sent(stale, {
    secret: null,
    headers: { 'elevenlabs-signature': sign(stale.body, SECRET, 1739537297) },
  });
  await sent({ body: Buffer.from(`{"${WORDS}": "${PHONE}"`) }, { secret: SECRET });
  await sent(event(first + 4), { secret: `${SECRET}-wrong` });
  await sent(event(first + 5), { secret: null, headers: { 'elevenlabs-signature': SECRET } });
  assert.deepEqual(statuses, [200, 200, 200, 401, 200, 401, 401]);
}

test('nothing of it shows while all works, at debug, nor while everything fails', async (t) => {
  const aws = await startAws();
  t.after(() => aws.close());
  const key = aws.keyring.issue();
  const cloud = {
    AWS_ACCESS_KEY_ID: key.accessKeyId,
    AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
    AWS_SESSION_TOKEN: key.sessionToken,
  };
  let secretFile;
  const stack = await startStack({
    postgres,
    aws,
    environment: ({ directory, database }) => {
      secretFile = join(directory, 'secret');
      writeFileSync(secretFile, `${OLD_SECRET},${SECRET}\n`);
      const debug = { LOG_LEVEL: 'debug' };
      return {
        ingress: {
          ELEVENLABS_WEBHOOK_SECRET: undefined,
          ELEVENLABS_WEBHOOK_SECRET_FILE: secretFile,
          ...debug,
        },
        'tenant-resolver': { ...cloud, ...debug },
        logger: { ...cloud, ...debug },
        recorder: { ...cloud, ...debug },
        'resources-sink': { DATABASE_URL: withPassword(database), ...debug },
      };
    },
  });
  t.after(() => stack.destroy());
  const hidden = [
    PASSWORD,
    SECRET,
    OLD_SECRET,
    key.secretAccessKey,
    key.sessionToken,
    'nobody-elses-business',
    PHONE,
    PHONE.slice(1),
  ];
  await sendAllSorts(stack.url, 1);
  await eventually('rows', async () => (await stack.evidence()).rows.length >= 2);

  await postgres.stop();
  aws.keyring.expire(key.accessKeyId);
  writeFileSync(secretFile, '\0');
  stack.daemons.ingress.child.kill('SIGHUP');
  await sendAllSorts(stack.url, 100);
  await eventually('it was noticed', () => {
    const all = Object.values(stack.daemons).flatMap((daemon) => daemon.lines);
    return ['the secrets could not be read', 'PostgreSQL', 'part=stream'].every((words) =>
      all.some((line) => /level=(warn|error)/.test(line) && line.includes(words)),
    );
  });
  assert.ok(stack.daemons.ingress.lines.some((line) => line.includes('level=debug')));
  for (const [name, daemon] of Object.entries(stack.daemons))
    assertHidden(await publicOf(daemon), hidden, name);
  await stack.destroy();
  await postgres.start();
});

const SET = {
  ingress: { ELEVENLABS_WEBHOOK_SECRET: `${SECRET},${OLD_SECRET}` },
  'resources-sink': { DATABASE_URL: `postgresql://u:${PASSWORD}@127.0.0.1:1/calls` },
};
const AWS_SET = { AWS_SECRET_ACCESS_KEY: SECRET, AWS_SESSION_TOKEN: OLD_SECRET };

for (const name of Object.keys(STAGES)) {
  test(`asked about itself, ${name} tells none`, async () => {
    const environment = SET[name] ?? AWS_SET;
    for (const args of [['--help'], ['--help=markdown'], ['--version'], ['--check-config']]) {
      for (const more of [{}, { LOG_LEVEL: 'nonsense' }]) {
        const { out, error } = await runDaemon(name, args, { ...environment, ...more });
        assertHidden(out + error, [PASSWORD, SECRET, OLD_SECRET], `${name} ${args}`);
      }
    }
  });
}

// Each is wrong in a way in which libpq, or whoever quotes the string, would show the password.
const WRONG_URLS = [
  PASSWORD,
  `postgresql://u:${PASSWORD}/x@127.0.0.1/calls`,
  `postgresql://u:${PASSWORD}@x@127.0.0.1/calls`,
  `postgresql://u:${PASSWORD}%zz@127.0.0.1/calls`,
  `postgresql://u:12/${PASSWORD}@127.0.0.1/calls`,
  `postgresql://u@127.0.0.1:1/calls?password=${PASSWORD}&nonsense=1`,
  `postgresql://u@127.0.0.1:1/calls?${PASSWORD}`,
  `host=127.0.0.1 port=1 password=${PASSWORD} nonsense=1`,
  `host=127.0.0.1 port=1 password = ${PASSWORD} x`,
  `host=127.0.0.1 port=1 password='${PASSWORD}`,
  `host=127.0.0.1 port=1 password=a\\ ${PASSWORD} ${PASSWORD}`,
];
const UNREACHABLE_URLS = [
  `postgresql://u:${PASSWORD}@127.0.0.1:1/calls`,
  `postgresql://u:${PASSWORD}@127.0.0.1:1/calls?sslmode=require`,
  `postgresql://u:12?${PASSWORD}#@127.0.0.1:1/calls`,
  `postgresql://u@127.0.0.1:1/calls?password=${PASSWORD}`,
  `host=127.0.0.1 port=1 password='${PASSWORD}'`,
  `postgres://u:${PASSWORD}@nowhere.invalid/calls`,
];

test('a DATABASE_URL that is wrong is refused without its password', async () => {
  for (const url of WRONG_URLS) {
    for (const args of [['--check-config'], ['--migrate'], []]) {
      const environment = { DATABASE_URL: url };
      const { status, out, error } = await runDaemon('resources-sink', args, environment);
      assert.equal(status, 78, `${url} ${args}: ${out}${error}`);
      assertHidden(out + error, ['hunter2', 'Zq9'], url);
    }
  }
});

test('a database that is not there is spoken of without the password', async (t) => {
  for (const url of UNREACHABLE_URLS) {
    const environment = {
      DATABASE_URL: url,
      LOG_LEVEL: 'debug',
      RESOURCES_SINK_ADMIN_LISTEN: 'off',
    };
    const migration = await runDaemon('resources-sink', ['--migrate'], environment);
    assert.equal(migration.status, 69, url);
    const daemon = startDaemon('resources-sink', { environment });
    t.after(() => daemon.kill());
    await eventually('it says so', () => daemon.lines.some((line) => line.includes('retrying')));
    await sleep(100);
    await daemon.stopCleanly();
    assertHidden(migration.error + daemon.lines.join('\n'), ['hunter2', 'Zq9'], url);
  }
});
