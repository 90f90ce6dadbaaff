// The stack of compose.yaml in a real container engine: built, brought up under a project name of
// its own, looked into from inside its containers, and taken away. Nothing of compose.yaml is
// changed for the tests but what its variables offer.

import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { assertAllThere } from '../harness/judge.mjs';
import { eventually } from '../harness/eventually.mjs';
import { atExit } from '../harness/leftovers.mjs';
import { parseMetrics } from '../harness/metrics.mjs';
import { freePorts } from '../harness/ports.mjs';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const DAEMONS = ['ingress', 'tenant-resolver', 'logger', 'recorder', 'resources-sink'];
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
  await compose({}, 'build', '-q');
}

// What docker-compose is run with: images of the tests' own, and those that can be had here.
const environmentWith = (more) => ({
  POSTGRES_IMAGE: POSTGRES_STAND_IN,
  POSTCALL_IMAGE: 'postcall:test',
  PROXY_IMAGE: 'postcall-proxy:test',
  AWS_LOCAL_IMAGE: 'postcall-aws-local:test',
  // Where a proxy of the network signs certificates; the lock file has what must come.
  NPM_CONFIG_STRICT_SSL: 'false',
  ...process.env,
  ...more,
});

const compose = (environment, ...args) =>
  run(COMPOSE[0], [...COMPOSE.slice(1), '--ansi', 'never', ...args], {
    env: environmentWith(environment),
  });

/** Brings the stack up; `environment` over the defaults, `args` further arguments of `up`. */
export async function startStack({ environment = {}, args = [] } = {}) {
  const [port] = await freePorts(1);
  const stack = new ComposeStack(port, environment);
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

class ComposeStack {
  constructor(port, environment) {
    this.project = `postcall-test-${port}`;
    this.url = `http://127.0.0.1:${port}/api/elevenlabs/webhook`;
    this.port = port;
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
        assertAllThere({ ...evidence, ...load, ...more });
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
  }

  /** Takes all of it away, the volumes too. */
  async destroy() {
    await this.compose('down', '-v', '-t', '0', '--remove-orphans');
    this.forget();
  }
}
