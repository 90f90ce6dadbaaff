#!/usr/bin/env node
// The local AWS as a process: prints one line of JSON with its endpoints and keys when it is ready,
// and runs until SIGTERM or SIGINT.
// Usage: node tests/aws/serve.mjs [--host ADDRESS] [--directory DIR] [--port SERVICE=N]...
//          [--bucket NAME]... [--stream NAME]... [--agents FILE]

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startAws, STATIC_KEY } from './aws.mjs';
import { createClients } from './clients.mjs';
import { createControl } from './control.mjs';
import { createAgentsTable, createStream, putAgents } from './resources.mjs';

const { values } = parseArgs({
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    directory: { type: 'string' },
    port: { type: 'string', multiple: true, default: [] },
    bucket: { type: 'string', multiple: true, default: [] },
    stream: { type: 'string', multiple: true, default: [] },
    agents: { type: 'string' },
  },
});
const ports = Object.fromEntries(
  values.port.map((pair) => pair.split('=')).map(([name, port]) => [name, Number(port)]),
);

const aws = await startAws({
  host: values.host,
  directory: values.directory,
  buckets: values.bucket,
  ports,
});
const clients = createClients(aws);
for (const name of values.stream) await createStream(clients, name);
if (values.agents) {
  await createAgentsTable(clients);
  await putAgents(clients, JSON.parse(readFileSync(values.agents, 'utf8')));
}
clients.destroy();
// The control port takes orders from anyone who reaches it, so it stays on loopback whatever the
// host.
const control = createControl(aws).listen(ports.control ?? 0, '127.0.0.1');
await once(control, 'listening');
process.stdout.write(
  `${JSON.stringify({
    endpoints: { ...aws.endpoints, control: `http://127.0.0.1:${control.address().port}` },
    region: aws.region,
    ...STATIC_KEY,
    environment: aws.environment,
  })}\n`,
);

const stop = async () => {
  control.close();
  control.closeAllConnections();
  await aws.close();
};
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
