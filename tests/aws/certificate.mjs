// A certificate for 127.0.0.1, signed by itself, so that the local AWS can be spoken to as the real
// one is.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Makes one in `directory`, for these names too: {key, cert} as PEM, and `path`, the file of the
 * certificate.
 */
export function makeCertificate(directory, names = []) {
  const [keyPath, path] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const subject = [
    '-subj',
    '/CN=local AWS',
    '-addext',
    `subjectAltName=IP:127.0.0.1,${['localhost', ...names].map((name) => `DNS:${name}`).join()}`,
  ];
  const key = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    keyPath,
  ];
  execFileSync('openssl', ['req', '-x509', '-days', '2', ...key, ...subject, '-out', path], {
    stdio: 'ignore',
  });
  return { key: readFileSync(keyPath), cert: readFileSync(path), path };
}
