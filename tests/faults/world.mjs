// What a round's faults act upon: the stack, its backends and its directory, with what was done to
// them counted.

import { spawn } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DeleteItemCommand } from '@aws-sdk/client-dynamodb';
import pg from 'pg';
import { putAgents } from '../aws/resources.mjs';
import { MOVING, TENANTS } from './traffic.mjs';

const SYNCS = 'fsync,fdatasync,sync_file_range,syncfs';
const HOLD_US = 20_000_000;
const POLL_MS = 15;
const READY_MS = 30_000;
const START_MS = 10_000;
const PATIENCE_MS = 8000;
const SINKS = ['logger', 'recorder', 'resources-sink'];
const OUTCOMES = 'postcall_ingress_outcomes_total';
const QUIET_MS = 300;

/** What one fault holds, to be let go in the opposite order. */
export class Holds {
  constructor() {
    this.undone = [];
  }

  add(undo) {
    this.undone.push(undo);
  }

  async release() {
    for (const undo of this.undone.splice(0).reverse()) await undo();
  }
}

export class World {
  /** `postgres`: the cluster; `proxy`: before it; `aws` or none. The stack is given later. */
  constructor({ postgres, proxy, aws }) {
    Object.assign(this, { postgres, proxy, aws });
    Object.assign(this, { kills: {}, faults: {}, states: {}, misses: [], ends: [] });
    this.owners = MOVING.map(([first]) => first);
  }

  /** Notes for whoever looks into a round that went wrong. */
  note(text) {
    appendFileSync(
      join(this.stack.directory, 'faults.log'),
      `${new Date().toISOString()} ${text}\n`,
    );
  }

  count(table, name) {
    this[table][name] = (this[table][name] ?? 0) + 1;
  }

  rest(ms) {
    return sleep(ms);
  }

  /** Polls until the condition holds; false when it does not in time. */
  async until(condition, timeoutMs = PATIENCE_MS) {
    for (const end = Date.now() + timeoutMs; Date.now() < end; await sleep(POLL_MS))
      if (await Promise.resolve(condition()).catch(() => false)) return true;
    return false;
  }

  // --- daemons

  daemon(stage) {
    return this.stack.daemons[stage];
  }

  /** kill -9. One that had ended by itself is noted: none may. */
  async kill(stage) {
    const daemon = this.daemon(stage);
    const hadEnded = daemon.ended;
    const dying = daemon.kill();
    // Whoever is traced is not gone before its tracer has taken note or is gone itself.
    this.tracer?.kill('SIGKILL');
    const { code, signal, error } = await dying;
    this.keepLines(daemon);
    if (hadEnded || signal !== 'SIGKILL')
      this.ends.push(`${stage} ended by itself with ${error?.message ?? code ?? signal}`);
    else this.count('kills', stage);
  }

  /** SIGTERM and a clean exit; not before it has come so far as to hear of signals. */
  async stop(stage) {
    const daemon = this.daemon(stage);
    const started = () => daemon.ended || daemon.lines.some((line) => /msg=started/.test(line));
    await this.until(started, START_MS);
    await daemon.stopCleanly().catch((error) => this.ends.push(error.message));
    this.keepLines(daemon);
  }

  keepLines(daemon) {
    appendFileSync(
      join(this.stack.directory, `${daemon.name}.log`),
      `${daemon.lines.join('\n')}\n--- process ${daemon.pid} is gone\n`,
    );
    daemon.lines = [];
  }

  /** Starts it where it does not run. */
  start(stage) {
    if (this.daemon(stage).ended) this.stack.start(stage);
  }

  pause(stage, holds) {
    this.daemon(stage).pause();
    holds.add(() => this.resume(stage));
  }

  resume(stage) {
    this.daemon(stage).resume();
  }

  /** A metric of a daemon, summed over its labels; 0 where it is not there yet. */
  async metric(stage, name, labels) {
    return (await this.daemon(stage).metrics()).sum(name, labels) ?? 0;
  }

  /** Waits until all daemons are ready, and every sink settles events again. */
  async flowing() {
    await this.stack.ready();
    const settled = (sink) => this.metric('ingress', OUTCOMES, { sink, outcome: 'done' });
    const flows = async (sink) => {
      const before = await settled(sink).catch(() => 0);
      return this.until(async () => (await settled(sink)) > before, READY_MS);
    };
    await Promise.all(SINKS.map(flows));
  }

  /**
   * Holds a daemon in its next sync, before the kernel does it or after it has; for ever, as far as
   * anybody is concerned. Only to be ended by killing the daemon.
   */
  async holdSyncs(stage, when, holds) {
    const trace = join(this.stack.directory, 'held-syncs');
    const delay = when === 'before' ? 'delay_enter' : 'delay_exit';
    const inject = `inject=${SYNCS}:${delay}=${HOLD_US}`;
    const { pid } = this.daemon(stage);
    writeFileSync(trace, '');
    this.tracer = spawn(
      'strace',
      ['-f', '-p', pid, '-e', `trace=${SYNCS}`, '-e', inject, '-o', trace],
      { stdio: 'ignore' },
    );
    holds.add(() => this.tracer.kill('SIGKILL'));
    return this.until(() => existsSync(trace) && /sync/.test(readFileSync(trace)));
  }

  // --- PostgreSQL

  async connect() {
    const client = new pg.Client({ connectionString: this.stack.database });
    client.on('error', () => {});
    await client.connect();
    return client;
  }

  /** A figure that grows with whatever this sink's backend has taken. */
  async written(sink) {
    const { stack, aws } = this;
    if (sink === 'logger')
      return aws ? aws.books.answered.kinesis : statSync(stack.streamFile).size;
    if (sink === 'recorder')
      return aws
        ? aws.books.answered.s3
        : readdirSync(stack.storeDirectory, { recursive: true }).length;
    const sql = 'SELECT count(*)::int AS rows FROM resources';
    return (await this.postgres.query(sql, [], stack.database))[0].rows;
  }

  /** Locks the table, so that a transaction stands in the middle; whether one was seen to. */
  async lockTable(holds) {
    const client = await this.connect();
    holds.add(() => client.end().catch(() => {}));
    await client.query('BEGIN; LOCK TABLE resources IN ACCESS EXCLUSIVE MODE');
    const sql = 'SELECT count(*)::int AS waiting FROM pg_locks WHERE NOT granted';
    return this.until(async () => (await client.query(sql)).rows[0].waiting > 0);
  }

  /** Takes every connection that PostgreSQL has, the sink's own included. */
  async takeConnections(holds) {
    const clients = [];
    holds.add(() => Promise.all(clients.map((client) => client.end().catch(() => {}))));
    const takeAll = async () => {
      for (;;) {
        try {
          clients.push(await this.connect());
        } catch {
          return;
        }
      }
    };
    await takeAll();
    const own = await Promise.all(
      clients.map(async (client) => (await client.query('SELECT pg_backend_pid() AS pid')).rows),
    );
    await clients[0].query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> ALL ($1)`,
      [own.flat().map(({ pid }) => pid)],
    );
    await takeAll();
  }

  // --- AWS and the directory

  addRule(rule, holds) {
    const id = this.aws.faults.add(rule);
    holds.add(() => this.aws.faults.clear(id));
    return id;
  }

  ruleOf(id) {
    return this.aws.faults.list().find((rule) => rule.id === id);
  }

  /** The agent belongs to the other one of its two tenants from now on. */
  async move(agent) {
    const pair = MOVING[agent];
    const before = this.owners[agent];
    const after = pair.find((item) => item !== before);
    this.owners[agent] = after;
    if (this.aws) await this.moveItem(before, after);
    else this.writeDirectory();
  }

  // Two items that do not change in one step: nobody may look meanwhile, and see none or both.
  async moveItem(before, after) {
    const { clients, table } = this.stack;
    const id = this.aws.faults.add({ service: 'dynamodb', kind: 'throttle' });
    await sleep(QUIET_MS);
    const Key = { businessId: { S: before.businessId }, locationId: { S: before.locationId } };
    await clients.dynamodb.send(new DeleteItemCommand({ TableName: table, Key }));
    await putAgents(clients, [after], table);
    this.aws.faults.clear(id);
  }

  writeDirectory() {
    const path = this.stack.tenantFile;
    writeFileSync(`${path}.new`, JSON.stringify([...TENANTS, ...this.owners]));
    renameSync(`${path}.new`, path);
  }
}
