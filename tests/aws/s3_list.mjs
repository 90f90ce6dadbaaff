// ListObjectsV2 of the local S3: prefix, delimiter, pages, encoding-type=url.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html

import { escapeXml, xml } from './answers.mjs';

const MAX_KEYS = 1000;

export function listObjects({ bucket, query }, store) {
  const { prefix = '', delimiter = '' } = query;
  const start = query['continuation-token']
    ? Buffer.from(query['continuation-token'], 'base64').toString()
    : (query['start-after'] ?? '');
  const limit = Math.min(Number(query['max-keys'] ?? MAX_KEYS), MAX_KEYS);
  const entries = group(
    store.list(bucket).filter(({ key }) => key.startsWith(prefix)),
    prefix,
    delimiter,
  ).filter(({ name }) => Buffer.compare(Buffer.from(name), Buffer.from(start)) > 0);
  const page = entries.slice(0, limit);
  const more = entries.length > page.length;
  const write =
    query['encoding-type'] === 'url'
      ? (key) => encodeURIComponent(key).replace(/%2F/g, '/')
      : escapeXml;
  return xml(
    200,
    [
      '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
      `<Name>${escapeXml(bucket)}</Name><Prefix>${write(prefix)}</Prefix>`,
      `<MaxKeys>${limit}</MaxKeys><KeyCount>${page.length}</KeyCount>`,
      query['encoding-type'] ? '<EncodingType>url</EncodingType>' : '',
      `<IsTruncated>${more}</IsTruncated>`,
      more ? `<NextContinuationToken>${tokenOf(page.at(-1))}</NextContinuationToken>` : '',
      ...page.map((entry) =>
        entry.object ? contents(entry.object, write) : commonPrefix(entry.name, write),
      ),
      '</ListBucketResult>',
    ].join(''),
  );
}

const tokenOf = ({ name }) => Buffer.from(name).toString('base64');

// Keys with the delimiter after the prefix fold into one common prefix each.
function group(objects, prefix, delimiter) {
  const entries = new Map();
  for (const object of objects) {
    const end = delimiter ? object.key.indexOf(delimiter, prefix.length) : -1;
    if (end < 0) entries.set(object.key, { name: object.key, object });
    else
      entries.set(object.key.slice(0, end + delimiter.length), {
        name: object.key.slice(0, end + delimiter.length),
      });
  }
  return [...entries.values()];
}

const contents = ({ key, modified, etag, bytes }, write) =>
  [
    `<Contents><Key>${write(key)}</Key><LastModified>${modified.toISOString()}</LastModified>`,
    `<ETag>${escapeXml(etag)}</ETag><Size>${bytes}</Size><StorageClass>STANDARD</StorageClass>`,
    '</Contents>',
  ].join('');

const commonPrefix = (name, write) =>
  `<CommonPrefixes><Prefix>${write(name)}</Prefix></CommonPrefixes>`;
