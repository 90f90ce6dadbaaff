// A local AWS for tests: Kinesis, DynamoDB, S3, STS, container credentials and instance metadata,
// each on a port of its own, with signatures checked, faults on demand and every request booked.
// Not for anything that is not a test: keys are fixed and nothing is encrypted.

import { once } from 'node:events';
import { join } from 'node:path';
import { createClock } from './clock.mjs';
import { createFaults } from './faults.mjs';
import { createBooks, createGateway } from './gateway.mjs';
import { createContainerEndpoint, createInstanceMetadata, createSts } from './identity.mjs';
import { createDynamodb, createKinesis } from './embedded.mjs';
import { createKeyring, OBSERVER_KEY, STATIC_KEY } from './keyring.mjs';
import { createDirectoryStore, createMemoryStore } from './s3_store.mjs';
import { createS3 } from './s3.mjs';

export { OBSERVER_KEY, STATIC_KEY };

/**
 * Starts everything. Options: `host` (127.0.0.1), `ports` ({kinesis, dynamodb, s3, sts, container,
 * imds}; 0 or none: any free one), `directory` for what is stored (memory), `region`, `staticKeys`
 * ([STATIC_KEY]), `buckets` to make, `certificate` (of certificate.mjs: TLS where AWS has it).
 * Returns {endpoints, ports, region, certificate, clock, keyring, faults, books, identity, store,
 * environment, setCertificate, close}; a test may change the settings in `identity` (identity.mjs) as it goes.
 */
export async function startAws(options = {}) {
  const { region = 'eu-central-1', certificate } = options;
  const clock = createClock();
  const keyring = createKeyring(clock, options.staticKeys);
  const world = { region, clock, keyring, faults: createFaults(), books: createBooks() };
  const identity = { region, ...IDENTITY };
  const within = (name) => options.directory && join(options.directory, name);
  const store = options.directory ? createDirectoryStore(within('s3')) : createMemoryStore();
  (options.buckets ?? []).forEach((bucket) => store.createBucket(bucket));
  const services = [
    await createKinesis(within('kinesis')),
    await createDynamodb(within('dynamodb')),
    createS3(store),
    createSts(keyring, identity),
    createContainerEndpoint(keyring, identity),
    createInstanceMetadata(clock, keyring, identity),
  ];
  const gateways = services.map((service) =>
    createGateway(service, { ...world, certificate: service.plain ? undefined : certificate }),
  );
  const ports = {};
  const endpoints = {};
  for (const [index, { name, plain }] of services.entries()) {
    ports[name] = await listen(gateways[index], options.host, options.ports?.[name]);
    endpoints[name] = `http${certificate && !plain ? 's' : ''}://127.0.0.1:${ports[name]}`;
  }
  return {
    ...world,
    endpoints,
    ports,
    certificate,
    identity,
    store,
    environment: environmentOf(endpoints, region, certificate),
    /** New connections get this certificate. */
    setCertificate(renewed) {
      for (const gateway of gateways) gateway.setSecureContext?.(renewed);
    },
    async close() {
      for (const gateway of gateways) {
        gateway.closeAllConnections();
        gateway.close();
      }
      await Promise.all(services.map((service) => service.close()));
    },
  };
}

const IDENTITY = {
  lifetimeSeconds: 3600,
  webIdentityToken: 'web-identity-token',
  containerToken: '',
};

async function listen(server, host = '127.0.0.1', port = 0) {
  server.listen(port, host);
  await once(server, 'listening');
  return server.address().port;
}

// What a daemon is started with to find this AWS, with the long-lived key.
function environmentOf(endpoints, region, certificate) {
  return {
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: STATIC_KEY.accessKeyId,
    AWS_SECRET_ACCESS_KEY: STATIC_KEY.secretAccessKey,
    AWS_ENDPOINT_URL_KINESIS: endpoints.kinesis,
    AWS_ENDPOINT_URL_DYNAMODB: endpoints.dynamodb,
    AWS_ENDPOINT_URL_S3: endpoints.s3,
    AWS_ENDPOINT_URL_STS: endpoints.sts,
    ...(certificate && { AWS_CA_BUNDLE: certificate.path }),
  };
}
