// The files in deploy/monitoring/ against a real Prometheus that watches a real pipeline: the alerts do
// what they say, and no panel of the dashboard asks for something that is not there.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually } from '../harness/eventually.mjs';
import { runLoad } from '../harness/load.mjs';
import { atExit } from '../harness/leftovers.mjs';
import { freePorts } from '../harness/ports.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { STAGE_NAMES, startStack } from '../harness/stack.mjs';
import { transcription } from '../harness/webhook.mjs';

const MONITORING = fileURLToPath(new URL('../../deploy/monitoring', import.meta.url));
const fileOf = (name) => readFileSync(join(MONITORING, name), 'utf8');

let postgres;
let stack;
let prometheus;
before(async () => {
  postgres = await startPostgres();
  stack = await startStack({ postgres });
  prometheus = await startPrometheus();
});
after(async () => {
  await prometheus?.end();
  await stack?.destroy();
  await postgres?.destroy();
});

/** Ours, but for the addresses and for how often it looks. */
async function startPrometheus() {
  const directory = mkdtempSync(join(tmpdir(), 'postcall-prometheus-'));
  const [port] = await freePorts(1);
  cpSync(MONITORING, directory, { recursive: true });
  const targets = STAGE_NAMES.map((name) => `'${stack.adminOf(name)}'`).join(', ');
  const configuration = fileOf('prometheus.yml')
    .replace(/targets: \[.*\]/, `targets: [${targets}]`)
    .replace(/(scrape|evaluation)_interval: 15s/g, '$1_interval: 1s');
  writeFileSync(join(directory, 'prometheus.yml'), configuration);
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(directory, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: 'ignore' },
  );
  const forget = atExit(() => child.kill('SIGKILL'));
  const ask = async (path) => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`);
    const { status, data, error } = await response.json();
    assert.equal(status, 'success', error);
    return data;
  };
  const end = async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
    forget();
    rmSync(directory, { recursive: true });
  };
  await eventually('every daemon is scraped', async () => {
    const { activeTargets } = await ask('targets');
    return (
      activeTargets.length === STAGE_NAMES.length &&
      activeTargets.every(({ health }) => health === 'up')
    );
  });
  return { ask, end };
}

test('configuration and alerts are sound, and each alert fires when it should and only then', () => {
  for (const args of [
    ['check', 'config', 'prometheus.yml'],
    ['test', 'rules', 'alerts.test.yml'],
  ]) {
    const { status, stdout, stderr } = spawnSync('promtool', args, {
      cwd: MONITORING,
      encoding: 'utf8',
    });
    assert.equal(status, 0, stdout + stderr);
  }
  const alerts = fileOf('alerts.yml').match(/- alert: (\w+)/g);
  for (const alert of alerts)
    assert.match(fileOf('alerts.test.yml'), new RegExp(`name: ${alert.split(' ')[2]} fires`));
});

test('every query of the dashboard has an answer, and every metric of an alert exists', async () => {
  const { panels } = JSON.parse(fileOf('grafana-dashboard.json'));
  const queries = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  assert.ok(queries.length > 10);
  // Rates need something that grows.
  const events = Array.from({ length: 200 }, (_, seed) => transcription(seed));
  const load = await runLoad(stack.url, events, { rate: 50 });
  await stack.settled(load);
  for (const query of queries)
    await eventually(`there are figures for ${query}`, async () => {
      const { result } = await prometheus.ask(`query?query=${encodeURIComponent(query)}`);
      const values = result.map(({ value }) => value[1]);
      return values.length > 0 && values.every((value) => value !== 'NaN');
    });

  const names = new Set(await prometheus.ask('label/__name__/values'));
  for (const name of fileOf('alerts.yml').match(/postcall_\w+/g))
    assert.ok(names.has(name), name);
});

test('a pipeline that works alarms nobody; a sink that is gone does', async () => {
  const firing = async () => {
    const { alerts } = await prometheus.ask('alerts');
    return alerts.map(({ labels }) => labels.alertname);
  };
  assert.deepEqual(await firing(), []);
  await stack.daemons.recorder.kill();
  await eventually('the missing recorder is noticed', async () => {
    const names = await firing();
    return names.includes('PostcallDaemonDown') && names.includes('PostcallSinkWithoutWorker');
  });
});
