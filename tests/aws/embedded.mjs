// kinesalite and dynalite as services behind the gateway. They are faithful in what they store and
// check; they verify no signature, never throttle and never fail in part: that is what the gateway
// is for.

import http from 'node:http';
import { once } from 'node:events';
import kinesalite from 'kinesalite';
import dynalite from 'dynalite';

const RESOURCE_MEMBERS = ['StreamName', 'TableName', 'StreamARN'];

function describe(request) {
  const operation = (request.headers['x-amz-target'] ?? '').split('.')[1] ?? '';
  let members = {};
  try {
    members = JSON.parse(request.body) ?? {};
  } catch {
    // The service behind says what it thinks of such a body.
  }
  const resource = RESOURCE_MEMBERS.map((member) => members[member]).find(Boolean) ?? '';
  return { operation, resource: String(resource) };
}

// AWS takes the ARN of a stream or table for its name; these two do not.
function withoutArn(request) {
  const body = request.body
    .toString('latin1')
    .replace(/"StreamARN":"arn:[^"]*:stream\/([^"]*)"/, '"StreamName":"$1"')
    .replace(/"TableName":"arn:[^"]*:table\/([^"]*)"/, '"TableName":"$1"');
  return { ...request, body: Buffer.from(body, 'latin1') };
}

async function embed(name, server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const agent = new http.Agent({ keepAlive: true });
  const { port } = server.address();
  return {
    name,
    signed: true,
    describe,
    handle: (request) => forward(withoutArn(request), { host: '127.0.0.1', port, agent }),
    async close() {
      agent.destroy();
      await new Promise((done) => {
        server.close(done);
      });
    },
  };
}

function forward(request, target) {
  return new Promise((resolve, reject) => {
    const headers = { ...request.headers, 'content-length': request.body.length };
    delete headers['transfer-encoding'];
    delete headers.expect;
    const forwarded = http.request(
      { ...target, method: request.method, path: request.path, headers },
      async (res) => {
        const chunks = [];
        for await (const chunk of res) chunks.push(chunk);
        const {
          date,
          connection,
          'keep-alive': keepAlive,
          'transfer-encoding': encoding,
          ...kept
        } = res.headers;
        resolve({ status: res.statusCode, headers: kept, body: Buffer.concat(chunks) });
      },
    );
    forwarded.on('error', reject);
    forwarded.end(request.body);
  });
}

/** `path`: a directory that outlives the process; none: memory. */
export const createKinesis = (path) =>
  embed('kinesis', kinesalite({ path, createStreamMs: 0, deleteStreamMs: 0, shardLimit: 100 }));
export const createDynamodb = (path) =>
  embed('dynamodb', dynalite({ path, createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 }));
