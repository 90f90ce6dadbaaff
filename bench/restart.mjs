// How long an ingress takes to be ready again with a backlog in its journal: after a clean stop, and
// after kill -9.

import { generate } from './generator.mjs';
import { startIngress } from './stack.mjs';

const LOOK_MS = 5;
const GIVE_UP_MS = 60_000;

async function isReady(daemon) {
  try {
    return (await fetch(`http://${daemon.admin}/readyz`)).ok;
  } catch {
    return false;
  }
}

/** Starts the ingress of a stack; how long it took to be ready. */
export async function startMs(stack) {
  const begun = performance.now();
  const daemon = stack.start('ingress');
  while (!(await isReady(daemon))) {
    if (daemon.ended || performance.now() - begun > GIVE_UP_MS)
      throw new Error(`the ingress does not get ready\n${stack.lastLines()}`);
    await new Promise((resolve) => {
      setTimeout(resolve, LOOK_MS);
    });
  }
  return performance.now() - begun;
}

/** {events, cleanMs, killedMs}. */
export async function measureRestart({ backlogEvents, connections, bodyBytes }) {
  const stack = await startIngress({ signed: false });
  try {
    const target = { port: stack.ports.http, connections, bodyBytes };
    await generate({ ...target, count: backlogEvents });
    await stack.daemons.ingress.stopCleanly();
    const cleanMs = await startMs(stack);
    await stack.daemons.ingress.kill();
    const killedMs = await startMs(stack);
    return { events: backlogEvents, cleanMs, killedMs };
  } finally {
    await stack.destroy();
  }
}
