// Waiting for a thing to become true, with the last reason in the error when it does not.

import { setTimeout as sleep } from 'node:timers/promises';

/** Calls `attempt` until it neither throws nor gives false, and returns what it gave. */
export async function eventually(what, attempt, timeoutMs = 20_000) {
  const end = Date.now() + timeoutMs;
  for (let pauseMs = 10; ; pauseMs = Math.min(pauseMs * 1.5, 500)) {
    let reason = 'it stayed false';
    try {
      const value = await attempt();
      if (value !== false) return value;
    } catch (error) {
      reason = error.message;
    }
    if (Date.now() > end) throw new Error(`${what}: not within ${timeoutMs} ms: ${reason}`);
    await sleep(pauseMs);
  }
}
