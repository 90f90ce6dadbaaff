// The settings of every daemon: what --help promises is so, and every mistake is one line that
// names the setting.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { listSettings, runDaemon } from '../harness/settings.mjs';
import { STAGES } from '../harness/stack.mjs';

const USAGE = 64;
const DEPENDENCY = 69;
const CONFIGURATION = 78;

const AWS_KEYS = {
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI',
};
// The least that each can be told.
const ENOUGH = {
  ingress: { ELEVENLABS_WEBHOOK_SECRET: 'wsec_one' },
  'tenant-resolver': AWS_KEYS,
  logger: { LOGGER_STREAM: 'kinesis:agent-logs', ...AWS_KEYS },
  recorder: {
    RECORDER_STORE: 's3',
    S3_BUCKET_RECORDINGS: 'recordings',
    S3_BUCKET_TRANSCRIPTS: 'transcripts',
    ...AWS_KEYS,
  },
  'resources-sink': { DATABASE_URL: 'postgresql://postcall@127.0.0.1/calls' },
};
const ON_FILES = {
  'tenant-resolver': { TENANT_DIRECTORY: 'file:/etc/tenants.json' },
  logger: { LOGGER_STREAM: 'file:/var/lib/calls.ndjson' },
  recorder: { RECORDER_STORE: 'file:/var/lib/objects' },
};

const directory = mkdtempSync(join(tmpdir(), 'postcall-settings-'));
after(() => rmSync(directory, { recursive: true }));

function fileWith(text) {
  fileWith.count = (fileWith.count ?? 0) + 1;
  const path = join(directory, `secret-${fileWith.count}`);
  writeFileSync(path, text);
  return path;
}

const check = (name, environment) => runDaemon(name, ['--check-config'], environment);

async function assertGood(name, environment) {
  const { status, out, error } = await check(name, environment);
  assert.equal(status, 0, `${name} ${JSON.stringify(environment)}: ${error}`);
  assert.equal(out, `postcall-${name}: the settings are good\n`);
}

/** One line, about this setting, and the exit status of a wrong configuration. */
async function assertRefused(name, setting, environment) {
  const { status, out, error } = await check(name, environment);
  const asked = `${name} ${JSON.stringify(environment)}`;
  assert.equal(status, CONFIGURATION, `${asked}: ${out}${error}`);
  assert.match(error, /^[^\n]+\n$/, asked);
  assert.ok(error.startsWith(`postcall-${name}: ${setting}`), `${asked}: ${error}`);
  assert.equal(out, '');
  return error;
}

function forEachDaemon(title, run) {
  for (const name of Object.keys(STAGES))
    test(`${title}: ${name}`, () => run(name, STAGES[name], ENOUGH[name]));
}

// What operators and other systems rely on; the rest may change.
const CONTRACT = {
  ingress: {
    INGRESS_ADMIN_LISTEN: '127.0.0.1:9601',
    INGRESS_LISTEN: '0.0.0.0:3003',
    INGRESS_BIND: 'tcp://127.0.0.1:5601',
    INGRESS_DATA_DIR: './var/ingress',
    INGRESS_SINKS: 'logger,recorder,resources-sink',
    ELEVENLABS_WEBHOOK_SECRET: 'not set',
    INGRESS_ALLOW_UNSIGNED: 'false',
    INGRESS_SIGNATURE_TOLERANCE_SECONDS: '3600',
    INGRESS_MAX_BODY_BYTES: '128MiB',
    INGRESS_JOURNAL_MAX_BYTES: '80 % of the file system',
    INGRESS_RETENTION_HOURS: '72',
    INGRESS_DEDUPE_HOURS: '24',
    INGRESS_ACK_WAIT_MS: '30000',
    INGRESS_PEER_SILENCE_MS: '15000',
    INGRESS_PROBE_BASE_MS: '1000',
    INGRESS_PROBE_MAX_MS: '10000',
    INGRESS_MAX_DELIVER: '5',
    INGRESS_MAX_DELIVER_SECONDS: '600',
    INGRESS_UNKNOWN_AGENT_SECONDS: '900',
  },
  'tenant-resolver': {
    RESOLVER_ADMIN_LISTEN: '127.0.0.1:9602',
    RESOLVER_CONNECT: 'tcp://127.0.0.1:5601',
    RESOLVER_LOOKUP_INTERVAL_MS: '5000',
    RESOLVER_REPLAY_CONNECT: 'tcp://127.0.0.1:5602',
    RESOLVER_BIND_LOGGER: 'tcp://127.0.0.1:5611',
    RESOLVER_BIND_RECORDER: 'tcp://127.0.0.1:5612',
    RESOLVER_BIND_RESOURCES_SINK: 'tcp://127.0.0.1:5613',
    TENANT_DIRECTORY: 'dynamodb',
    DYNAMODB_ELEVENLABS_AGENTS_TABLE: 'elevenlabs-agents',
    AGENT_CACHE_TTL_SECONDS: '300',
    AGENT_CACHE_MAX_STALE_SECONDS: '3600',
    TRANSCRIPT_STORAGE: 's3',
    S3_RECORDINGS_PREFIX: 'recordings/',
    KINESIS_RECORD_MAX_BYTES: '1048576',
    AWS_ENDPOINT_URL_DYNAMODB: 'not set',
  },
  logger: {
    LOGGER_ADMIN_LISTEN: '127.0.0.1:9603',
    LOGGER_CONNECT: 'tcp://127.0.0.1:5611',
    LOGGER_LOOKUP_INTERVAL_MS: '5000',
    LOGGER_STREAM: 'required',
    AWS_ENDPOINT_URL_KINESIS: 'not set',
  },
  recorder: {
    RECORDER_ADMIN_LISTEN: '127.0.0.1:9604',
    RECORDER_CONNECT: 'tcp://127.0.0.1:5612',
    RECORDER_LOOKUP_INTERVAL_MS: '5000',
    RECORDER_STORE: 'required',
    S3_BUCKET_RECORDINGS: 'not set',
    S3_BUCKET_TRANSCRIPTS: 'not set',
    S3_SSE: 'AES256',
    AWS_ENDPOINT_URL_S3: 'not set',
  },
  'resources-sink': {
    RESOURCES_SINK_ADMIN_LISTEN: '127.0.0.1:9605',
    RESOURCES_SINK_CONNECT: 'tcp://127.0.0.1:5613',
    RESOURCES_SINK_LOOKUP_INTERVAL_MS: '5000',
    DATABASE_URL: 'required',
  },
};
const SHARED = {
  LOG_LEVEL: 'info',
  LOG_FORMAT: 'logfmt',
  POSTCALL_CURVE_DIR: 'not set',
  POSTCALL_TRUST_NETWORK: 'false',
};

forEachDaemon('names and defaults are those that operators know', async (name) => {
  const rows = await listSettings(name);
  const listed = Object.fromEntries(rows.map((row) => [row.name, row.fallback]));
  for (const [setting, fallback] of Object.entries({ ...SHARED, ...CONTRACT[name] }))
    assert.equal(listed[setting], fallback, setting);
  assert.equal(rows.length, new Set(rows.map((row) => row.name)).size, 'a setting is there twice');
});

forEachDaemon('--help says it all in sentences', async (name) => {
  const { status, out, error } = await runDaemon(name, ['--help']);
  assert.equal(status, 0);
  assert.equal(error, '');
  assert.match(
    out,
    new RegExp(`^Usage: postcall-${name} \\[--help \\| --version \\| --check-config`),
  );
  for (const row of await listSettings(name)) {
    assert.ok(out.includes(`\n  ${row.name} (${row.fallback})\n      ${row.meaning}`), row.name);
    assert.match(row.meaning, /^([A-Z]|\/)[^\n]*\.$/, row.name);
  }
});

forEachDaemon('--version, and arguments that there are not', async (name) => {
  const version = await runDaemon(name, ['--version']);
  assert.equal(version.status, 0);
  assert.match(version.out, new RegExp(`^postcall-${name} \\d+\\.\\d+\\.\\d+\\n$`));
  for (const argument of ['--nonsense', '-h', 'start', '', '--check-config=yes']) {
    const { status, out, error } = await runDaemon(name, [argument]);
    assert.equal(status, USAGE, argument);
    assert.equal(error, `postcall-${name}: unknown argument "${argument}": see --help\n`);
    assert.equal(out, '');
  }
});

forEachDaemon('good settings are good', async (name, prefix, enough) => {
  await assertGood(name, enough);
  if (ON_FILES[name]) await assertGood(name, ON_FILES[name]);
  for (const row of await listSettings(name)) {
    const isRealValue = row.right && !/^(not set|required|80 %)/.test(row.fallback);
    if (isRealValue) await assertGood(name, { ...enough, [row.name]: row.fallback });
    // Compose and systemd pass what is not set as empty.
    if (!(row.name in enough)) await assertGood(name, { ...enough, [row.name]: '' });
  }
});

/** Values that a setting must refuse, by what --help says is right. */
function wrongValues({ right }) {
  const [, least, most] = /(?:from|at least) (-?\d+)(?: to (\d+))?/.exec(right) ?? [];
  const beyond = [String(BigInt(least ?? 0) - 1n), String(BigInt(most ?? 10n ** 30n) + 1n)];
  if (right.startsWith('a whole number')) return [...beyond, 'many', '1.5', '0x10', '7 ', '9e3'];
  if (right.startsWith('a size in bytes')) return [...beyond, '64MB', '1.5MiB', 'KiB', '5 GiBs'];
  if (right === 'true or false') return ['yes', '1', 'TRUE', 'false '];
  if (right === 'a ZeroMQ endpoint' || right.includes('list of ZeroMQ endpoints'))
    return [
      '5601',
      '127.0.0.1:5601',
      'tcp://127.0.0.1',
      'tcp://127.0.0.1:65536',
      'udp://127.0.0.1:1',
    ];
  if (right.includes('comma-separated list')) return ['a,,b', ','];
  if (/^[\w-]+(, [\w-]+)* or [\w-]+$/.test(right))
    return ['nonsense', right.split(/, | or /)[0] + 's'];
  return [];
}

// Settings whose --help says in its sentence what is right.
const WRONG = {
  INGRESS_LISTEN: ['3003', 'nowhere:3003', '127.0.0.1:70000'],
  INGRESS_SINKS: ['logger,loger', 'logger,recorder,logger'],
  TENANT_DIRECTORY: ['file:', 'tenants.json', 'DynamoDB'],
  S3_RECORDINGS_PREFIX: ['/recordings/', 'a//b', '../a'],
  DYNAMODB_ELEVENLABS_AGENTS_TABLE: ['ab', 'agents table', 'arn:aws:dynamodb:::table/agents'],
  LOGGER_STREAM: ['kinesis:', 'file:', 'agent-logs', 'kinesis:a b', 'kinesis:arn:aws:kinesis:::s'],
  S3_BUCKET_RECORDINGS: ['Recordings', 'arn:aws:s3:::recordings', 'calls--x-s3'],
  S3_BUCKET_TRANSCRIPTS: ['a', '10.0.0.1'],
  RECORDER_STORE: ['file:', 's3:bucket', '/var/objects'],
  S3_SSE: ['aes256', 'aws:kms:', 'none'],
  AWS_REGION: ['Europe', 'eu central'],
  AWS_ENDPOINT_URL: ['localhost:4566', 'ftp://127.0.0.1', 'http://user:word@127.0.0.1'],
};
for (const proxy of ['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY'])
  WRONG[proxy] = WRONG[proxy.toLowerCase()] = ['ftp://proxy:3128', 'proxy:port', 'http://'];
for (const prefix of Object.values(STAGES)) WRONG[`${prefix}_ADMIN_LISTEN`] = ['9601', 'on', 'x:1'];

forEachDaemon('a wrong value is named, with what would be right', async (name, prefix, enough) => {
  for (const row of await listSettings(name)) {
    const values = [...wrongValues(row), ...(WRONG[row.name] ?? [])];
    assert.ok(
      values.length > 0 || row.right === '' || /SECRET|KEYS|TOKEN|DATABASE/.test(row.name),
      row.name,
    );
    for (const value of values) {
      const error = await assertRefused(name, row.name, { ...enough, [row.name]: value });
      assert.ok(error.length < 320, error);
    }
  }
});

forEachDaemon('rules across settings', async (name, prefix, enough) => {
  const refuse = (setting, more) => assertRefused(name, setting, { ...enough, ...more });
  await refuse(`${prefix}_PING_INTERVAL_MS`, { [`${prefix}_PING_INTERVAL_MS`]: '15000' });
  for (const setting of Object.keys(enough).filter((key) => !key.endsWith('_TOKEN')))
    await refuse('', { [setting]: '' });
  if (!('AWS_REGION' in enough)) return;
  await refuse('AWS_REGION is not set', { AWS_REGION: '' });
  await assertGood(name, { ...enough, AWS_REGION: '', AWS_DEFAULT_REGION: 'eu-central-1' });
  await refuse('AWS_SECRET_ACCESS_KEY', { AWS_SECRET_ACCESS_KEY: '' });
});

test('an ARN is of the region that AWS_REGION names', async () => {
  const arnOf = (service, resource, region) =>
    `arn:aws:${service}:${region}:111122223333:${resource}`;
  const stream = (region) => ({
    ...ENOUGH.logger,
    LOGGER_STREAM: `kinesis:${arnOf('kinesis', 'stream/agent-logs', region)}`,
  });
  await assertGood('logger', stream('eu-central-1'));
  await assertRefused('logger', 'LOGGER_STREAM: the ARN is of the region', stream('eu-west-1'));
  const table = (region) => ({
    ...ENOUGH['tenant-resolver'],
    DYNAMODB_ELEVENLABS_AGENTS_TABLE: arnOf('dynamodb', 'table/agents', region),
  });
  await assertGood('tenant-resolver', table('eu-central-1'));
  const setting = 'DYNAMODB_ELEVENLABS_AGENTS_TABLE: the ARN is of the region';
  await assertRefused('tenant-resolver', setting, table('eu-west-1'));
});

test('a secret and unsigned mode exclude each other, and one is needed', async () => {
  await assertRefused('ingress', 'INGRESS_ALLOW_UNSIGNED', {
    ...ENOUGH.ingress,
    INGRESS_ALLOW_UNSIGNED: 'true',
  });
  await assertRefused('ingress', 'ELEVENLABS_WEBHOOK_SECRET', {});
  await assertGood('ingress', { INGRESS_ALLOW_UNSIGNED: 'true' });
  for (const secrets of [',', ' , ', Array.from({ length: 33 }, (_, i) => `secret${i}`).join(',')])
    await assertRefused('ingress', 'ELEVENLABS_WEBHOOK_SECRET', {
      ELEVENLABS_WEBHOOK_SECRET: secrets,
    });
});

forEachDaemon('a variable of its own that it does not know', async (name, prefix, enough) => {
  for (const setting of [`${prefix}_NONSENSE`, `${prefix}_`, `${prefix}_ADMIN_LISTEN_FILE`]) {
    const environment = { ...enough, [setting]: 'x' };
    await assertRefused(name, `${setting} is not a setting`, environment);
  }
  const others = Object.values(STAGES).filter((other) => other !== prefix);
  const foreign = Object.fromEntries(others.map((other) => [`${other}_NONSENSE`, 'x']));
  await assertGood(name, { ...enough, ...foreign, HOME: '/root', [`${prefix}X_A`]: 'x' });
});

// https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
forEachDaemon('what Kubernetes injects for services is no mistake', (name, prefix, enough) =>
  assertGood(name, {
    ...enough,
    [`${prefix}_SERVICE_HOST`]: '10.0.0.11',
    [`${prefix}_SERVICE_PORT`]: '5601',
    [`${prefix}_SERVICE_PORT_ADMIN`]: '9601',
    [`${prefix}_PORT`]: 'tcp://10.0.0.11:5601',
    [`${prefix}_PORT_5601_TCP`]: 'tcp://10.0.0.11:5601',
    [`${prefix}_PORT_5601_TCP_PROTO`]: 'tcp',
    [`${prefix}_PORT_5601_TCP_PORT`]: '5601',
    [`${prefix}_PORT_5601_TCP_ADDR`]: '10.0.0.11',
    [`${prefix}_HEADLESS_SERVICE_HOST`]: '10.0.0.12',
  }),
);

forEachDaemon('a ZeroMQ address that others reach is refused', async (name, prefix, enough) => {
  const rows = await listSettings(name);
  const open = ['tcp://0.0.0.0:5601', 'tcp://*:5601', 'tcp://10.1.2.3:5601', 'tcp://ingress:5601'];
  const closed = [
    'tcp://127.0.0.1:7001',
    'tcp://[::1]:7001',
    'tcp://localhost:7001',
    'ipc:///run/a',
  ];
  const addresses = rows.filter((row) => row.right.includes('ZeroMQ endpoint'));
  assert.ok(addresses.length > 0);
  for (const { name: setting, right } of addresses) {
    for (const address of open) {
      const environment = { ...enough, [setting]: address };
      const error = await assertRefused(name, setting, environment);
      assert.match(error, /POSTCALL_TRUST_NETWORK=true/);
      await assertGood(name, { ...environment, POSTCALL_TRUST_NETWORK: 'true' });
    }
    for (const address of closed) await assertGood(name, { ...enough, [setting]: address });
    if (right.includes('list'))
      await assertRefused(name, setting, { ...enough, [setting]: `${closed[0]},${open[2]}` });
  }
});

const SECRETS = ['ELEVENLABS_WEBHOOK_SECRET', 'DATABASE_URL', 'AWS_SECRET_ACCESS_KEY'];

forEachDaemon('a secret can stand in a file', async (name, prefix, enough) => {
  for (const secret of SECRETS.filter((setting) => setting in enough)) {
    const { [secret]: value, ...rest } = enough;
    const inFile = `${secret}_FILE`;
    await assertGood(name, { ...rest, [inFile]: fileWith(value) });
    await assertGood(name, { ...rest, [inFile]: fileWith(`${value}\n`) });
    await assertRefused(name, inFile, { ...rest, [inFile]: join(directory, 'nothing') });
    await assertRefused(name, inFile, { ...rest, [inFile]: directory });
    await assertRefused(name, inFile, { ...rest, [inFile]: fileWith('') });
    await assertRefused(name, inFile, { ...rest, [inFile]: fileWith('a\0b') });
    await assertRefused(name, `${secret} and ${inFile}`, { ...enough, [inFile]: fileWith(value) });
  }
});

forEachDaemon('what cannot be had at start is said by the name of its setting', async (name) => {
  const cases = {
    ingress: { INGRESS_DATA_DIR: '/proc/postcall', INGRESS_ALLOW_UNSIGNED: 'true' },
    'tenant-resolver': { TENANT_DIRECTORY: `file:${directory}/nothing` },
    logger: { LOGGER_STREAM: `file:${directory}/nothing/calls.ndjson` },
    recorder: { RECORDER_STORE: `file:${directory}/nothing` },
    'resources-sink': {
      RESOURCES_SINK_ADMIN_LISTEN: '203.0.113.1:9605', // for documents (RFC 5737): never ours
      ...ENOUGH['resources-sink'],
    },
  };
  const { status, error } = await runDaemon(name, [], cases[name]);
  assert.equal(status, DEPENDENCY, error);
  const setting = Object.keys(cases[name]).find((key) => error.includes(`reason="${key}: `));
  assert.ok(setting, error);
});
