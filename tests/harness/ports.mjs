// Free loopback ports for daemons that are told theirs beforehand.

import { once } from 'node:events';
import net from 'node:net';

/**
 * So many ports that nobody listens on now. All are held until the last is known, so that they
 * differ.
 */
export async function freePorts(count) {
  const servers = Array.from({ length: count }, () => net.createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}
