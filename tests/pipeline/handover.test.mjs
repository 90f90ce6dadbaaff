// Restarts of an ingress whose socket is held by somebody else, as systemd does: nobody is refused.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { binaryOf } from '../harness/daemon.mjs';
import { send } from '../harness/load.mjs';
import { freePorts } from '../harness/ports.mjs';
import { SECRET, transcription } from '../harness/webhook.mjs';

const RESTARTS = 8;
const SENDERS = 8;

/** The manager: ask('start') or ask('stop') resolves to the number that it answers. */
async function startManager(environment) {
  const script = fileURLToPath(new URL('../harness/socket_manager.pl', import.meta.url));
  const child = spawn('perl', [script, binaryOf('ingress')], {
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async () => Number((await lines.next()).value.split(' ')[1]);
  const ask = (what) => {
    child.stdin.write(`${what}\n`);
    return next();
  };
  const end = async () => {
    child.stdin.end();
    await once(child, 'close');
  };
  return { port: await next(), ask, end };
}

test('restarts under load refuse nobody, on kept connections and on new ones', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'postcall-handover-'));
  const [dispatch, admin] = await freePorts(2);
  const manager = await startManager({
    INGRESS_BIND: `tcp://127.0.0.1:${dispatch}`,
    INGRESS_ADMIN_LISTEN: `127.0.0.1:${admin}`,
    INGRESS_DATA_DIR: directory,
    ELEVENLABS_WEBHOOK_SECRET: SECRET,
    LOG_LEVEL: 'error',
  });
  t.after(async () => {
    await manager.end();
    rmSync(directory, { recursive: true });
  });

  const url = `http://127.0.0.1:${manager.port}/api/elevenlabs/webhook`;
  const answers = {};
  let sent = 0;
  let over = false;
  const sendOn = async (agent) => {
    while (!over) {
      sent += 1;
      const { status, error } = await send(url, transcription(sent), { agent });
      const answer = error ?? status;
      answers[answer] = (answers[answer] ?? 0) + 1;
    }
  };
  // Before anybody serves: these wait in the socket.
  const senders = Array.from({ length: SENDERS }, (_, index) =>
    sendOn(new http.Agent({ keepAlive: index % 2 === 0 })),
  );
  await manager.ask('start');
  for (let i = 0; i < RESTARTS; i += 1) {
    const before = answers[200] ?? 0;
    while ((answers[200] ?? 0) < before + 100) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(await manager.ask('stop'), 0, 'the ingress left cleanly');
    await manager.ask('start');
  }
  over = true;
  await Promise.all(senders);
  t.diagnostic(`answers ${JSON.stringify(answers)}`);
  assert.deepEqual(Object.keys(answers), ['200']);
});
