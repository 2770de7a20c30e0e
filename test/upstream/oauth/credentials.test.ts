/** What a remote server is reached with, and the other servers that it names. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { GuardedFetch } from '../../../src/upstream/oauth/guarded-fetch.ts';
import { startAuthorizationServer } from '../../support/authorization-server.ts';
import { openRemote } from '../http/remote.ts';
import { createDirectory, SETTINGS } from './user.ts';

const file = (name: string): string =>
  fileURLToPath(new URL(`../http/certificates/${name}`, import.meta.url));

/** A server that asks its clients for a certificate. */
async function startTlsServer() {
  const [cert, key, ca] = await Promise.all(
    ['server.pem', 'server.key', 'authority.pem'].map((name) => readFile(file(name))),
  );
  const certificates: boolean[] = [];
  const http = createServer(
    { cert, key, ca, requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      const { subject } = (request.socket as TLSSocket).getPeerCertificate();
      certificates.push(subject !== undefined);
      response.end('{}');
    },
  );
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    http.closeAllConnections();
    http.close();
  });
  return { origin: `https://127.0.0.1:${(http.address() as AddressInfo).port}`, certificates };
}

it('the client certificate is shown to the server, and to no other that it names', async () => {
  const [server, other] = [await startTlsServer(), await startTlsServer()];
  const guarded = new GuardedFetch({
    server: 'far',
    url: new URL(`${server.origin}/mcp`),
    tls: { caFile: file('authority.pem'), certFile: file('client.pem'), keyFile: file('client.key') },
    clock: systemClock,
  });
  onTestFinished(() => guarded.close());
  const fetch = guarded.fetch(new AbortController().signal);
  await fetch(`${server.origin}/metadata`);
  await fetch(`${other.origin}/token`, { method: 'POST', body: 'a=b' });
  expect(server.certificates).toEqual([true]);
  expect(other.certificates).toEqual([false]);
});

it('configured headers are sent to the server, and to no authorization server, not even at its origin', async () => {
  const issuer = await startAuthorizationServer();
  const server = await startAuthorizationServer({
    resourceMetadata: { authorization_servers: [issuer.origin] },
    accepts: (token) => issuer.isValid(token),
    mcp: () => ({ result: {} }),
  });
  const remote = await openRemote(server.url, {
    headers: { 'x-key': 'hush', cookie: 'a=hush' },
    oauth: {
      ...SETTINGS,
      grant: 'client-credentials',
      clientId: 'mine',
      clientSecret: 'secret-of-mine',
      storeDirectory: await createDirectory(),
    },
  });
  expect((await remote.request('ping')).result).toEqual({});

  expect(server.to('/mcp').map(({ headers }) => headers['x-key'])).toEqual(['hush', 'hush']);
  const others = [...issuer.requests, ...server.requests.filter(({ path }) => path !== '/mcp')];
  expect(others.length).toBeGreaterThan(2);
  for (const { headers } of others) expect(JSON.stringify(headers)).not.toContain('hush');
  for (const { headers } of server.requests) expect(JSON.stringify(headers)).not.toContain('secret-of-mine');
});
