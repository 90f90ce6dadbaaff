// The figures of a run as a table for people.

import { STAGE_NAMES } from '../tests/harness/stack.mjs';

const MEBIBYTE = 1024 * 1024;

const whole = (number) => Math.round(number).toLocaleString('en-US');
const ms = (us) => (us / 1000).toFixed(2);
const mebibytes = (bytes) => (bytes / MEBIBYTE).toFixed(1);
const total = (numbers) => Object.values(numbers).reduce((sum, number) => sum + number, 0);

function table(title, head, rows) {
  const lines = [head, ...rows].map((cells) => cells.map(String));
  const widths = head.map((_, column) => Math.max(...lines.map((cells) => cells[column].length)));
  const text = lines.map((cells) =>
    cells
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]),
      )
      .join('  '),
  );
  return [title, ...text.map((line) => `  ${line}`), ''].join('\n');
}

function answersTable(answers) {
  const row = (label, { perSecond, ratio, ratioLow, ratioHigh, cpuUsPerAnswer, p50Us, p99Us }) => [
    label,
    whole(perSecond),
    ratio ? `${ratio.toFixed(2)} (${ratioLow.toFixed(2)}-${ratioHigh.toFixed(2)})` : '1',
    cpuUsPerAnswer.toFixed(1),
    ms(p50Us),
    ms(p99Us),
  ];
  return table(
    'durable 200s, ingress alone, full speed (medians of the rounds)',
    ['', 'per second', 'of nginx (range)', 'server CPU us each', 'p50 ms', 'p99 ms'],
    [
      row('nginx, return 200', answers.nginx),
      row('ingress, unsigned', answers.unsigned),
      row('ingress, signed', answers.signed),
    ],
  );
}

function latencyTable({ answers, flow }) {
  const row = (label, { perSecond, p50Us, p99Us, maxUs }) => [
    label,
    whole(perSecond),
    ms(p50Us),
    ms(p99Us),
    ms(maxUs),
  ];
  const rows = [];
  for (const [name, figures] of Object.entries(answers?.atRate ?? {}))
    rows.push(row(name === 'nginx' ? 'nginx' : `ingress alone, ${name}`, figures));
  if (flow) rows.push(row('ingress with all five, signed', flow.atRate));
  if (flow) rows.push(row('the same, at full speed', flow.answers));
  return table('answers', ['', 'per second', 'p50 ms', 'p99 ms', 'max ms'], rows);
}

function flowTable({ drainedPerSecond, steadyPerSecond }) {
  return table(
    'events through to all three sinks',
    ['', 'per second'],
    [
      ['from the first request to the last settlement', whole(drainedPerSecond)],
      ['steady, in the middle half', steadyPerSecond ? whole(steadyPerSecond) : '-'],
    ],
  );
}

function costTable({ memory, cpuUs }) {
  const row = (name) => [
    name,
    mebibytes(memory.idle[name]),
    mebibytes(memory.loaded[name]),
    mebibytes(memory.after[name]),
    cpuUs[name].toFixed(1),
  ];
  const sums = ['idle', 'loaded', 'after'].map((when) => mebibytes(total(memory[when])));
  return table(
    'what it costs',
    ['', 'PSS MiB idle', 'loaded', 'after', 'CPU us per event'],
    [
      ...STAGE_NAMES.map(row),
      ['postgresql', '', '', '', cpuUs.postgresql.toFixed(1)],
      ['together', ...sums, total(cpuUs).toFixed(1)],
    ],
  );
}

function outageTable(outage) {
  const { before, during } = outage;
  const pair = (label, a, b) => [label, a.toFixed(2), b.toFixed(2), (b / a).toFixed(2)];
  const rows = [
    pair('answer p50 ms', before.answers.p50Us / 1000, during.answers.p50Us / 1000),
    pair('answer p99 ms', before.answers.p99Us / 1000, during.answers.p99Us / 1000),
  ];
  for (const [sink, p99Ms] of Object.entries(during.settleP99Ms))
    rows.push(pair(`settled in ${sink}, p99 ms`, before.settleP99Ms[sink], p99Ms));
  const grown = Object.entries(outage.memoryGrowth)
    .map(([name, bytes]) => `${name} ${mebibytes(bytes)}`)
    .join(', ');
  const after = Object.entries(outage.memoryGrowthAfter)
    .map(([name, bytes]) => `${name} ${mebibytes(bytes)}`)
    .join(', ');
  return [
    table(`${outage.sink} stopped for ${outage.stopSeconds} s`, ['', 'before', 'during', 'ratio'], rows),
    `  memory grown by MiB, during: ${grown}`,
    `  and while catching up: ${after}`,
    `  caught up with ${whole(outage.missed)} events in ${outage.catchUpSeconds.toFixed(1)} s; ` +
      `dead letters: ${outage.deadLetters}`,
    '',
  ].join('\n');
}

function restartTable({ events, cleanMs, killedMs }) {
  return table(
    `ingress ready again with ${whole(events)} events waiting`,
    ['', 'ms'],
    [
      ['after a clean stop', whole(cleanMs)],
      ['after kill -9', whole(killedMs)],
    ],
  );
}

/** The whole report. */
export function writeReport(figures) {
  const { machine, answers, flow, outage, restart } = figures;
  return [
    `${machine.processors} x ${machine.model}, kernel ${machine.kernel}, ` +
      `load average ${machine.loadAverage.toFixed(1)} before; ${machine.commit}\n`,
    answers && answersTable(answers),
    (answers || flow) && latencyTable(figures),
    flow && flowTable(flow),
    flow && costTable(flow),
    outage && outageTable(outage),
    restart && restartTable(restart),
  ]
    .filter(Boolean)
    .join('\n');
}
