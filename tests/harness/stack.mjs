// The five daemons of postcall together, on loopback ports and in a directory of their own: started
// in the order of the flow, each to be killed and started again, and ended with nothing left
// behind.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAgentsTable, createStream, putAgents } from '../aws/resources.mjs';
import { OBSERVER_KEY } from '../aws/keyring.mjs';
import { createClients } from '../aws/clients.mjs';
import { binaryOf, isBuilt, startDaemon } from './daemon.mjs';
import { assertAllThere } from './judge.mjs';
import { eventually } from './eventually.mjs';
import { atExit } from './leftovers.mjs';
import { freePorts } from './ports.mjs';
import { readBuckets, readDirectory, readNdjson, readRows, readStream } from './sinks.mjs';
import { TENANTS } from './tenants.mjs';
import { SECRET } from './webhook.mjs';

/** In the order of the flow, with the prefix of each one's settings. */
export const STAGES = {
  ingress: 'INGRESS',
  'tenant-resolver': 'RESOLVER',
  logger: 'LOGGER',
  recorder: 'RECORDER',
  'resources-sink': 'RESOURCES_SINK',
};
export const STAGE_NAMES = Object.keys(STAGES);
export const isPipelineBuilt = () => STAGE_NAMES.every((name) => isBuilt(name));

const STREAM = 'agent-logs';
const BUCKETS = { recordings: 'recordings-bucket', transcripts: 'transcripts-bucket' };

/**
 * Starts the pipeline. `postgres` (a cluster; a database is made in it); `aws` (from startAws;
 * without it the sinks are files); `tenants` (TENANTS); `environment` {stage: {NAME: value}}, or a
 * function that gives it from the stack, over what the stack sets; `only` the stages to start
 * (all).
 */
export async function startStack({
  postgres,
  aws,
  tenants = TENANTS,
  environment = {},
  only = STAGE_NAMES,
} = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'postcall-stack-'));
  const stack = new Stack({ directory, postgres, aws, tenants });
  try {
    await stack.prepare(environment);
    await stack.startAll(only);
    return stack;
  } catch (error) {
    await stack.destroy();
    throw error;
  }
}

class Stack {
  constructor(parts) {
    Object.assign(this, parts, {
      daemons: {},
      clients: parts.aws && createClients(parts.aws, { credentials: OBSERVER_KEY }),
      secret: SECRET,
    });
    this.forget = atExit(() => this.remove());
    this.tenantFile = join(this.directory, 'tenants.json');
    this.streamFile = join(this.directory, 'stream.ndjson');
    this.storeDirectory = join(this.directory, 'objects');
    this.dataDirectory = join(this.directory, 'ingress');
  }

  async prepare(environment) {
    this.database = this.postgres && (await this.postgres.createDatabase());
    this.ports = await choosePorts();
    this.url = `http://127.0.0.1:${this.ports.http}/api/elevenlabs/webhook`;
    // The recorder makes no directory of its own: one that is missing may be a volume that is not
    // mounted.
    mkdirSync(this.storeDirectory);
    this.writeTenants(this.tenants);
    if (this.aws) await this.prepareAws();
    const settings = this.settings();
    const more = typeof environment === 'function' ? environment(this) : environment;
    this.environment = Object.fromEntries(
      STAGE_NAMES.map((name) => [name, withoutUndefined({ ...settings[name], ...more[name] })]),
    );
    if (this.database) {
      execFileSync(binaryOf('resources-sink'), ['--migrate'], {
        env: this.environment['resources-sink'],
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    }
  }

  async prepareAws() {
    // Stacks that share a local AWS have streams and tables of their own.
    const own = `${this.ports.http}`;
    this.stream = `${STREAM}-${own}`;
    this.table = `elevenlabs-agents-${own}`;
    this.buckets = Object.fromEntries(
      Object.entries(BUCKETS).map(([use, name]) => [use, `${name}-${own}`]),
    );
    Object.values(this.buckets).forEach((bucket) => this.aws.store.createBucket(bucket));
    await createStream(this.clients, this.stream);
    await createAgentsTable(this.clients, { name: this.table });
    await putAgents(this.clients, this.tenants, this.table);
  }

  writeTenants(tenants) {
    writeFileSync(this.tenantFile, JSON.stringify(tenants, null, 2));
  }

  /** The ZeroMQ address of a port by its name: dispatch, toLogger, ... */
  at(name) {
    return `tcp://127.0.0.1:${this.ports[name]}`;
  }

  settings() {
    const { ports, aws } = this;
    const at = (name) => this.at(name);
    const cloud = aws?.environment ?? {};
    const settings = {
      ingress: {
        INGRESS_LISTEN: `127.0.0.1:${ports.http}`,
        INGRESS_BIND: at('dispatch'),
        INGRESS_DATA_DIR: this.dataDirectory,
        ELEVENLABS_WEBHOOK_SECRET: this.secret,
      },
      'tenant-resolver': {
        RESOLVER_CONNECT: at('dispatch'),
        RESOLVER_REPLAY_CONNECT: at('replay'),
        RESOLVER_BIND_LOGGER: at('toLogger'),
        RESOLVER_BIND_RECORDER: at('toRecorder'),
        RESOLVER_BIND_RESOURCES_SINK: at('toResourcesSink'),
        TENANT_DIRECTORY: aws ? 'dynamodb' : `file:${this.tenantFile}`,
        ...(aws && { DYNAMODB_ELEVENLABS_AGENTS_TABLE: this.table }),
        ...cloud,
      },
      logger: {
        LOGGER_CONNECT: at('toLogger'),
        LOGGER_STREAM: aws ? `kinesis:${this.stream}` : `file:${this.streamFile}`,
        ...cloud,
      },
      recorder: {
        RECORDER_CONNECT: at('toRecorder'),
        RECORDER_STORE: aws ? 's3' : `file:${this.storeDirectory}`,
        ...(aws && {
          S3_BUCKET_RECORDINGS: this.buckets.recordings,
          S3_BUCKET_TRANSCRIPTS: this.buckets.transcripts,
        }),
        ...cloud,
      },
      'resources-sink': {
        RESOURCES_SINK_CONNECT: at('toResourcesSink'),
        DATABASE_URL: this.database ?? '',
      },
    };
    for (const [name, prefix] of Object.entries(STAGES))
      settings[name][`${prefix}_ADMIN_LISTEN`] = this.adminOf(name);
    return settings;
  }

  adminOf(name) {
    return `127.0.0.1:${this.ports[name]}`;
  }

  /**
   * Starts a daemon that does not run: a stage, or one that add() made. `under`: a program with its
   * arguments that is to start it, and to become it.
   */
  start(name, under = []) {
    const [binary, ...args] = [...under, binaryOf(stageOf(name))];
    this.daemons[name] = startDaemon(stageOf(name), {
      binary,
      args,
      environment: this.environment[name],
      admin: this.adminOf(name),
      cwd: this.directory,
    });
    return this.daemons[name];
  }

  /**
   * Starts one more daemon of a stage, with `environment` over the settings of the first, and waits
   * until it is ready; returns its name (logger-2), by which restart() and the like know it.
   */
  async add(stage, environment = {}) {
    const count = Object.keys(this.environment).filter((name) => stageOf(name) === stage).length;
    const name = `${stage}-${count + 1}`;
    [this.ports[name]] = await freePorts(1);
    this.environment[name] = {
      ...this.environment[stage],
      [`${STAGES[stage]}_ADMIN_LISTEN`]: this.adminOf(name),
      ...environment,
    };
    await this.start(name).ready();
    return name;
  }

  /** Starts these stages and waits until all that run are ready. */
  async startAll(names = STAGE_NAMES) {
    for (const name of names) this.start(name);
    await this.ready();
  }

  async ready() {
    await Promise.all(Object.values(this.daemons).map((daemon) => daemon.ready()));
  }

  /** kill -9, and up again. */
  async restart(name) {
    await this.daemons[name].kill();
    await this.start(name).ready();
  }

  /** SIGTERM, a clean exit, and up again. */
  async restartCleanly(name) {
    await this.daemons[name].stopCleanly();
    await this.start(name).ready();
  }

  /** What the sinks hold now. */
  async evidence() {
    const [rows, records, objects] = await Promise.all([
      this.database ? readRows(this.postgres, this.database) : undefined,
      this.aws ? readStream(this.clients, this.stream) : readNdjson(this.streamFile),
      this.aws
        ? readBuckets(this.clients, Object.values(this.buckets))
        : readDirectory(this.storeDirectory),
    ]);
    return { rows, records, objects };
  }

  /**
   * Waits until all that was accepted is where it belongs, and nothing else; returns evidence().
   */
  async settled(load, { timeoutMs = 30_000, ...more } = {}) {
    const attempt = async () => {
      const evidence = await this.evidence();
      assertAllThere({ tenants: this.tenants, ...evidence, ...load, ...more });
      return evidence;
    };
    return this.explained(eventually('all is there', attempt, timeoutMs));
  }

  /**
   * Waits until the ingress has had nothing unsettled for a while (the gauge is read now and then),
   * so that what is not there now never will be.
   */
  async drained(timeoutMs = 30_000) {
    const quietMs = 500;
    let quietSince = Infinity;
    const attempt = async () => {
      const { backlog, unmeasured } = await this.backlog();
      quietSince = backlog === 0 && !unmeasured ? Math.min(quietSince, Date.now()) : Infinity;
      if (!(Date.now() - quietSince >= quietMs))
        throw new Error(`the backlog is ${backlog}, ${unmeasured} events not counted`);
      return true;
    };
    return this.explained(eventually('nothing is unsettled', attempt, timeoutMs));
  }

  /**
   * The gauge of unsettled events, which the ingress brings up to date once a second, and how many
   * events have been accepted since.
   */
  async backlog() {
    const metrics = await this.daemons.ingress.metrics();
    const sum = (name, labels) => metrics.sum(`postcall_ingress_${name}`, labels);
    const accepted = sum('answers_total', { status: '200' }) - sum('duplicates_total');
    return {
      backlog: sum('backlog_events'),
      unmeasured: Math.max(0, accepted - sum('journal_events_total')),
    };
  }

  // A failure says what the daemons said last.
  async explained(promise) {
    try {
      return await promise;
    } catch (error) {
      throw new Error(`${error.message}\n${this.lastLines()}`);
    }
  }

  /** Ends all in the order of the flow, each with a clean exit. */
  async stop() {
    for (const stage of STAGE_NAMES) {
      for (const name of Object.keys(this.daemons).filter((other) => stageOf(other) === stage)) {
        await this.daemons[name].stopCleanly();
        delete this.daemons[name];
      }
    }
  }

  /** Kills what still runs and removes the directory. Safe to call twice. */
  async destroy() {
    await Promise.all(Object.values(this.daemons).map((daemon) => daemon.kill()));
    this.daemons = {};
    this.clients?.destroy();
    this.remove();
    this.forget();
  }

  remove() {
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 3 });
  }

  /** The last lines of all daemons, for the message of a failed test. */
  lastLines(count = 15) {
    return Object.values(this.daemons)
      .map((daemon) => `--- ${daemon.name}\n${daemon.lastLines(count)}`)
      .join('\n');
  }
}

const stageOf = (name) => name.replace(/-\d+$/, '');

const withoutUndefined = (members) =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));

async function choosePorts() {
  const names = [
    'http',
    'dispatch',
    'replay',
    'toLogger',
    'toRecorder',
    'toResourcesSink',
    ...STAGE_NAMES,
  ];
  const ports = await freePorts(names.length);
  return Object.fromEntries(names.map((name, index) => [name, ports[index]]));
}
