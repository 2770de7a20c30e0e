/** Heads of requests that say two things, or nothing that can be trusted. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { MCP_HEADERS, open, openSocket, send } from '../../support/http.ts';
import { expectFault, initialize, listen, openSession, readStream } from './listener.ts';

const BODY = JSON.stringify(initialize());
const ENDPOINTS: readonly (readonly [method: string, path: string])[] = [
  ['POST', '/mcp'],
  ['GET', '/mcp'],
  ['DELETE', '/mcp'],
  ['OPTIONS', '/mcp'],
  ['POST', '/files/mcp'],
  ['GET', '/sse'],
  ['POST', '/messages?sessionId=x'],
  ['GET', '/healthz'],
  ['GET', '/readyz'],
  ['GET', '/nowhere'],
];

/** Sends the lines of a head as they are. @returns the whole answer */
async function raw(url: string, lines: readonly string[], body = ''): Promise<string> {
  const socket = await openSocket(url);
  socket.write(
    `${[...lines, 'connection: close', `content-length: ${body.length}`].join('\r\n')}\r\n\r\n${body}`,
  );
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

async function statusOf(url: string, lines: readonly string[], body?: string): Promise<number> {
  return Number((await raw(url, lines, body)).split(' ')[1]);
}

describe('a header that is there twice', () => {
  it.each(ENDPOINTS)('%s %s: two Host headers are 400', async (method, path) => {
    const { url, accepted } = await listen();
    for (const [first, second] of [
      ['localhost', 'evil.example'],
      ['evil.example', 'localhost'],
      ['localhost', 'localhost'],
    ]) {
      expect(await statusOf(url, [`${method} ${path} HTTP/1.1`, `Host: ${first}`, `hOST: ${second}`])).toBe(
        400,
      );
    }
    expect(accepted).toEqual([]);
  });

  it.each([
    'Origin: http://localhost',
    'Sec-Fetch-Site: none',
    'Content-Type: application/json',
    'Last-Event-ID: 1-1',
    'Mcp-Session-Id: x',
    'MCP-Protocol-Version: 2025-06-18',
    'Mcp-Method: tools/call',
    'Mcp-Name: echo',
    'Mcp-Param-Region: eu',
    'X-Forwarded-Prefix: /a',
  ])('is refused: %s', async (line) => {
    const { url, accepted } = await listen();
    const type = line.startsWith('Content-Type') ? [] : ['content-type: application/json'];
    const head = ['POST /mcp HTTP/1.1', 'host: localhost', 'accept: */*', ...type, line, line];
    const answer = await raw(url, head, BODY);
    expect(answer).toMatch(/^HTTP\/1.1 400 .*"reason":"(?:invalid_request|header_mismatch)"/s);
    expect(accepted).toEqual([]);
  });

  it.each([
    ['Host: evil.example', 400],
    ['Origin: http://evil.example', 403],
    ['Sec-Fetch-Site: cross-site', 403],
  ])('counts behind thousands of others: %s', async (line, status) => {
    const { url, accepted } = await listen({ headerLimitBytes: 64 * 1024 });
    const others = Array.from({ length: 5_000 }, () => 'x:');
    const head = ['GET /sse HTTP/1.1', 'host: localhost', 'accept: */*', ...others, line];
    expect(await statusOf(url, head)).toBe(status);
    expect(accepted).toEqual([]);
  });

  it('is refused where it says how long the body is', async () => {
    const { url, accepted } = await listen();
    const head = ['POST /mcp HTTP/1.1', 'host: localhost', 'content-type: application/json'];
    expect(await statusOf(url, [...head, 'content-length: 5'], BODY)).toBe(400);
    expect(await statusOf(url, [...head, 'transfer-encoding: chunked'], BODY)).toBe(400);
    expect(accepted).toEqual([]);
  });

  it('may be a list, as Accept, or mean nothing here', async () => {
    const { url } = await listen();
    const head = ['POST /mcp HTTP/1.1', 'host: localhost', 'content-type: application/json'];
    const lists = [
      'accept: application/json',
      'accept: text/event-stream',
      'x-a: 1',
      'x-a: 2',
      'cookie: a=1',
    ];
    expect(await statusOf(url, [...head, ...lists, 'cookie: b=1'], BODY)).toBe(200);
  });
});

describe('a target in absolute form', () => {
  const targets: [target: string, host: string, status: number][] = [
    ['http://evil.example/P', 'localhost', 403],
    ['http://evil.example/P', 'evil.example', 403],
    ['HTTPS://evil.example/P', 'localhost', 403],
    ['http://localhost@evil.example/P', 'localhost', 403],
    ['http://user:password@localhost/P', 'localhost', 403],
    ['http://user@localhost/P', 'user@localhost', 403],
    ['http:///P', 'localhost', 403],
    ['http://localhost/P', '127.0.0.1', 400],
    ['http://localhost:1/P', 'localhost:2', 400],
    ['ftp://localhost/P', 'localhost', 400],
    ['http:/P', 'localhost', 400],
  ];

  it.each(targets)('%s with the Host %s is %i on every path', async (target, host, status) => {
    const { url, accepted } = await listen();
    for (const [method, path] of ENDPOINTS) {
      const line = `${method} ${target.replace('/P', path)} HTTP/1.1`;
      const found = await statusOf(url, [line, `host: ${host}`]);
      expect({ line, found }).toEqual({ line, found: status });
    }
    expect(accepted).toEqual([]);
  });

  it('is taken where both name the same host that is ours', async () => {
    const { url } = await listen({ allowHost: ['mcp.example'] });
    for (const [target, host] of [
      [`${url}/healthz`, new URL(url).host],
      ['http://localhost/readyz', 'LOCALHOST:80'],
      ['http://mcp.example:8080/readyz', 'mcp.example:8080'],
      ['https://mcp.example/readyz?x', 'mcp.example:443'],
    ]) {
      expect(await statusOf(url, [`GET ${target} HTTP/1.1`, `host: ${host}`])).toBe(200);
    }
  });
});

describe('Sec-Fetch-Site', () => {
  const requests: [method: string, path: string, headers: Record<string, string>][] = [
    ['GET', '/sse', { accept: 'text/event-stream' }],
    ['GET', '/files/sse', { accept: '*/*', 'sec-fetch-mode': 'navigate' }],
    ['GET', '/mcp', { accept: 'text/event-stream' }],
    ['POST', '/mcp', { ...MCP_HEADERS }],
    ['POST', '/mcp', { 'content-type': 'text/plain' }],
    ['POST', '/messages?sessionId=x', { ...MCP_HEADERS }],
    ['DELETE', '/mcp', {}],
    ['OPTIONS', '/mcp', {}],
    ['GET', '/nowhere', {}],
  ];

  it.each(requests)('of another site is 403 without an Origin: %s %s', async (method, path, headers) => {
    const { url, accepted } = await listen();
    for (const site of ['cross-site', 'same-site', 'Cross-Site', 'unheard-of', 'none, cross-site', '']) {
      const answer = await send(url + path, { method, headers: { ...headers, 'sec-fetch-site': site } });
      expectFault(answer, { status: 403, code: -32_600, reason: 'forbidden_origin' });
    }
    expect(accepted).toEqual([]);
  });

  it('of another site is refused with a token as well', async () => {
    const { url } = await listen({ tokens: [createHash('sha256').update('t').digest()] });
    const headers = { authorization: 'Bearer t', 'sec-fetch-site': 'cross-site', accept: '*/*' };
    expect((await send(`${url}/sse`, { headers })).status).toBe(403);
  });

  it.each(['none', 'same-origin'])('%s passes', async (site) => {
    const harness = await listen();
    const { headers } = await openSession(harness);
    const more = { ...headers, 'sec-fetch-site': site };
    expect((await send(harness.mcp, { method: 'DELETE', headers: more })).status).toBe(204);
  });

  it('of another site passes with an Origin that is allowed', async () => {
    const { mcp } = await listen({ cors: ['https://app.example'] });
    for (const origin of ['https://app.example', 'http://localhost:6274']) {
      const headers = { ...MCP_HEADERS, origin, 'sec-fetch-site': 'cross-site' };
      expect((await send(mcp, { method: 'POST', headers }, BODY)).status).toBe(200);
    }
  });
});

describe('another spelling of a fixed path', () => {
  it.each([
    '/%73se',
    '/ss%65/',
    '/%6dcp',
    '/mc%70?x=1',
    '/%6dessages?sessionId=x',
    '/%68ealthz',
    '/health%7a',
    '/%72eadyz',
    '/files/%73se',
    '/f%69les/m%63p',
  ])('%s is checked as the path itself is', async (path) => {
    const { url, accepted } = await listen();
    for (const method of ['GET', 'POST', 'DELETE', 'OPTIONS', 'HEAD']) {
      const line = `${method} ${path} HTTP/1.1`;
      expect(await statusOf(url, [line, 'host: evil.example'])).toBe(403);
      expect(await statusOf(url, [line, 'host: localhost', 'origin: https://evil.example'])).toBe(403);
      expect(await statusOf(url, [line, 'host: localhost', 'sec-fetch-site: cross-site'])).toBe(403);
    }
    expect(accepted).toEqual([]);
    const guarded = await listen({ tokens: [createHash('sha256').update('t').digest()] });
    expect(await statusOf(guarded.url, [`GET ${path} HTTP/1.1`, 'host: localhost'])).toBe(401);
  });

  it.each([
    '/messages%3FsessionId=x',
    '/readyz%20',
    '/healthz/',

    '/sse#x',
    '/%2573se',
    '/sse%2F',
  ])('%s is another path: 404', async (path) => {
    const { url } = await listen();
    expect(await statusOf(url, [`GET ${path} HTTP/1.1`, 'host: localhost'])).toBe(404);
  });

  it.each(['/%73se', '/ss%65/?x=1', '/files/%73se', '/%66iles/s%73e', '/f%69les/sse/'])(
    'a stream that is opened at %s names a working endpoint',
    async (path) => {
      const { url } = await listen();
      const stream = readStream(await open(`${url}${path}`));
      const { data } = await stream.next();
      const headers = { ...MCP_HEADERS, 'content-type': 'application/json' };
      expect((await send(new URL(data, url).href, { method: 'POST', headers }, BODY)).status).toBe(202);
    },
  );
});

describe('HTTP/1.0', () => {
  it.each([
    ['without a Host', [], 403],
    ['with a foreign one', ['host: evil.example'], 403],
    ['with ours', ['host: localhost'], 404],
    ['with two', ['host: localhost', 'host: localhost'], 400],
    ['with a user in it', ['host: user@localhost'], 403],
    ['with two names in it', ['host: localhost, evil.example'], 403],
    ['with a space in it', ['host: localhost evil.example'], 403],
  ] as const)('%s is answered in our own form', async (_title, lines, status) => {
    const { url } = await listen();
    const answer = await raw(url, ['GET /nowhere HTTP/1.0', ...lines]);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} .*\\{"jsonrpc":"2\\.0","error":`, 's'));
  });
});
