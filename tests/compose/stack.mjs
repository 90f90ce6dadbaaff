// The stack of compose.yaml in a real container engine: built, brought up under a project name of
// its own, looked into from inside its containers, and taken away. Nothing of compose.yaml is
// changed for the tests but what its variables offer.

import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { assertAllThere } from '../harness/judge.mjs';
import { eventually } from '../harness/eventually.mjs';
import { atExit } from '../harness/leftovers.mjs';
import { parseMetrics } from '../harness/metrics.mjs';
import { freePorts } from '../harness/ports.mjs';
import { STAGES } from '../harness/stack.mjs';
import { AGENTS, TENANTS } from '../harness/tenants.mjs';
import { audio, SECRET, sipFailure, transcription } from '../harness/webhook.mjs';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const DAEMONS = Object.keys(STAGES);
const ADMIN_PORTS = Object.fromEntries(DAEMONS.map((name, index) => [name, 9601 + index]));
const STREAM = 'agent-logs';
const BUCKETS = ['local-recordings', 'local-transcripts'];
const POSTGRES_STAND_IN = 'postcall-test-postgres';
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;

const works = (command, args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;
const COMPOSE = works('docker-compose', ['version'])
  ? ['docker-compose']
  : ['docker', 'compose'];

/** Why the tests of this folder cannot run here, or false: what node:test takes as `skip`. */
export const noEngine = (() => {
  if (!works(COMPOSE[0], [...COMPOSE.slice(1), 'version']))
    return 'no docker-compose and no docker compose here';
  if (!works('docker', ['version'])) return 'no container engine answers (DOCKER_HOST)';
  return false;
})();

const run = (command, args, options = {}) =>
  promisify(execFile)(command, args, { maxBuffer: MAX_OUTPUT_BYTES, cwd: ROOT, ...options });

/** Runs `docker` with these arguments; resolves to its standard output. */
export const docker = async (...args) => (await run('docker', args)).stdout;

/** Builds or pulls nothing that is there: what every file of tests calls first. */
export async function buildImages() {
  if (!process.env.POSTGRES_IMAGE)
    await docker('build', '-q', '-t', POSTGRES_STAND_IN, 'tests/compose/postgres');
  await compose({}, 'build').catch(({ message, stdout = '' }) => {
    throw new Error(`${message}\n${stdout.split('\n').slice(-40).join('\n')}`);
  });
}

// Images of the tests' own, and one of PostgreSQL that can be had here.
const IMAGES = {
  POSTGRES_IMAGE: POSTGRES_STAND_IN,
  POSTCALL_IMAGE: 'postcall:test',
  PROXY_IMAGE: 'postcall-proxy:test',
  AWS_LOCAL_IMAGE: 'postcall-aws-local:test',
};

const environmentWith = (more) => ({
  ...IMAGES,
  // Where a proxy of the network signs certificates; the lock file has what must come.
  NPM_CONFIG_STRICT_SSL: 'false',
  ...process.env,
  ...more,
});

const compose = (environment, ...args) =>
  run(COMPOSE[0], [...COMPOSE.slice(1), '--ansi', 'never', ...args], {
    env: environmentWith(environment),
  });

// Silence is noticed sooner than in 15 s, so that tests need not wait for it so long.
const TIMES = Object.fromEntries(
  Object.entries(STAGES).map(([service, prefix]) => [
    service,
    {
      environment: {
        [`${prefix}_PING_INTERVAL_MS`]: '500',
        [`${prefix}_PEER_SILENCE_MS`]: '3000',
        ...(service !== 'ingress' && { [`${prefix}_LOOKUP_INTERVAL_MS`]: '1000' }),
      },
    },
  ]),
);

/**
 * Brings the stack up. `signed`: as deploy/compose/signed.yaml has it, with the tenants of the tests and
 * their times; else as it stands there. `args`: further arguments of `up`.
 */
export async function startStack({ signed = false, args = [] } = {}) {
  const [port] = await freePorts(1);
  const directory = mkdtempSync(join(tmpdir(), 'postcall-compose-'));
  const stack = new ComposeStack(port, directory, signed ? signedSettings(directory) : {});
  try {
    await stack.compose('up', '-d', ...args);
    await stack.ready();
    return stack;
  } catch (error) {
    const words = await stack.lastLines();
    await stack.destroy();
    throw new Error(`${error.message}\n${error.stderr ?? ''}\n${words}`);
  }
}

function signedSettings(directory) {
  const file = (name, text) => {
    const path = join(directory, name);
    // The engine gives it to a user of another number.
    writeFileSync(path, text, { mode: 0o644 });
    return path;
  };
  const times = file('times.yaml', JSON.stringify({ services: TIMES }));
  return {
    COMPOSE_FILE: ['compose.yaml', 'deploy/compose/signed.yaml', times].join(':'),
    ELEVENLABS_WEBHOOK_SECRET_FILE: file('secret', SECRET),
    TENANTS_FILE: file('tenants.json', JSON.stringify(TENANTS)),
  };
}

/** What was sent to one stack over several tests, as runLoad gives it; no event twice. */
export function createBook() {
  let last = 0;
  return {
    accepted: [],
    attempted: [],
    events(count) {
      const first = last + 1;
      last += count;
      return Array.from({ length: count }, (_, index) => {
        const seed = first + index;
        const make = [audio, sipFailure][seed % 10] ?? transcription;
        return make(seed, { agentId: AGENTS[seed % AGENTS.length] });
      });
    },
    enter(load) {
      this.accepted.push(...load.accepted);
      this.attempted.push(...load.attempted);
      return load;
    },
  };
}

class ComposeStack {
  constructor(port, directory, environment) {
    this.project = `postcall-test-${port}`;
    this.url = `http://127.0.0.1:${port}/api/elevenlabs/webhook`;
    this.port = port;
    this.directory = directory;
    this.environment = {
      COMPOSE_PROJECT_NAME: this.project,
      POSTCALL_PUBLISH: `127.0.0.1:${port}`,
      ...environment,
    };
    this.forget = atExit(() => this.remove());
  }

  /** Runs docker-compose in this project; resolves to its standard output. */
  async compose(...args) {
    return (await compose(this.environment, ...args)).stdout;
  }

  /** The containers of a service, in the order of their numbers; with `all` those that ended, too. */
  async containers(service, { all = false } = {}) {
    const ids = await docker(
      'ps',
      '-q',
      ...(all ? ['-a'] : []),
      ...['--filter', `label=com.docker.compose.project=${this.project}`],
      ...['--filter', `label=com.docker.compose.service=${service}`],
    );
    const found = ids.split('\n').filter(Boolean);
    if (found.length === 0) return [];
    const about = JSON.parse(await docker('inspect', ...found));
    const numberOf = ({ Config }) => Number(Config.Labels['com.docker.compose.container-number']);
    return about.sort((a, b) => numberOf(a) - numberOf(b));
  }

  /** The id of one container of a service. */
  async container(service, index = 0) {
    const found = await this.containers(service, { all: true });
    if (!found[index]) throw new Error(`${service} has ${found.length} containers`);
    return found[index].Id;
  }

  /** Runs a command in a container; resolves to its standard output. */
  exec(container, ...command) {
    return docker('exec', container, ...command);
  }

  /** Waits until every container that runs is healthy, and the webhook port answers. */
  async ready(timeoutMs = 90_000) {
    await eventually(
      'all containers are healthy',
      async () => {
        for (const service of [...DAEMONS, 'proxy', 'postgres', 'aws-local']) {
          const found = await this.containers(service);
          const sick = found.find(({ State }) => State.Health.Status !== 'healthy');
          if (found.length === 0 || sick) throw new Error(`${service}: ${sick?.State.Health.Status}`);
        }
        return (await fetch(`http://127.0.0.1:${this.port}/healthz`)).ok;
      },
      timeoutMs,
    );
  }

  /**
   * A logger that does not belong to the stack, on its network and with its public keys, started by
   * a line of shell; returns the container's id.
   */
  async stranger(t, setting, line) {
    const settings = [setting, 'LOGGER_CONNECT=tcp://tenant-resolver:5611', 'LOGGER_STREAM=file:/tmp/calls'];
    const id = await docker(
      ...['run', '-d', '--network', this.network('work'), '--tmpfs', '/tmp:mode=1777'],
      ...['-v', `${this.project}_keys:/keys:ro`],
      ...settings.flatMap((one) => ['-e', one]),
      ...[IMAGES.POSTCALL_IMAGE, 'bash', '-c', line],
    );
    t.after(() => docker('rm', '-f', id.trim()));
    return id.trim();
  }

  /** Takes a container off a network, and puts it back under its name. */
  async cut(service, network) {
    await docker('network', 'disconnect', this.network(network), await this.container(service));
  }

  async mend(service, network) {
    const alias = ['--alias', service];
    const id = await this.container(service);
    await docker('network', 'connect', ...alias, this.network(network), id);
  }

  network(name) {
    return `${this.project}_${name}`;
  }

  /** The metrics of each container of a daemon. */
  async metrics(service) {
    const ask =
      `exec 3<>/dev/tcp/127.0.0.1/${ADMIN_PORTS[service]}; ` +
      `printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3`;
    const found = await this.containers(service);
    const pages = await Promise.all(found.map(({ Id }) => this.exec(Id, 'bash', '-c', ask)));
    return pages.map((page) => parseMetrics(page.slice(page.indexOf('\r\n\r\n') + 4)));
  }

  /** What the sinks hold now, as the judge takes it. */
  async evidence() {
    const [rows, { records, objects }] = await Promise.all([this.rows(), this.stored()]);
    return { rows, records, objects };
  }

  async rows() {
    const query = `SELECT coalesce(json_agg(r), '[]') FROM (SELECT "id", "businessLocationId",
      "resourceType", "resourceId", "operation", "data"::text AS "data", "createdAt", "updatedAt",
      "requestId", "version" FROM resources ORDER BY "id") r`;
    return JSON.parse(await this.psql(query));
  }

  async psql(query, ...flags) {
    const psql = ['psql', '-XAt', ...flags, '-U', 'postcall', '-c', query];
    return this.exec(await this.container('postgres'), ...psql);
  }

  async stored() {
    const show = ['node', 'aws/show.mjs', 'all', STREAM, ...BUCKETS];
    const lines = (await this.exec(await this.container('aws-local'), ...show))
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
    return {
      records: lines.filter(({ record }) => record).map(({ record }) => ({ text: record })),
      objects: lines
        .filter(({ object }) => object)
        .map(({ object, base64 }) => ({ key: object, bytes: Buffer.from(base64, 'base64') })),
    };
  }

  /** Waits until all that was accepted is where it belongs, and nothing else. */
  async settled(load, { timeoutMs = 60_000, ...more } = {}) {
    await this.drained(timeoutMs);
    try {
      const attempt = async () => {
        const evidence = await this.evidence();
        const { accepted, attempted } = load;
        assertAllThere({ ...evidence, accepted, attempted, ...more });
        return evidence;
      };
      return await eventually('all is there', attempt, timeoutMs);
    } catch (error) {
      throw new Error(`${error.message}\n${await this.lastLines()}`);
    }
  }

  /** Waits until no ingress has anything that is not settled. */
  async drained(timeoutMs = 60_000) {
    await eventually(
      'nothing is unsettled',
      async () => {
        const pages = await this.metrics('ingress');
        const backlog = pages.map((page) => page.sum('postcall_ingress_backlog_events'));
        if (pages.length === 0 || backlog.some((count) => count !== 0))
          throw new Error(`the backlog is ${backlog}`);
        return true;
      },
      timeoutMs,
    );
  }

  /** What the containers said last, for the message of a failed test. */
  async lastLines(count = 12) {
    return this.compose('logs', '--no-color', `--tail=${count}`).catch(({ message }) => message);
  }

  remove() {
    const args = [...COMPOSE.slice(1), 'down', '-v', '-t', '0', '--remove-orphans'];
    const env = environmentWith(this.environment);
    execFileSync(COMPOSE[0], args, { cwd: ROOT, env, stdio: 'ignore' });
    this.removeDirectory();
  }

  removeDirectory() {
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Takes all of it away, the volumes too. */
  async destroy() {
    await this.compose('down', '-v', '-t', '0', '--remove-orphans');
    this.removeDirectory();
    this.forget();
  }
}
