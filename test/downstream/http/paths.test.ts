/** The names of servers in request targets, in all the spellings that clients and proxies make of them. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { HttpOptions } from '../../../src/downstream/listeners.ts';
import { mirroredHeaders, modernRequest } from '../../support/modern.ts';
import { MCP_HEADERS, open, openSocket, post, send } from '../../support/http.ts';
import { expectFault, initialize, listen, openSession, openStream, readStream, request } from './listener.ts';

/** Sends a POST with the target as it is written; the status line is all that is of interest. */
async function statusOf(url: string, target: string, headers: Record<string, string> = {}): Promise<number> {
  const body = JSON.stringify(initialize());
  const lines = Object.entries({ host: 'localhost', connection: 'close', ...MCP_HEADERS, ...headers });
  const socket = await openSocket(url);
  socket.write(
    `POST ${target} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}content-length: ${body.length}\r\n\r\n${body}`,
  );
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return Number(answer.split(' ')[1]);
}

const SPELLINGS = [
  [
    '@scope/pkg',
    ['/@scope/pkg', '/%40scope/pkg', '/@scope%2Fpkg', '/@scope%2fpkg', '/%40scope%2Fpkg', '/@sc%6Fpe/pkg'],
  ],
  ['demo', ['/demo', '/d%65mo', '/%64%65%6d%6F']],
  ['my server', ['/my%20server', '/m%79%20server']],
  ['zwölf • 12', ['/zw%C3%B6lf%20%e2%80%a2%2012', '/zw%c3%b6lf%20%E2%80%A2%20%31%32']],
  ['日本', ['/%E6%97%A5%E6%9C%AC', '/%e6%97%a5%e6%9c%ac']],
  ['what?', ['/what%3F', '/what%3f']],
  ['a#b', ['/a%23b']],
  ['100%', ['/100%25', '/%31%30%30%25']],
  ['a%2Fb', ['/a%252Fb', '/a%252%46b']],
  ['a+b;c=d,e', ['/a+b;c=d,e', '/a%2Bb%3Bc%3Dd%2Ce']],
  ["it's (a) *test*!~", ["/it's%20(a)%20*test*!~", '/it%27s%20%28a%29%20%2Atest%2A%21%7E']],
  ['__proto__', ['/__proto__']],
] as const;

describe('a server named', () => {
  it.each(SPELLINGS)('%j is reached in each spelling of its name', async (name, spellings) => {
    const harness = await listen({ servers: [name, 'other'] });
    for (const spelled of spellings) {
      for (const end of ['/mcp', '/mcp/', '/mcp?x=1', '/%6Dcp']) {
        expect({ spelled, status: await statusOf(harness.url, spelled + end) }).toEqual({
          spelled,
          status: 200,
        });
        expect(harness.accepted.at(-1)?.server).toBe(name);
      }
    }
  });

  it.each(SPELLINGS)('%j is closed to requests without a token in each spelling', async (name, spellings) => {
    const token = 'alice-0123456789abcdef0123456789';
    const tokens = [createHash('sha256').update(token).digest()];
    const harness = await listen({ servers: [name, 'other'], tokens });
    for (const spelled of spellings) {
      for (const path of ['/mcp', '/sse', '/messages?sessionId=x', '/m%63p']) {
        expect(await statusOf(harness.url, spelled + path)).toBe(401);
      }
      expect(await statusOf(harness.url, `${spelled}/mcp`, { authorization: `Bearer ${token}` })).toBe(200);
      expect(await statusOf(harness.url, `${spelled}/mcp`, { host: 'evil.example' })).toBe(403);
      expect(await statusOf(harness.url, `${spelled}/mcp`, { origin: 'https://evil.example' })).toBe(403);
    }
    expect(harness.accepted).toHaveLength(spellings.length);
  });
});

describe('names that look alike', () => {
  it('lead to the server that is named exactly', async () => {
    const servers = ['a', 'a/mcp', 'mcp', 'mcp/mcp', '@scope', '@scope/pkg', 'a/b/c', 'A', 'a%2Fmcp'];
    const harness = await listen({ servers });
    for (const name of servers) {
      for (const spelled of [encodeURIComponent(name), encodeURI(name)]) {
        expect((await post(`${harness.url}/${spelled}/mcp`, initialize())).status).toBe(200);
        expect(harness.accepted.at(-1)?.server).toBe(name);
      }
    }
  });

  it.each([
    ['x//y', ['/x%2F%2Fy', '/x//y', '/x/y', '/x%2Fy']],
    ['/lead', ['/%2Flead', '//lead', '/lead']],
    ['trail/', ['/trail%2F', '/trail//', '/trail']],
    ['zwo\u0308lf', ['/zwo%CC%88lf', '/zw%C3%B6lf']],
    ['zw\u00f6lf', ['/zw%C3%B6lf', '/zwo%CC%88lf']],
  ])('%j is found in what proxies and editors make of it', async (name, spellings) => {
    const harness = await listen({ servers: [name, 'other'] });
    for (const spelled of spellings) {
      const target = `${spelled}/mcp`.replace('///', '//');
      expect({ target, status: await statusOf(harness.url, target) }).toEqual({ target, status: 200 });
      expect(harness.accepted.at(-1)?.server).toBe(name);
    }
  });

  it('lead to the exact one of two that differ in slashes only', async () => {
    const servers = ['x//y', 'x/y', '/x/y'];
    const harness = await listen({ servers });
    for (const name of servers) {
      expect(await statusOf(harness.url, `/${encodeURIComponent(name)}/mcp`)).toBe(200);
      expect(harness.accepted.at(-1)?.server).toBe(name);
    }
  });

  it('are not found if one differs by more than its spelling', async () => {
    const { url, accepted } = await listen({ servers: ['@scope/pkg', 'a%2Fb', 'demo'] });
    const targets = [
      '/@scope%252Fpkg/mcp',
      '/%2540scope/pkg/mcp',
      '/@scope//pkg/mcp',
      '/@scope/pkg//mcp',
      '//demo/mcp',
      '/demo%2Fmcp',
      '/@scope/mcp',
      '/pkg/mcp',
      '/@scope/x/../pkg/mcp',
      '/@scope/./pkg/mcp',
      '/@scope%5Cpkg/mcp',
      '/a/b/mcp',
      '/a%2Fb/mcp',
      '/Demo/mcp',
      '/demo/mcp%2F',
      '/demo/mcp%3Fx',
      '/demo%00/mcp',
      '/demo/mcp/mcp',
      '/mcp',
    ];
    for (const target of targets) {
      expect({ target, status: await statusOf(url, target) }).toEqual({ target, status: 404 });
    }
    expect(accepted).toEqual([]);
  });

  it.each(['/d%zz/mcp', '/demo%/mcp', '/%ff/mcp', '/%c3/mcp', '/demo/%E6%97/mcp'])(
    '%s is 400',
    async (target) => {
      const { url } = await listen({ servers: ['demo', '@scope/pkg'] });
      expect(await statusOf(url, target)).toBe(400);
    },
  );

  it('take the raw characters that URLs of clients encode, but no raw octets, which are no request target', async () => {
    const { url, accepted } = await listen({ servers: ['zwölf • 日本', 'other'] });
    const init = { method: 'POST', headers: MCP_HEADERS, body: JSON.stringify(initialize()) };
    expect((await fetch(`${url}/zwölf • 日本/mcp`, init)).status).toBe(200);
    expect(accepted).toMatchObject([{ server: 'zwölf • 日本' }]);
    expect(await statusOf(url, '/zwölf/mcp')).toBe(400);
  });
});

describe('every endpoint', () => {
  const NAME = '@scope/ö pkg';
  const PREFIXES = ['/@scope/%C3%B6%20pkg', '/%40scope%2F%c3%b6%20pkg', '/@scope%2F%C3%B6%20pkg'];

  const start = (more: Partial<HttpOptions> = {}) => listen({ servers: [NAME, 'other'], ...more });

  it.each(PREFIXES)(
    '%s: Streamable HTTP with POST, GET and DELETE, mixed with other spellings',
    async (prefix) => {
      const harness = await start();
      const url = `${harness.url}${prefix}/mcp`;
      const session = await openSession(harness, '2025-06-18', url);
      expect(session.accepted.server).toBe(NAME);
      const announced = `${harness.url}/${encodeURIComponent(NAME)}/mcp`;
      expect((await post(announced, request('echo'), session.headers)).status).toBe(200);
      const stream = await openStream(url, session.headers);
      await session.accepted.send({ method: 'notifications/tools/list_changed' });
      expect(await stream.nextMessage()).toMatchObject({ method: 'notifications/tools/list_changed' });
      expect((await send(url, { method: 'DELETE', headers: session.headers })).status).toBe(204);
      await session.accepted.closed;
    },
  );

  it.each(PREFIXES)('%s: HTTP+SSE, with an endpoint in the same spelling', async (prefix) => {
    const harness = await start();
    const stream = readStream(await open(`${harness.url}${prefix}/sse?x=1`));
    const { event, data } = await stream.next();
    expect(event).toBe('endpoint');
    expect(data).toMatch(/^\/[\x21-\x7e]+\/messages\?sessionId=[\da-f]+$/);
    expect(decodeURIComponent(data.split('/messages')[0] ?? '')).toBe(`/${NAME}`);
    // What a proxy makes of it, and what it was.
    for (const path of [data, `/@scope/%C3%B6%20pkg/messages?${data.split('?')[1]}`])
      expect((await post(harness.url + path, initialize())).status).toBe(202);
    expect(harness.accepted).toMatchObject([{ server: NAME }]);
  });

  it.each(PREFIXES)('%s: 2026-07-28, and without sessions', async (prefix) => {
    for (const stateless of [false, true]) {
      const harness = await start({ stateless });
      const message = modernRequest('server/discover');
      expect((await post(`${harness.url}${prefix}/mcp`, message, mirroredHeaders(message))).status).toBe(200);
      expect(harness.accepted.at(-1)?.server).toBe(NAME);
    }
  });

  it('has an endpoint that names no other host, whatever the name', async () => {
    const harness = await listen({ servers: ['/evil.example', 'other'] });
    const stream = readStream(await open(`${harness.url}//evil.example/sse`));
    const { data } = await stream.next();
    expect(data).toMatch(/^\/%2Fevil\.example\/messages\?/);
    expect((await post(harness.url + data, initialize())).status).toBe(202);
  });

  it('has the prefix of a proxy in front of the endpoint', async () => {
    const forwarded = await start({ trustProxy: true });
    const headers = { 'x-forwarded-prefix': '/gate%20way/' };
    const first = readStream(await open(`${forwarded.url}/@scope/%C3%B6%20pkg/sse`, { headers }));
    expect((await first.next()).data).toMatch(/^\/gate%20way\/@scope\/%C3%B6%20pkg\/messages\?/);
    const based = await start({ baseUrl: 'https://example.com/gate' });
    const second = readStream(await open(`${based.url}/@scope%2F%C3%B6%20pkg/sse`));
    expect((await second.next()).data).toMatch(/^\/gate\/@scope%2F%C3%B6%20pkg\/messages\?/);
  });

  it('may have a path of several segments', async () => {
    const paths = { httpPath: '/v1/mcp', ssePath: '/v1/events/sse', messagesPath: '/in' };
    const harness = await start(paths);
    for (const prefix of PREFIXES) {
      expect(await statusOf(harness.url, `${prefix}/v1/mcp`)).toBe(200);
      expect(await statusOf(harness.url, `${prefix}/v1%2Fmcp`)).toBe(404);
    }
    const stream = readStream(await open(`${harness.url}/@scope/%C3%B6%20pkg/v1/ev%65nts/sse`));
    expect((await stream.next()).data).toMatch(/^\/@scope\/%C3%B6%20pkg\/in\?/);
  });

  it('answers 405 and CORS questions in each spelling', async () => {
    const harness = await start({ cors: ['https://app.example'] });
    for (const prefix of PREFIXES) {
      const target = `${harness.url}${prefix}/mcp`;
      expectFault(await send(target, { method: 'PUT' }), { status: 405, code: -32_600 });
      const headers = { origin: 'https://app.example', 'access-control-request-method': 'POST' };
      const preflight = await send(target, { method: 'OPTIONS', headers });
      expect(preflight).toMatchObject({
        status: 204,
        headers: { 'access-control-allow-origin': 'https://app.example' },
      });
      const foreign = await send(target, {
        method: 'OPTIONS',
        headers: { ...headers, origin: 'https://evil.example' },
      });
      expect(foreign.status).toBe(403);
    }
  });
});
