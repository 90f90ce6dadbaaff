// Runs the parts of bench/run one after the other, and reports.

import { execFileSync } from 'node:child_process';
import os from 'node:os';
import { measureAnswers } from './answers.mjs';
import { measureFlow } from './flow.mjs';
import { readOptions } from './options.mjs';
import { measureOutage } from './outage.mjs';
import { writeReport } from './report.mjs';
import { measureRestart } from './restart.mjs';

const MEASURES = {
  answers: measureAnswers,
  flow: measureFlow,
  outage: measureOutage,
  restart: measureRestart,
};

function describeCommit() {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim();
  } catch {
    return 'no commit';
  }
}

const describeMachine = (options) => ({
  processors: os.cpus().length,
  model: os.cpus()[0]?.model.trim() ?? 'unknown',
  kernel: os.release(),
  memoryBytes: os.totalmem(),
  loadAverage: os.loadavg()[0],
  commit: options.commit || describeCommit(),
});

const options = readOptions(process.argv.slice(2));
const figures = { machine: describeMachine(options), options };
for (const part of options.only) {
  process.stderr.write(`measuring: ${part}\n`);
  figures[part] = await MEASURES[part](options);
}
console.log(options.json ? JSON.stringify(figures, null, 2) : writeReport(figures));
