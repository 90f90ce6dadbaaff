// nginx that reads a webhook and answers 200 without doing anything with it: the measure for what
// HTTP alone costs on this machine.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { eventually } from '../tests/harness/eventually.mjs';
import { freePorts } from '../tests/harness/ports.mjs';

const WORKERS = 2;
const ANSWER = '{"success":true,"message":"Call data logged successfully"}';
const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

const configuration = (directory, port) => `
daemon off;
worker_processes ${WORKERS};
pid ${directory}/pid;
error_log ${directory}/error.log;
events { worker_connections 2048; }
http {
  access_log off;
  keepalive_requests 1000000000;
  ${TEMPORARY.map((name) => `${name}_temp_path ${directory}/${name};`).join('\n  ')}
  server {
    listen 127.0.0.1:${port};
    location / { default_type application/json; return 200 '${ANSWER}'; }
  }
}
`;

/** Starts it on a free port: {port, pid, stop()}. */
export async function startNginx() {
  const directory = mkdtempSync(join(tmpdir(), 'postcall-nginx-'));
  const [port] = await freePorts(1);
  const file = join(directory, 'nginx.conf');
  writeFileSync(file, configuration(directory, port));
  const log = join(directory, 'error.log');
  const child = spawn('/usr/sbin/nginx', ['-c', file, '-e', log], { stdio: 'inherit' });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await eventually('nginx answers', async () => (await fetch(`http://127.0.0.1:${port}/`)).ok);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, pid: child.pid, stop };
}
