// The Debian package on a machine with systemd: installed, run hardened as its units say, restarted
// under load, removed. The machine is a container with systemd as its first process.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../harness/eventually.mjs';
import { atExit } from '../harness/leftovers.mjs';
import { docker, noEngine, ROOT } from './stack.mjs';

const IMAGE = 'postcall-test-systemd';
const BUILD = join(ROOT, 'build/package');
const RUNNING = ['ingress', 'tenant-resolver', 'logger', 'recorder'];
const EXPOSURE_MAX = 20; // tenths; systemd calls up to 2.0 "OK"
const SETTINGS = `
INGRESS_ALLOW_UNSIGNED=true
TENANT_DIRECTORY=file:/etc/postcall/tenants.json
LOGGER_STREAM=file:/var/lib/postcall/logger/calls.ndjson
RECORDER_STORE=file:/var/lib/postcall/recorder
`;
const TENANTS = [{ businessId: 'B1', locationId: 'L1', agentId: 'agent_1', enabled: true }];

function run(command, ...args) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8' });
  assert.equal(status, 0, `${command} ${args.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}

/** Builds the package; returns its path. */
function buildPackage() {
  const options = ['-DPOSTCALL_TESTS=OFF'];
  run('cmake', '--preset', 'release', '-B', BUILD, ...options);
  run('cmake', '--build', BUILD);
  run('cpack', '--config', join(BUILD, 'CPackConfig.cmake'), '-G', 'DEB', '-B', BUILD);
  return join(
    BUILD,
    readdirSync(BUILD).find((name) => name.endsWith('.deb')),
  );
}

describe('the Debian package', { skip: noEngine }, () => {
  let machine;
  let directory;
  const inside = (script) => docker('exec', machine, 'bash', '-euc', script);
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'postcall-package-'));
    copyFileSync(buildPackage(), join(directory, 'postcall.deb'));
    await docker('build', '-q', '-t', IMAGE, 'tests/packaging');
    // systemd mounts, and has cgroups of its own.
    const rights = ['--cap-add', 'SYS_ADMIN', '--security-opt', 'seccomp=unconfined'];
    const places = ['--cgroupns', 'private', '--tmpfs', '/run', '--tmpfs', '/run/lock'];
    const started = await docker('run', '-d', ...rights, ...places, IMAGE);
    machine = started.trim();
    atExit(() => spawnSync('docker', ['rm', '-f', machine]));
    await eventually('systemd is up', async () =>
      (await docker('exec', machine, 'systemctl', 'is-system-running', '--wait')).includes('run'),
    );
    await docker('cp', join(directory, 'postcall.deb'), `${machine}:/postcall.deb`);
    await inside('dpkg -i /postcall.deb');
  });
  after(async () => {
    if (machine) await docker('rm', '-f', machine);
    rmSync(directory, { recursive: true, force: true });
  });

  test('starts nothing by itself, and leaves its settings to the operator alone', async () => {
    assert.equal(await inside('systemctl list-units --no-legend "postcall-*"'), '');
    assert.equal(
      await inside('stat -c "%U %G %a" /etc/postcall/postcall.env'),
      'root postcall 640\n',
    );
    assert.match(await inside('getent passwd postcall'), /\/usr\/sbin\/nologin$/m);
  });

  test('units are sound and hardened, and every program has a page', async () => {
    const units = (await inside('cd /lib/systemd/system && ls -d postcall-*.service')).split('\n');
    for (const unit of units.filter((name) => !name.includes('-.') && name)) {
      await inside(`systemd-analyze verify ${unit}`);
      await inside(`systemd-analyze security --offline=true --threshold=${EXPOSURE_MAX} ${unit}`);
    }
    const programs = await inside('ls /usr/bin/postcall-*');
    for (const program of programs.trim().split('\n')) {
      const page = await inside(`man --warnings ${program.split('/').pop()} 2>&1`);
      assert.match(page, /^NAME$/m);
      assert.doesNotMatch(page, /warning/);
      const help = await inside(`${program} --help`);
      for (const [, option] of help.matchAll(/^ {2}(--[a-z-]+)/gm))
        assert.match(page.replace(/\u2010\n +/g, ''), new RegExp(`${option}\\b`), program);
    }
  });

  test('runs as its units say: systemd knows when a daemon is ready', async () => {
    await inside(`cat >/etc/postcall/postcall.env <<'X'${SETTINGS}X
      echo '${JSON.stringify(TENANTS)}' >/etc/postcall/tenants.json
      systemctl start postcall-ingress.socket ${RUNNING.map((name) => `postcall-${name}`).join(' ')}`);
    for (const name of RUNNING)
      await eventually(`postcall-${name} is ready`, async () => {
        const shown = await inside(`systemctl show -p ActiveState -p StatusText postcall-${name} | sort`);
        assert.equal(shown, 'ActiveState=active\nStatusText=ready\n');
        return true;
      });
  });

  test('restarts of the ingress under load refuse nobody, and every call arrives', async () => {
    const calls = 200;
    const answers = await inside(`
      send() {
        curl -s -m 30 -o /dev/null -w '%{http_code}\\n' http://127.0.0.1:3003/api/elevenlabs/webhook -d \\
          "{\\"type\\":\\"post_call_transcription\\",\\"event_timestamp\\":1739537297,\\"data\\":{\\"agent_id\\":\\"agent_1\\",
            \\"conversation_id\\":\\"conv_$1\\"}}" || echo failed
      }
      (for i in $(seq ${calls}); do send "$i"; done) >/tmp/answers &
      for i in 1 2 3 4 5; do sleep 0.2; systemctl restart postcall-ingress; done
      wait
      sort /tmp/answers | uniq -c`);
    assert.match(answers.trim(), new RegExp(`^${calls} 200$`));
    await eventually('every call is in the stream', async () => {
      const lines = await inside('sort -u /var/lib/postcall/logger/calls.ndjson | wc -l');
      return Number(lines) === calls;
    });
  });

  test('a removal stops everything and keeps the journal', async () => {
    await inside('dpkg -r postcall');
    assert.equal(await inside('systemctl list-units --no-legend --state=active "postcall-*"'), '');
    await inside('test -d /var/lib/postcall/ingress/0/segments');
  });
});
