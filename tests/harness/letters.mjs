// The dead letters of an ingress, read from its directory as proto/JOURNAL.md describes them.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decode } from '@msgpack/msgpack';

const FILE_HEADER_BYTES = 64;
const RECORD_HEADER_BYTES = 40;

/** All letters of a slot's directory `dead/`: {name, reason, sink, digest (hex), conversationId}. */
export function readLetters(directory) {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((name) => name.endsWith('.letter'))
    .map((name) => ({ name, ...readLetter(readFileSync(join(directory, name))) }));
}

function readLetter(bytes) {
  const letter = readRecord(bytes.subarray(FILE_HEADER_BYTES));
  const event = readRecord(letter.body);
  return {
    reason: letter.header.reason,
    sink: letter.header.sink ?? '',
    digest: Buffer.from(event.header.digest).toString('hex'),
    conversationId: event.header.conversation_id ?? '',
  };
}

function readRecord(bytes) {
  const headerBytes = bytes.readUInt32LE(28);
  const bodyAt = RECORD_HEADER_BYTES + headerBytes;
  return {
    header: decode(bytes.subarray(RECORD_HEADER_BYTES, bodyAt)),
    body: bytes.subarray(bodyAt, bodyAt + Number(bytes.readBigUInt64LE(32))),
  };
}
