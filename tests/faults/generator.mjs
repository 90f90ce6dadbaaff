// The generator's thread from outside: what it sent, and exactly what of it was answered 200.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

const ANSWER_MS = 8000;

/** Begins to send the traffic of `seed` to `url`. */
export function startGenerator(url, { seed, rate, connections = 48 }) {
  const worker = new Worker(new URL('./load_thread.mjs', import.meta.url), {
    workerData: { url, seed, rate, connections, timeoutMs: ANSWER_MS },
  });
  return new Generator(worker);
}

class Generator {
  constructor(worker) {
    /** `attempted` and `accepted`: numbers of webhooks; `answers`: how often each status came. */
    Object.assign(this, { worker, attempted: new Set(), accepted: new Set(), answers: {} });
    this.sent = 0;
    worker.on('message', (answers) => answers?.forEach((answer) => this.note(answer)));
    this.failure = once(worker, 'error').then(([error]) => {
      throw error;
    });
    this.failure.catch(() => {});
    this.finished = once(worker, 'exit');
    this.finished.catch(() => {});
  }

  note([index, status]) {
    this.sent += 1;
    this.attempted.add(index);
    if (status === 200) this.accepted.add(index);
    this.answers[status] = (this.answers[status] ?? 0) + 1;
  }

  /** Resolves when the last one is answered, or will never be. */
  async stop() {
    this.worker.postMessage('stop');
    await Promise.race([this.finished, this.failure]);
  }
}
