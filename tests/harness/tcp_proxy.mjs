// A TCP proxy on loopback between a daemon and its backend: it can hold back what the backend
// answers, refuse and break connections.

import { once } from 'node:events';
import net from 'node:net';

/** Listens on a port of its own and passes everything to `port`. */
export async function startProxy(port) {
  const proxy = new TcpProxy(port);
  await proxy.listen();
  return proxy;
}

class TcpProxy {
  constructor(target) {
    Object.assign(this, { target, pairs: new Set(), holding: false });
    this.server = net.createServer((client) => this.join(client));
  }

  async listen() {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = this.server.address().port;
  }

  join(client) {
    const backend = net.connect(this.target, '127.0.0.1');
    const pair = { client, backend };
    this.pairs.add(pair);
    client.pipe(backend);
    backend.on('data', (bytes) => client.write(bytes));
    if (this.holding) backend.pause();
    for (const socket of [client, backend]) {
      socket.on('error', () => {});
      socket.on('close', () => {
        client.destroy();
        backend.destroy();
        this.pairs.delete(pair);
      });
    }
  }

  /** From now on nothing that the backend says arrives, until release(). */
  hold() {
    this.holding = true;
    for (const { backend } of this.pairs) backend.pause();
  }

  release() {
    this.holding = false;
    for (const { backend } of this.pairs) backend.resume();
  }

  /** Resets every connection. */
  cut() {
    for (const { client, backend } of this.pairs) {
      client.resetAndDestroy();
      backend.destroy();
    }
  }

  async close() {
    this.cut();
    this.server.close();
    await once(this.server, 'close');
  }
}
