// How many webhooks a second are answered 200 once they are on stable storage, beside what nginx
// answers without storing anything; and how long an answer takes.

import { execFileSync } from 'node:child_process';
import { median } from './figures.mjs';
import { generate } from './generator.mjs';
import { startNginx } from './nginx.mjs';
import { cpuMicroseconds } from './processes.mjs';
import { startIngress } from './stack.mjs';

async function startAll() {
  const nginx = await startNginx();
  const unsigned = await startIngress({ signed: false });
  const signed = await startIngress({ signed: true });
  return { nginx, unsigned, signed };
}

async function stopAll({ nginx, unsigned, signed }) {
  await nginx.stop();
  await unsigned.destroy();
  await signed.destroy();
}

// What each server has to be told apart by: where it is, and whose processor time counts.
const targetsOf = ({ nginx, unsigned, signed }) => ({
  nginx: { port: nginx.port, pid: nginx.pid },
  unsigned: { port: unsigned.ports.http, pid: unsigned.daemons.ingress.pid },
  signed: {
    port: signed.ports.http,
    pid: signed.daemons.ingress.pid,
    secret: signed.secret,
  },
});

// One server at full speed for a while. What the one before has written must not be paid by it.
async function round({ port, pid, secret }, { connections, bodyBytes, seconds, rounds }) {
  execFileSync('sync');
  const before = cpuMicroseconds(pid, { withChildren: true });
  const load = await generate({
    port,
    secret,
    connections,
    bodyBytes,
    seconds: seconds / rounds,
  });
  const cpuUs = cpuMicroseconds(pid, { withChildren: true }) - before;
  if (load.ok !== load.answered || load.failed > 0)
    throw new Error(`not everything was answered 200: ${JSON.stringify(load)}`);
  return { ...load, cpuUsPerAnswer: cpuUs / load.answered };
}

const summaryOf = (rounds) => ({
  perSecond: median(rounds.map(({ perSecond }) => perSecond)),
  cpuUsPerAnswer: median(rounds.map(({ cpuUsPerAnswer }) => cpuUsPerAnswer)),
  p50Us: median(rounds.map(({ p50Us }) => p50Us)),
  p99Us: median(rounds.map(({ p99Us }) => p99Us)),
});

// Of each round the two that ran next to each other are compared.
const ratioOf = (rounds, reference) => {
  const ratios = rounds.map(({ perSecond }, index) => perSecond / reference[index].perSecond);
  return { ratio: median(ratios), ratioLow: Math.min(...ratios), ratioHigh: Math.max(...ratios) };
};

/** {nginx, unsigned, signed, atRate: {unsigned, signed}}. */
export async function measureAnswers(options) {
  const servers = await startAll();
  try {
    const targets = targetsOf(servers);
    const rounds = { nginx: [], unsigned: [], signed: [] };
    for (let turn = 0; turn < options.rounds; turn += 1) {
      for (const name of Object.keys(rounds))
        rounds[name].push(await round(targets[name], options));
    }
    const atRate = {};
    for (const name of Object.keys(rounds)) {
      execFileSync('sync');
      atRate[name] = await generate({
        ...targets[name],
        connections: options.connections,
        bodyBytes: options.bodyBytes,
        rate: options.rate,
        seconds: options.seconds / options.rounds,
      });
    }
    return {
      nginx: summaryOf(rounds.nginx),
      unsigned: { ...summaryOf(rounds.unsigned), ...ratioOf(rounds.unsigned, rounds.nginx) },
      signed: { ...summaryOf(rounds.signed), ...ratioOf(rounds.signed, rounds.nginx) },
      atRate,
    };
  } finally {
    await stopAll(servers);
  }
}
