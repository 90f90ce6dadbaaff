// The access keys that the local AWS knows. Long-lived keys have no session token; issued ones have
// a token and an end.

import { randomBytes } from 'node:crypto';

export const STATIC_KEY = {
  accessKeyId: 'AKIAPOSTCALLTESTKEY0',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
};

/** For those who look on: faults never meet this key, so that a test can read what is there. */
export const OBSERVER_KEY = {
  accessKeyId: 'AKIAPOSTCALLOBSERVER',
  secretAccessKey: 'je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY',
};

export function createKeyring(clock, staticKeys = [STATIC_KEY]) {
  const keys = new Map([...staticKeys, OBSERVER_KEY].map((key) => [key.accessKeyId, { ...key }]));
  return {
    find: (accessKeyId) => keys.get(accessKeyId),
    isExpired: (key) => key.expiresAt !== undefined && clock.now() >= key.expiresAt,

    /** A temporary key pair with session token, as STS, ECS and EC2 hand out. */
    issue(lifetimeSeconds = 3600) {
      const key = {
        accessKeyId: `ASIA${randomBytes(8).toString('hex').toUpperCase()}`,
        secretAccessKey: randomBytes(30).toString('base64'),
        sessionToken: `FwoG${randomBytes(48).toString('base64')}//token==`,
        expiresAt: clock.now() + lifetimeSeconds * 1000,
      };
      keys.set(key.accessKeyId, key);
      return key;
    },
    /** From now on requests with this key are answered ExpiredToken. */
    expire(accessKeyId) {
      keys.get(accessKeyId).expiresAt = clock.now();
    },
    /** From now on AWS does not know this key. */
    revoke: (accessKeyId) => keys.delete(accessKeyId),
    issued: () => [...keys.values()].filter((key) => key.expiresAt !== undefined),
  };
}
