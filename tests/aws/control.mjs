// The loopback port by which a test in another process (or a person with curl) drives the local
// AWS. JSON in, JSON out:
//   GET /faults, POST /faults (a rule), DELETE /faults[?id=N]      see faults.mjs
//   GET /requests, GET /counts                                     the books
//   POST /clock {"skewSeconds": N}, POST /identity {settings}      see clock.mjs, aws.mjs
//   POST /keys {"lifetimeSeconds": N}, DELETE /keys?id=ACCESSKEY   issues one; expires one

import http from 'node:http';

export function createControl(aws) {
  const { faults, books, clock, keyring, identity } = aws;
  const routes = {
    'GET /faults': () => faults.list(),
    'POST /faults': ({ body }) => ({ id: faults.add(body) }),
    'DELETE /faults': ({ query }) =>
      faults.clear(query.has('id') ? Number(query.get('id')) : undefined) ?? {},
    'GET /requests': () => books.requests,
    'GET /counts': () => ({ requests: books.requests.length, badSignatures: books.badSignatures }),
    'POST /clock': ({ body }) => clock.setSkew(body.skewSeconds) ?? {},
    'POST /keys': ({ body }) => keyring.issue(body.lifetimeSeconds),
    'DELETE /keys': ({ query }) => keyring.expire(query.get('id')) ?? {},
    'POST /identity': ({ body }) => Object.assign(identity, body),
  };
  return http.createServer(async (req, res) => {
    const url = new URL(req.url, 'http://control');
    const route = routes[`${req.method} ${url.pathname}`];
    const answer = (status, value) => {
      res.writeHead(status, { 'content-type': 'application/json' });
      res.end(JSON.stringify(value));
    };
    try {
      if (!route) return answer(404, { routes: Object.keys(routes) });
      const chunks = [];
      for await (const chunk of req) chunks.push(chunk);
      return answer(
        200,
        route({
          query: url.searchParams,
          body: chunks.length > 0 ? JSON.parse(Buffer.concat(chunks)) : {},
        }),
      );
    } catch (error) {
      return answer(400, { message: error.message });
    }
  });
}
