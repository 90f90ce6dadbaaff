// Free loopback ports for daemons that are told theirs beforehand. They are taken from below the
// range that the kernel gives to outgoing connections (32768 and up, net.ipv4.ip_local_port_range),
// so that none of those sits on a port while its daemon is away. Each process has a slice of that
// range to itself, for as long as it listens on the slice's first port: nobody else takes a port of
// a daemon that is just being restarted.

import { once } from 'node:events';
import net from 'node:net';

const [FIRST, LAST] = [15_000, 32_767];
const SLICE = 200;
const SLICES = Math.floor((LAST - FIRST + 1) / SLICE);

let slice; // {first, next}, of this process

/** So many different ports that nobody listens on now. */
export async function freePorts(count) {
  slice ??= await takeSlice();
  const ports = [];
  for (let tries = 0; ports.length < count; tries += 1) {
    if (tries === SLICE) throw new Error(`fewer than ${count} of ${SLICE} ports are free`);
    const port = slice.first + slice.next;
    slice.next = (slice.next % (SLICE - 1)) + 1;
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

async function takeSlice() {
  for (let i = 0; i < SLICES; i += 1) {
    const first = FIRST + ((process.pid + i) % SLICES) * SLICE;
    const server = await listen(first);
    if (!server) continue;
    server.unref();
    return { first, next: 1 };
  }
  throw new Error('every slice of ports is taken');
}

async function isFree(port) {
  const server = await listen(port);
  server?.close();
  return server !== undefined;
}

/** Listens on the port; undefined when somebody else does. */
async function listen(port) {
  const server = net.createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return server;
  } catch {
    return undefined;
  }
}
