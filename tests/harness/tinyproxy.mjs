// An HTTP proxy as companies have them at their edge: tinyproxy (Debian's tinyproxy-bin), which
// asks for a password and connects to wherever it is told.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { eventually } from './eventually.mjs';
import { atExit } from './leftovers.mjs';
import { freePorts } from './ports.mjs';

const USER = 'postcall';
export const PASSWORD = 'proxy-s3cret';

/** Runs until the test `t` is over. `environment`: of its process, as Hosts gives it. */
export async function startTinyproxy(t, environment = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'postcall-tinyproxy-'));
  const [port] = await freePorts(1);
  const file = join(directory, 'tinyproxy.conf');
  writeFileSync(
    file,
    `Port ${port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 200\nLogLevel Connect\n` +
      `BasicAuth ${USER} ${PASSWORD}\n`,
  );
  const child = spawn('tinyproxy', ['-d', '-c', file], {
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = [];
  createInterface(child.stdout).on('line', (line) => lines.push(line));
  const forget = atExit(() => child.kill('SIGKILL'));
  t.after(async () => {
    const gone = new Promise((resolve) => {
      child.on('close', resolve);
    });
    child.kill('SIGKILL');
    await gone;
    forget();
    rmSync(directory, { recursive: true, force: true });
  });
  await eventually('tinyproxy listens', () => canConnect(port));
  return {
    /** Its URL, with the password that it knows or with another. */
    url: (password = PASSWORD) => `http://${USER}:${password}@127.0.0.1:${port}`,
    /** The hosts, with ports, that it was asked to connect to. */
    connected: () => lines.flatMap((line) => /CONNECT (\S+) HTTP/.exec(line)?.[1] ?? []),
  };
}

function canConnect(port) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', reject);
  });
}
