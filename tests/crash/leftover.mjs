// The webhooks of what was left by leave_slot.mjs, as the judge takes them.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export function webhooksOf(directory) {
  return readFileSync(join(directory, 'webhooks.ndjson'), 'utf8')
    .split('\n')
    .filter((line) => line)
    .map((line) => JSON.parse(line))
    .map((event) => ({
      ...event,
      body: Buffer.from(event.body, 'base64'),
      audio: event.audio && Buffer.from(event.audio, 'base64'),
    }));
}
