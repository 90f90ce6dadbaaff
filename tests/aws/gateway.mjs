// The front of every local AWS service: reads a request, checks its signature, shows the faults
// that were asked for, hands the rest to the service, and keeps the books.

import http from 'node:http';
import https from 'node:https';
import { checkSignature } from './sigv4.mjs';
import { refusal } from './answers.mjs';

const MAX_BODY_BYTES = 256 * 1024 * 1024;
const MAX_BOOKED_REQUESTS = 20_000;

/** What the gateways of one local AWS write down together. */
export function createBooks() {
  const requests = [];
  return {
    /** The last ones: {at, service, operation, resource, accessKeyId, bodyBytes, status, code,
     * fault}. */
    requests,
    /** How many there were of each service. */
    answered: {},
    /** Requests refused for their signature, key, token or time. */
    badSignatures: 0,
    write(entry) {
      this.answered[entry.service] = (this.answered[entry.service] ?? 0) + 1;
      requests.push(entry);
      if (requests.length > MAX_BOOKED_REQUESTS) requests.splice(0, MAX_BOOKED_REQUESTS / 2);
    },
  };
}

/**
 * A server for one service. `service` = {name, signed, plain, describe(request) -> {operation,
 * resource}, handle(request) -> answer}; `world` = {clock, keyring, faults, books, region,
 * certificate}: with a certificate ({key, cert}) it speaks TLS.
 */
export function createGateway(service, world) {
  const respond = async (req, res) => {
    try {
      const request = await readRequest(req, service);
      await serve(request, res, service, world);
    } catch (error) {
      // The client went away in the middle of its request.
      if (req.destroyed && !req.complete) return;
      if (!res.headersSent) send(res, brokenAnswer(service, error), world.clock.now());
    }
  };
  const settings = { keepAliveTimeout: 60_000, maxHeaderSize: 64 * 1024 };
  return world.certificate
    ? https.createServer({ ...settings, ...world.certificate }, respond)
    : http.createServer(settings, respond);
}

function brokenAnswer(service, error) {
  if (error instanceof URIError)
    return refusal(service.name, 400, 'InvalidURI', "Couldn't parse the specified URI.");
  // A broken test service must be seen, not retried away.
  process.stderr.write(`local AWS ${service.name}: ${error.stack}\n`);
  return refusal(service.name, 500, 'LocalAwsBroken', error.message);
}

async function serve(request, res, service, world) {
  const rule = world.faults.take(request);
  request.at = world.clock.now() + (rule?.kind === 'skew' ? rule.seconds * 1000 : 0);
  const denied = service.signed ? await checkSignature(request, world.keyring, world.region) : null;
  if (denied) world.books.badSignatures += 1;
  const answer =
    denied ??
    (await (rule ? world.faults.apply(rule, request, service.handle) : service.handle(request)));
  world.books.write({
    at: request.at,
    service: service.name,
    operation: request.operation,
    resource: request.resource,
    accessKeyId: request.accessKeyId,
    bodyBytes: request.body.length,
    status: answer.status ?? 0,
    code: answer.code,
    fault: rule?.kind,
  });
  send(res, answer, request.at, request.method === 'HEAD');
}

async function readRequest(req, service) {
  const [path, search = ''] = splitOnce(req.url, '?');
  const request = {
    service: service.name,
    method: req.method,
    path,
    query: parseQuery(search),
    headers: joinHeaders(req.rawHeaders),
    body: await readBody(req),
  };
  request.accessKeyId = /Credential=([^/,]+)/.exec(request.headers.authorization)?.[1];
  return Object.assign(request, { operation: '', resource: '' }, service.describe(request));
}

async function readBody(req) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of req) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new Error('body over the limit of the local AWS');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

// Repeated headers count as one with commas between, which is how they are signed.
function joinHeaders(rawHeaders) {
  const headers = {};
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i].toLowerCase();
    headers[name] = name in headers ? `${headers[name]},${rawHeaders[i + 1]}` : rawHeaders[i + 1];
  }
  return headers;
}

function parseQuery(search) {
  const query = {};
  for (const pair of search.split('&').filter(Boolean)) {
    const [name, value = ''] = splitOnce(pair, '=').map((part) =>
      decodeURIComponent(part.replace(/\+/g, ' ')),
    );
    if (name in query) query[name] = [query[name], value].flat();
    else query[name] = value;
  }
  return query;
}

function splitOnce(text, mark) {
  const at = text.indexOf(mark);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function send(res, answer, at, isHead = false) {
  if (answer.cut === 'hang') return;
  if (answer.cut === 'reset') {
    resetConnection(res.socket);
    return;
  }
  const length = isHead ? (answer.headers['content-length'] ?? 0) : answer.body.length;
  res.writeHead(answer.status, {
    date: new Date(at).toUTCString(),
    ...answer.headers,
    'content-length': length,
  });
  if (answer.cut === 'truncate') {
    res.write(answer.body.subarray(0, Math.floor(answer.body.length / 2)), () =>
      res.socket.destroy(),
    );
    return;
  }
  res.end(isHead ? undefined : answer.body);
}

// Under TLS it is the connection beneath that is reset.
function resetConnection(socket) {
  if (socket.resetAndDestroy && !socket.encrypted) socket.resetAndDestroy();
  else socket.destroy();
}
