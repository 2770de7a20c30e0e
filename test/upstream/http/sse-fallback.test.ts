import { expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { checkServers } from '../../../src/inspect/check-server.ts';
import { INITIALIZE, openRemote, openServer, targetFor, type Script } from './remote.ts';
import type { Call } from './scripted-server.ts';
import { openSseServer } from './sse-server.ts';
import { DEFAULT_SERVER_OPTIONS } from '../../../src/manifest/schema/defaults.generated.ts';

type Act = (call: Call) => void;

const FOREIGN = 'https://elsewhere.example';
const foreign = (call: Call): void =>
  void call.stream().event(`${FOREIGN}/messages?id=1`, { event: 'endpoint' });

/** The end of a link whose server has refused `initialize` over Streamable HTTP. */
async function endOf(script: Script): Promise<Error | undefined> {
  const server = await openServer({ initialize: (call) => call.status(405), ...script });
  const remote = await openRemote(server.url, { transport: 'auto', initializeTimeoutMs: 10_000 });
  remote.send({ id: 0, method: 'initialize', params: INITIALIZE });
  return await remote.closed;
}

it.for([400, 404, 405])('names the origin of a foreign endpoint behind status %i', async (status) => {
  const error = await endOf({ initialize: (call) => call.status(status, {}, 'what?'), GET: foreign });
  expect(error).toMatchObject({ code: 'UPSTREAM_REDIRECT', fields: { origin: FOREIGN } });
  expect(error?.message).toBe(
    `Server "far" sends the messages of HTTP+SSE to an endpoint of another origin, ${FOREIGN}, which is not followed`,
  );
});

it('names the origin of a foreign endpoint behind a JSON-RPC error', async () => {
  const error = await endOf({
    initialize: (call) =>
      call.json({ jsonrpc: '2.0', id: 0, error: { code: -32_000, message: 'no' } }, {}, 400),
    GET: foreign,
  });
  expect(error).toMatchObject({ code: 'UPSTREAM_REDIRECT', fields: { origin: FOREIGN } });
});

it('shows the foreign endpoint and a hint in a check', async () => {
  const server = await openServer({
    initialize: (call) => call.status(405),
    'server/discover': (call) => call.status(405),
    GET: foreign,
  });
  const spec = {
    name: 'far',
    target: targetFor(server.url, { transport: 'auto' }),
    ...DEFAULT_SERVER_OPTIONS,
    tools: undefined,
  } as const;
  const signal = new AbortController().signal;
  const options = { version: '1', timeoutMs: 60_000, lineLimitBytes: 1_000_000, signal, clock: systemClock };
  const watcher = { started: () => {}, said: () => {}, ended: () => {} };
  const [result] = await checkServers([spec], options, watcher);
  expect(result?.error).toMatchObject({ code: 'UPSTREAM_REDIRECT', fields: { origin: FOREIGN } });
  expect(result?.error?.hint).toContain('Use the URL of that origin');
});

it.for([
  ['the scheme of an endpoint without an origin', 'mailto:x', 'another origin, mailto:'],
  [
    'an endpoint that is not a URL',
    'http://[',
    'status 200, but the endpoint that it names is not a URL: "http://["',
  ],
] as const)('reports %s', async ([, endpoint, text]) => {
  const error = await endOf({ GET: (call) => void call.stream().event(endpoint, { event: 'endpoint' }) });
  expect(error?.message).toContain(text);
});

it.for<readonly [string, Act, object]>([
  ['needs authorization', (call) => call.status(401), { code: 'AUTHORIZATION_REQUIRED' }],
  ['is forbidden', (call) => call.status(403), { code: 'UPSTREAM_HTTP', fields: { status: 403 } }],
  ['fails', (call) => call.status(500), { code: 'UPSTREAM_HTTP', fields: { status: 500 } }],
  ['is down', (call) => call.status(503), { code: 'UPSTREAM_HTTP', fields: { status: 503 } }],
  [
    'is elsewhere',
    (call) => call.status(307, { location: FOREIGN }),
    { code: 'UPSTREAM_REDIRECT', fields: { origin: FOREIGN, action: 'redirects to' } },
  ],
  ['breaks', (call) => call.destroy(), { code: 'UPSTREAM_UNREACHABLE' }],
  [
    'ends before its endpoint',
    (call) => call.stream().end(),
    { code: 'UPSTREAM_UNREACHABLE', fields: { detail: 'it has closed the stream' } },
  ],
  [
    'begins with too long an event',
    (call) => void call.stream().event('x'.repeat(1_100_000)),
    { code: 'LINE_TOO_LONG' },
  ],
])('reports why a stream of HTTP+SSE cannot be used that %s', async ([, get, expected]) => {
  expect(await endOf({ GET: get })).toMatchObject(expected);
});

it.for<readonly [string, Act]>([
  ['400', (call) => call.status(400)],
  ['404', (call) => call.status(404)],
  ['405', (call) => call.status(405)],
  ['406', (call) => call.status(406)],
  ['a page', (call) => call.status(200, { 'content-type': 'text/html' }, '<html>')],
])('reports the status of Streamable HTTP when GET is answered with %s', async ([, get]) => {
  const error = await endOf({ initialize: (call) => call.status(404, {}, 'nothing here'), GET: get });
  expect(error).toMatchObject({ code: 'UPSTREAM_HTTP', fields: { status: 404, detail: ': nothing here' } });
});

it('reports a refusal with a text when the server has a stream without an endpoint', async () => {
  const error = await endOf({
    initialize: (call) => call.status(400, {}, 'unsupported version'),
    GET: (call): void => call.stream().end(),
  });
  expect(error).toMatchObject({
    code: 'UPSTREAM_HTTP',
    fields: { status: 400, detail: ': unsupported version' },
  });
});

it('reports the text with which a server of HTTP+SSE rejects a message', async () => {
  const server = await openSseServer({
    ping: (call) =>
      call.status(400, { 'content-type': 'text/plain' }, `unknown stream, ${String(call.headers['x-key'])}`),
  });
  const remote = await openRemote(server.url, { transport: 'sse', headers: { 'x-key': 'very-secret' } });
  await remote.initialize();
  expect((await remote.request('ping')).error?.message).toBe(
    'Server "far" answered with HTTP status 400: unknown stream, ***',
  );
});
