import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { createConnection } from '../../../src/upstream/http/connection.ts';
import { createDispatcher } from '../../../src/upstream/http/dispatcher.ts';
import { readAll } from '../../../src/upstream/http/http-call.ts';
import type { TlsSettings } from '../../../src/config/types.ts';
import { INITIALIZE, openRemote, openServer, openTarget, targetFor } from './remote.ts';
import { openProxy } from './proxy.ts';
import { nameOf, openScriptedServer, type ScriptedServer } from './scripted-server.ts';

const file = (name: string): string => join(import.meta.dirname, 'certificates', name);
const NO_TLS: TlsSettings = { caFile: undefined, certFile: undefined, keyFile: undefined };
const TRUSTING: TlsSettings = { ...NO_TLS, caFile: file('authority.pem') };
const KNOWN: TlsSettings = { ...TRUSTING, certFile: file('client.pem'), keyFile: file('client.key') };

function openSecureServer(more: ServerOptions = {}): Promise<ScriptedServer> {
  const [cert, key, ca] = ['server.pem', 'server.key', 'authority.pem'].map((name) =>
    readFileSync(file(name)),
  );
  return openScriptedServer(
    (call) => ('id' in call.message ? call.result({ secure: true }) : call.status(202)),
    (listener) => createServer({ cert, key, ca, ...more }, listener),
  );
}

/** What a GET brings, by way of what the environment says. */
async function get(url: string, env: Record<string, string>, tls: TlsSettings = NO_TLS): Promise<string> {
  const dispatcher = await createDispatcher({ server: 'far', tls, env });
  onTestFinished(() => dispatcher.destroy());
  const connection = createConnection({
    server: 'far',
    dispatcher,
    headers: {},
    authorization: undefined,
    clock: systemClock,
  });
  const response = await connection.send({ method: 'GET', url: new URL(url), headers: {} }, false).response;
  return String(await readAll(response, 1000));
}

const openHello = (): Promise<ScriptedServer> =>
  openScriptedServer((call) => call.status(200, {}, `hello ${call.headers.host}`));

it('uses a connection again, also for another conversation', async () => {
  const server = await openServer();
  const target = targetFor(server.url);
  for (let count = 0; count < 3; count += 1) {
    const remote = await openTarget(target);
    await remote.initialize();
    await server.waitFor(() => server.of('GET').length === count + 1);
    for (let pings = 0; pings < 20; pings += 1) await remote.request('ping');
    await remote.link.close();
  }
  // One, and one for the stream that there might have been.
  expect(server.connections).toBeLessThanOrEqual(2);
});

it('opens as many connections as there are requests at once', async () => {
  const held: (() => void)[] = [];
  const server = await openServer({
    ping: (call) => {
      held.push(() => call.result({}));
      if (held.length === 30) for (const answer of held) answer();
    },
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  await Promise.all(Array.from({ length: 30 }, (_, index) => remote.request('ping', {}, `p${index}`)));
  expect(server.connections).toBeGreaterThanOrEqual(30);
});

it('gives up a connection on which something that nobody needs has no end', async () => {
  const server = await openServer({
    'notifications/progress': ({ response }) => {
      response.writeHead(202);
      response.write('.');
    },
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  remote.notify('notifications/progress');
  const call = await server.waitFor((one) => nameOf(one) === 'notifications/progress');
  await call.closed;
});

it('trusts an authority that is named, besides the usual ones', async () => {
  const server = await openSecureServer();
  const stranger = await openRemote(server.url);
  stranger.send({ id: 0, method: 'initialize', params: INITIALIZE });
  const error = await stranger.closed;
  expect(error).toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
  expect(String(error)).toContain('caFile');
  expect(server.calls).toEqual([]);
  const remote = await openRemote(server.url, { tls: TRUSTING });
  expect((await remote.initialize()).result).toEqual({ secure: true });
});

it('goes on trusting those that Node.js was told of', async () => {
  const server = await openSecureServer();
  const tls = { ...NO_TLS, caFile: file('client.pem') };
  await expect(get(server.url, {}, tls)).rejects.toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
  expect(await get(server.url, { NODE_EXTRA_CA_CERTS: file('authority.pem') }, tls)).toBe('');
});

it('takes no certificate for another name', async () => {
  const server = await openSecureServer();
  const remote = await openRemote(server.url.replace('127.0.0.1', 'localhost'), { tls: TRUSTING });
  remote.send({ id: 0, method: 'initialize', params: INITIALIZE });
  expect(String(await remote.closed)).toContain('for another name');
});

it('shows a certificate of its own to who wants one', async () => {
  const server = await openSecureServer({ requestCert: true, rejectUnauthorized: true });
  const unknown = await openRemote(server.url, { tls: TRUSTING });
  unknown.send({ id: 0, method: 'initialize', params: INITIALIZE });
  expect(await unknown.closed).toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
  const remote = await openRemote(server.url, { tls: KNOWN });
  expect((await remote.initialize()).result).toEqual({ secure: true });
});

it.for(['caFile', 'certFile', 'keyFile'] as const)(
  'names a file that cannot be read, or used (%s)',
  async (which) => {
    const missing = file('missing.pem');
    await expect(
      openRemote('https://127.0.0.1:1', { tls: { ...KNOWN, [which]: missing } }),
    ).rejects.toMatchObject({
      code: 'TLS_FILE_UNREADABLE',
      fields: { server: 'far', file: missing },
    });
    const directory = mkdtempSync(join(tmpdir(), 'mcp-run-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const pipe = join(directory, 'pipe.pem');
    execFileSync('mkfifo', [pipe]);
    await expect(openRemote('https://127.0.0.1:1', { tls: { ...KNOWN, [which]: pipe } })).rejects.toThrow(
      `${pipe}: it is a pipe`,
    );
    const garbage = join(directory, 'garbage.pem');
    writeFileSync(garbage, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    await expect(
      openRemote('https://127.0.0.1:1', { tls: { ...KNOWN, [which]: garbage } }),
    ).rejects.toMatchObject({
      code: 'TLS_FILE_UNREADABLE',
      fields: { file: garbage },
    });
  },
);

it('asks a proxy for what is not encrypted, and has it make a tunnel for what is', async () => {
  const [proxy, plain, secure] = [await openProxy(), await openHello(), await openSecureServer()];
  const env = { HTTP_PROXY: proxy.url, https_proxy: proxy.url };
  const { host } = new URL(plain.url);
  expect(await get(plain.url.replace('127.0.0.1', 'far.example'), env)).toBe(
    `hello far.example:${host.split(':')[1]}`,
  );
  const far = secure.url.replace('127.0.0.1', 'far.example');
  await get(far, env, TRUSTING);
  expect(proxy.asked).toEqual([
    `GET ${plain.url.replace('127.0.0.1', 'far.example')}`,
    `CONNECT ${new URL(far).host}`,
  ]);
});

it('shows a proxy the name and the password in its URL, and no server', async () => {
  const [proxy, plain] = [
    await openProxy(),
    await openServer({ GET: (call) => call.status(200, {}, JSON.stringify(call.headers)) }),
  ];
  const seen = await get(plain.url, { http_proxy: proxy.url.replace('//', '//us%40er:pass@') });
  expect(proxy.authorizations).toEqual([`Basic ${Buffer.from('us@er:pass').toString('base64')}`]);
  expect(JSON.parse(seen)).toHaveProperty('host', new URL(plain.url).host);
});

it.for([
  ['NO_PROXY', (url: URL) => `example.com, ${url.hostname}`],
  ['no_proxy', (url: URL) => url.host],
  ['no_proxy', () => '*'],
] as const)('goes past the proxy where %s says so', async ([name, value]) => {
  const [proxy, plain] = [await openProxy(), await openHello()];
  const url = new URL(plain.url);
  expect(await get(plain.url, { HTTP_PROXY: proxy.url, [name]: value(url) })).toBe(`hello ${url.host}`);
  expect(proxy.asked).toEqual([]);
  await get(plain.url, { HTTP_PROXY: proxy.url, [name]: 'example.com' });
  expect(proxy.asked).toHaveLength(1);
});

it.for([407, 502])('fails when a proxy refuses (%i)', async (status) => {
  const [proxy, secure] = [await openProxy(status), await openSecureServer()];
  await expect(get(secure.url, { HTTPS_PROXY: proxy.url }, TRUSTING)).rejects.toMatchObject({
    code: 'UPSTREAM_UNREACHABLE',
  });
  expect(secure.connections).toBe(0);
});
