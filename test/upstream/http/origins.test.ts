import { expect, it } from 'vitest';
import { INITIALIZE, openRemote, openServer } from './remote.ts';
import { nameOf, openScriptedServer, type ScriptedServer } from './scripted-server.ts';

const SECRET = { authorization: 'Bearer of-the-far-one', 'x-tenant': 'a' };

/** Answers at `/mcp` with a redirect, and anywhere else as a server does. */
function openRedirecting(status: number, location: (path: string) => string): Promise<ScriptedServer> {
  return openScriptedServer((call) => {
    if (call.path.startsWith('/mcp')) return call.status(status, { location: location(call.path) });
    return 'id' in call.message ? call.result({ path: call.path }) : call.status(202);
  });
}

it.for([301, 302, 307, 308])(
  'follows a redirect (%i) on the same origin with method, body and headers',
  async (status) => {
    const server = await openRedirecting(status, () => '/v2/there?a=b');
    const remote = await openRemote(`${server.url}?key=1`, { headers: SECRET });
    const { result } = await remote.request('ping', { n: 1 });
    expect(result).toEqual({ path: '/v2/there?a=b' });
    const [first, second] = server.calls;
    expect(first?.path).toBe('/mcp?key=1');
    expect(second).toMatchObject({ method: 'POST', headers: SECRET });
    expect(second?.body).toEqual(first?.body);
  },
);

it('follows a relative redirect, and several', async () => {
  const hops = ['/mcp/a', 'b', '../end'];
  const server = await openRedirecting(307, () => hops.shift() ?? '');
  const remote = await openRemote(server.url);
  expect((await remote.request('ping')).result).toEqual({ path: '/end' });
});

it.for([301, 302, 307, 308])('sends nothing to another origin (%i)', async (status) => {
  const other = await openServer();
  const server = await openRedirecting(status, () => other.url);
  const remote = await openRemote(server.url, { headers: SECRET, patienceMs: 60_000 });
  remote.send({ id: 0, method: 'initialize', params: INITIALIZE });
  const error = await remote.closed;
  expect(error).toMatchObject({ code: 'UPSTREAM_REDIRECT', fields: { origin: new URL(other.url).origin } });
  expect(other.connections).toBe(0);
  expect(server.calls).toHaveLength(1);
});

it.for([
  ['another port', (url: URL) => `http://${url.hostname}:1/mcp`],
  ['another name', (url: URL) => `http://localhost:${url.port}/mcp`],
  ['another scheme', (url: URL) => `https://${url.host}/mcp`],
  ['no scheme', (url: URL) => `//localhost:${url.port}/mcp`],
  ['a scheme of its own', () => 'file:///etc/passwd'],
] as const)('takes %s for another origin', async ([, location]) => {
  const server = await openRedirecting(307, () => location(new URL(server.url)));
  const remote = await openRemote(server.url);
  const { error } = await remote.request('ping');
  expect(error).toMatchObject({ code: -32603, data: { reason: 'upstream_redirect' } });
  expect(server.calls).toHaveLength(1);
});

it('follows no redirect for ever, and none to nowhere', async () => {
  const looping = await openRedirecting(308, (path) => path);
  const { error } = await (await openRemote(looping.url)).request('ping');
  expect(error).toMatchObject({ code: -32603, data: { reason: 'upstream_http' } });
  expect(looping.calls.length).toBeLessThan(10);
  for (const location of ['http://', '']) {
    const nowhere = await openScriptedServer((call) => call.status(307, location === '' ? {} : { location }));
    const refused = await (await openRemote(nowhere.url)).request('ping');
    expect(refused.error).toMatchObject({ code: -32603, data: { reason: 'upstream_http' } });
  }
});

it('sends the headers of the manifest with all that it says', async () => {
  const server = await openServer();
  const remote = await openRemote(server.url, { headers: SECRET });
  await remote.initialize();
  await remote.request('ping');
  await server.waitFor(({ method }) => method === 'GET');
  await remote.link.close();
  expect(server.calls.map(nameOf)).toContain('DELETE');
  for (const { headers } of server.calls) expect(headers).toMatchObject(SECRET);
});

it('tells no secret of the URL', async () => {
  const server = await openServer();
  await server.stop();
  const { host } = new URL(server.url);
  const remote = await openRemote(`http://user:hunter2@${host}/mcp?token=hunter3`);
  remote.send({ id: 0, method: 'initialize', params: INITIALIZE });
  const error = await remote.closed;
  expect(error).toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
  expect(`${String(error)} ${JSON.stringify(remote.log.entries)}`).not.toMatch(/hunter/);
});

it.for([
  [401, 'authorization_required'],
  [403, 'upstream_http'],
] as const)('says that it is not let in (%i)', async ([status, reason]) => {
  const server = await openServer({ ping: (call) => call.status(status) });
  const remote = await openRemote(server.url);
  await remote.initialize();
  expect((await remote.request('ping')).error).toMatchObject({ code: -32603, data: { reason } });
  expect(server.of('ping')).toHaveLength(1);
});

it('speaks to no other origin over HTTP+SSE either', async () => {
  const other = await openServer();
  const server = await openServer({
    GET: (call) => void call.stream().event(other.url, { event: 'endpoint' }),
  });
  const remote = await openRemote(server.url, { transport: 'sse', headers: SECRET });
  remote.send({ id: 0, method: 'initialize', params: INITIALIZE });
  expect(await remote.closed).toMatchObject({
    code: 'UPSTREAM_REDIRECT',
    fields: { origin: new URL(other.url).origin },
  });
  expect(other.connections).toBe(0);
  expect(server.of('initialize')).toEqual([]);
  await server.calls[0]?.closed;
});
