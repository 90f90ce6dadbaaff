// A private PostgreSQL cluster in a temporary directory, from Debian's packages: one per test file,
// a database per test. It syncs to disk like a real one, so that a kill -9 of it means something.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { atExit } from './leftovers.mjs';
import { eventually } from './eventually.mjs';
import { freePorts } from './ports.mjs';

const VERSIONS = '/usr/lib/postgresql';

function binaryPath(name) {
  const newest = readdirSync(VERSIONS).sort((a, b) => Number(b) - Number(a))[0];
  return join(VERSIONS, newest, 'bin', name);
}

// The server refuses to run as root, so root runs it as the user that Debian made for it.
function serverUser() {
  if (process.getuid() !== 0) return {};
  const id = (flag) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

/** Starts a cluster; `settings` are server settings ({max_connections: 20}). */
export async function startPostgres(settings = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'postcall-pg-'));
  const user = serverUser();
  if (user.uid !== undefined) chownSync(directory, user.uid, user.gid);
  const cluster = join(directory, 'cluster');
  execFileSync(
    binaryPath('initdb'),
    ['-D', cluster, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync'],
    { ...user, stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const [port] = await freePorts(1);
  const self = new Postgres({ directory, cluster, port, user, settings });
  await self.start();
  return self;
}

class Postgres {
  constructor(parts) {
    Object.assign(this, parts, { process: null, databases: 0 });
    this.forget = atExit(() => this.remove());
  }

  /** A libpq URL of a database of this cluster. */
  url(database = 'postgres') {
    return `postgresql://postgres@127.0.0.1:${this.port}/${database}`;
  }

  async start() {
    const options = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: this.directory,
      ...this.settings,
    };
    const flags = Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const child = spawn(binaryPath('postgres'), ['-D', this.cluster, '-p', this.port, ...flags], {
      ...this.user,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.process = child;
    // SIGQUIT: at once, and its backends with it.
    child.once(
      'exit',
      atExit(() => child.kill('SIGQUIT')),
    );
    this.log = '';
    child.stderr.on('data', (text) => {
      this.log = (this.log + text).slice(-20_000);
    });
    // One that ended already will never answer.
    await eventually('PostgreSQL answers', () => child.exitCode !== null || this.query('SELECT 1'));
    if (child.exitCode !== null) throw new Error(`PostgreSQL did not start: ${this.log}`);
  }

  /** A new empty database; returns its URL. */
  async createDatabase() {
    this.databases += 1;
    const name = `test_${this.databases}`;
    await this.query(`CREATE DATABASE ${name}`);
    return this.url(name);
  }

  /**
   * The rows of one query on a connection of its own. `database` is a URL, or none for the
   * cluster's own.
   */
  async query(text, values = [], database = this.url()) {
    const client = new pg.Client({ connectionString: database });
    // A cluster that dies beneath the query is reported by the query itself.
    client.on('error', () => {});
    await client.connect();
    try {
      return (await client.query(text, values)).rows;
    } finally {
      await client.end().catch(() => {});
    }
  }

  /**
   * Ends the server: SIGINT (fast), SIGTERM (waits for clients), SIGQUIT (as after a crash) or
   * SIGKILL.
   */
  async stop(signal = 'SIGINT') {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      this.resume();
      this.process.kill(signal);
      await once(this.process, 'exit');
    }
  }

  /** Ends it in this way, and up again: after SIGKILL once the orphaned backends have gone. */
  async restart(signal) {
    await this.stop(signal);
    await eventually(
      'PostgreSQL starts again',
      async () => {
        await this.start();
        return true;
      },
      30_000,
    );
  }

  pause() {
    this.process.kill('SIGSTOP');
  }

  resume() {
    this.process.kill('SIGCONT');
  }

  async destroy() {
    await this.stop();
    this.remove();
    this.forget();
  }

  remove() {
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 3 });
  }
}
