// The AWS SDK is the judge of the local AWS: what it signs is accepted, and any change to it is
// not.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { ListStreamsCommand, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { startAws, STATIC_KEY } from './aws.mjs';
import { createClients } from './clients.mjs';
import { createStream } from './resources.mjs';

let aws;
let clients;
before(async () => {
  aws = await startAws({ buckets: ['calls'] });
  clients = createClients(aws);
  await createStream(clients, 'calls');
});
after(async () => {
  clients.destroy();
  await aws.close();
});

// A client whose requests are altered after they were signed.
function tamperingClients(alter) {
  const tampering = createClients(aws);
  for (const client of [tampering.kinesis, tampering.dynamodb, tampering.s3]) {
    client.middlewareStack.add(
      (next) => (args) => {
        alter(args.request);
        return next(args);
      },
      { step: 'finalizeRequest', priority: 'low', name: 'tamper' },
    );
  }
  return tampering;
}

const record = {
  StreamName: 'calls',
  Records: [{ Data: Buffer.from('{}'), PartitionKey: 'B1:L1' }],
};
const object = (Key = 'a/b.json') =>
  new PutObjectCommand({ Bucket: 'calls', Key, Body: 'hello', Metadata: { version: '1' } });
const refusedAs = (name) => (error) => {
  assert.equal(error.name, name);
  return true;
};

async function sendWith(options, command, client = 'kinesis') {
  const own = createClients(aws, options);
  try {
    return await own[client].send(command);
  } finally {
    own.destroy();
  }
}

describe('signatures that must pass', () => {
  test('Kinesis, DynamoDB and S3 with the long-lived key', async () => {
    const refusedBefore = aws.books.badSignatures;
    assert.equal((await clients.kinesis.send(new PutRecordsCommand(record))).FailedRecordCount, 0);
    await clients.dynamodb.send(new ListTablesCommand({}));
    await clients.s3.send(object());
    assert.equal(aws.books.badSignatures, refusedBefore);
  });

  test('keys with every kind of byte in them', async () => {
    const keys = [
      'a b',
      'a+b',
      "!*'()",
      'ș/नमस्ते/🙏',
      'a//b',
      'a/../c',
      './x',
      '%41',
      'a%2Fb',
      '~-_.',
      '=:@&$;,?#[]',
      '\u0001',
    ];
    for (const key of keys) await clients.s3.send(object(key));
    assert.deepEqual(
      aws.store
        .list('calls')
        .map(({ key }) => key)
        .filter((key) => keys.includes(key))
        .sort(),
      [...keys].sort(),
    );
  });

  test('a temporary key with its session token', async () => {
    const key = aws.keyring.issue();
    await sendWith({ credentials: key }, new ListStreamsCommand({}));
    assert.equal(aws.books.requests.at(-1).accessKeyId, key.accessKeyId);
  });
});

describe('signatures that must not pass', () => {
  const alterations = {
    'one bit of the signature': (request) => {
      const last = request.headers.authorization.at(-1);
      request.headers.authorization =
        request.headers.authorization.slice(0, -1) + (last === '0' ? '1' : '0');
    },
    'the path': (request) => {
      request.path += 'x';
    },
    'the query': (request) => {
      request.query = { ...request.query, extra: '1' };
    },
    'the method': (request) => {
      request.method = request.method === 'POST' ? 'PATCH' : 'DELETE';
    },
    'a signed header': (request) => {
      const name = request.headers['x-amz-target'] ? 'x-amz-target' : 'x-amz-meta-version';
      request.headers[name] += 'x';
    },
  };
  for (const [what, alter] of Object.entries(alterations)) {
    test(`${what}: Kinesis`, async () => {
      const tampering = tamperingClients(alter);
      await assert.rejects(
        tampering.kinesis.send(new PutRecordsCommand(record)),
        refusedAs('InvalidSignatureException'),
      );
      tampering.destroy();
    });
    test(`${what}: S3`, async () => {
      const tampering = tamperingClients(alter);
      await assert.rejects(tampering.s3.send(object()), refusedAs('SignatureDoesNotMatch'));
      tampering.destroy();
    });
  }

  test('the body, where its hash is signed', async () => {
    const tampering = tamperingClients((request) => {
      request.body = Buffer.from(request.body.toString().replace('e', 'f'));
    });
    await assert.rejects(tampering.s3.send(object()), refusedAs('XAmzContentSHA256Mismatch'));
    tampering.destroy();
  });

  test('a header of AWS that is not signed', async () => {
    const tampering = tamperingClients((request) => {
      request.headers['x-amz-meta-late'] = '1';
    });
    await assert.rejects(tampering.s3.send(object()), refusedAs('AccessDenied'));
    tampering.destroy();
  });

  test('another secret, another key, another region, no token, a foreign token', async () => {
    const list = new ListStreamsCommand({});
    const wrong = { ...STATIC_KEY, secretAccessKey: `${STATIC_KEY.secretAccessKey}x` };
    await assert.rejects(
      sendWith({ credentials: wrong }, list),
      refusedAs('InvalidSignatureException'),
    );
    const unknown = { ...STATIC_KEY, accessKeyId: 'AKIANOBODY' };
    await assert.rejects(
      sendWith({ credentials: unknown }, list),
      refusedAs('UnrecognizedClientException'),
    );
    await assert.rejects(
      sendWith({ credentials: unknown }, object(), 's3'),
      refusedAs('InvalidAccessKeyId'),
    );
    await assert.rejects(
      sendWith({ region: 'us-east-1' }, list),
      refusedAs('InvalidSignatureException'),
    );
    const { sessionToken, ...withoutToken } = aws.keyring.issue();
    await assert.rejects(
      sendWith({ credentials: withoutToken }, list),
      refusedAs('UnrecognizedClientException'),
    );
    await assert.rejects(
      sendWith({ credentials: { ...withoutToken, sessionToken: `${sessionToken}x` } }, list),
      refusedAs('UnrecognizedClientException'),
    );
  });

  test('a key that has expired', async () => {
    const key = aws.keyring.issue();
    aws.keyring.expire(key.accessKeyId);
    await assert.rejects(
      sendWith({ credentials: key }, new ListStreamsCommand({})),
      refusedAs('ExpiredTokenException'),
    );
    await assert.rejects(sendWith({ credentials: key }, object(), 's3'), refusedAs('ExpiredToken'));
  });

  test('a request from another time: 15 minutes on S3, 5 on the others', async (t) => {
    t.after(() => aws.clock.setSkew(0));
    const list = new ListStreamsCommand({});
    for (const sign of [1, -1]) {
      aws.clock.setSkew(sign * 290);
      await sendWith({}, list);
      aws.clock.setSkew(sign * 310);
      await assert.rejects(sendWith({}, list), refusedAs('InvalidSignatureException'));
      aws.clock.setSkew(sign * 890);
      await sendWith({}, object(), 's3');
      aws.clock.setSkew(sign * 910);
      await assert.rejects(sendWith({}, object(), 's3'), refusedAs('RequestTimeTooSkewed'));
    }
  });

  test('no signature at all', async () => {
    const refusedBefore = aws.books.badSignatures;
    const status = (url) =>
      new Promise((resolve) => {
        http.get(url, (res) => resolve(res.resume().statusCode));
      });
    assert.equal(await status(`${aws.endpoints.s3}/calls/a`), 403);
    assert.equal(await status(aws.endpoints.kinesis), 400);
    assert.equal(aws.books.badSignatures, refusedBefore + 2);
  });
});
