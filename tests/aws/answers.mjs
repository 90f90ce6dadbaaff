// Answers as the AWS services shape them. An answer is {status, headers, body, code}; `code` is the
// error's name, for the books.

import { randomUUID } from 'node:crypto';

const JSON_VERSION = { kinesis: '1.1', dynamodb: '1.0' };
const ACCOUNT = '111122223333';

export function escapeXml(text) {
  return (
    String(text)
      .replace(/[<>&'"]/g, (c) => `&#${c.charCodeAt(0)};`)
      // XML 1.0 has no way to write these, not even as references.
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, '\ufffd')
  );
}

export function json(service, status, body, headers = {}) {
  return {
    status,
    headers: {
      'content-type': `application/x-amz-json-${JSON_VERSION[service]}`,
      'x-amzn-requestid': randomUUID(),
      ...headers,
    },
    body: Buffer.from(JSON.stringify(body)),
  };
}

export function xml(status, body, headers = {}) {
  return {
    status,
    headers: { 'content-type': 'application/xml', 'x-amz-request-id': randomUUID(), ...headers },
    body: Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n${body}`),
  };
}

/** An error of any service: JSON with __type (Kinesis, DynamoDB), the XML of S3, the XML of STS. */
export function refusal(service, status, code, message) {
  if (service === 's3') {
    return {
      ...xml(status, `<Error><Code>${code}</Code><Message>${escapeXml(message)}</Message></Error>`),
      code,
    };
  }
  if (service === 'sts') {
    const type = status < 500 ? 'Sender' : 'Receiver';
    return {
      ...xml(
        status,
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">' +
          `<Error><Type>${type}</Type><Code>${code}</Code>` +
          `<Message>${escapeXml(message)}</Message></Error>` +
          `<RequestId>${randomUUID()}</RequestId></ErrorResponse>`,
      ),
      code,
    };
  }
  if (service === 'kinesis' || service === 'dynamodb') {
    return { ...json(service, status, { __type: code, message }), code };
  }
  return {
    status,
    headers: { 'content-type': 'text/plain' },
    body: Buffer.from(`${code}: ${message}`),
    code,
  };
}

/** What each service says when it is asked for too much. */
export function throttled(service, resource = '') {
  switch (service) {
    case 's3':
      return refusal(service, 503, 'SlowDown', 'Please reduce your request rate.');
    case 'kinesis':
      return refusal(
        service,
        400,
        'ProvisionedThroughputExceededException',
        rateExceeded(resource),
      );
    case 'dynamodb':
      return refusal(
        service,
        400,
        'ProvisionedThroughputExceededException',
        'The level of configured provisioned throughput for the table was exceeded. ' +
          'Consider increasing your provisioning level with the UpdateTable API.',
      );
    default:
      return refusal(service, 400, 'Throttling', 'Rate exceeded');
  }
}

export function rateExceeded(stream) {
  const shard = 'shardId-000000000000';
  return `Rate exceeded for shard ${shard} in stream ${stream} under account ${ACCOUNT}.`;
}
