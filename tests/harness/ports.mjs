// Free loopback ports for daemons that are told theirs beforehand. They are taken from below the
// range that the kernel gives to outgoing connections (32768 and up, net.ipv4.ip_local_port_range),
// so that none of those sits on a port while its daemon is away.

import { once } from 'node:events';
import net from 'node:net';

const [FIRST, LAST] = [15_000, 32_767];

/** So many different ports that nobody listens on now. */
export async function freePorts(count) {
  const ports = new Set();
  while (ports.size < count) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1));
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

async function isFree(port) {
  const server = net.createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
