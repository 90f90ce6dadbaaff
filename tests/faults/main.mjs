// The campaign: rounds one after the other, and the report. The exit status is 0 when nothing was
// lost, doubled, altered or misattributed, and no daemon ended by itself.

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { PRESET } from '../harness/daemon.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { runBacklog } from './backlog.mjs';
import { BACKLOG, planRounds, readOptions } from './options.mjs';
import { addUp, complaintsOf, outcomeOf, progressOf, writeReport } from './report.mjs';
import { isBad, runRound } from './round.mjs';
import { drawSchedule } from './schedule.mjs';

const QUIET_LINE_MS = 10_000;

function describeCommit() {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim();
  } catch {
    return 'no commit';
  }
}

/** A line that is written over on a terminal, and told now and then elsewhere. */
function createTeller() {
  let last = Date.now();
  return {
    tell(line) {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
      else if (Date.now() - last >= QUIET_LINE_MS) {
        process.stderr.write(`${line}\n`);
        last = Date.now();
      }
    },
    say: (line) => process.stderr.write(`${process.stderr.isTTY ? '\r\x1b[K' : ''}${line}\n`),
  };
}

/** Runs the rounds; `done(results)` is called after each, so that a campaign may be broken off. */
async function runRounds(options, done) {
  const plans = planRounds(options);
  const teller = createTeller();
  const postgres = await startPostgres({ max_connections: 20 });
  const results = [];
  try {
    for (const plan of plans) {
      const tell = (progress) =>
        teller.tell(progressOf({ plan, rounds: plans.length, ...progress }));
      const result = await runRound({ ...plan, postgres, tell });
      results.push(result);
      done(results);
      teller.say(`round ${plan.round + 1}/${plans.length}, ${plan.store}: ${outcomeOf(result)}`);
      if (isBad(result)) teller.say(`  ${complaintsOf(result)}`);
    }
  } finally {
    await postgres.destroy();
  }
  return results;
}

const options = readOptions(process.argv.slice(2));
if (options.plan) {
  const schedules = planRounds(options).map((plan) => ({ ...plan, schedule: drawSchedule(plan) }));
  console.log(JSON.stringify(schedules, null, 2));
  process.exit(0);
}
const report = { commit: describeCommit(), seed: options.seed, preset: PRESET, rounds: [] };

function save(rounds) {
  report.rounds = rounds;
  if (rounds.length > 0) report.total = addUp(rounds);
  if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
}

if (options.only === BACKLOG)
  report.backlog = await runBacklog({ ...options, tell: createTeller().say });
else await runRounds(options, save);
save(report.rounds);
console.log(writeReport(report));
process.exit(report.rounds.some(isBad) || report.backlog?.bad ? 1 : 0);
