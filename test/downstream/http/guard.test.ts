import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { HttpOptions } from '../../../src/downstream/listeners.ts';
import { open, openSocket, send, type Answer } from '../../support/http.ts';
import { expectFault, initialize, listen, type Harness } from './listener.ts';

const JSON_TYPES = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

function knock({ mcp }: Harness, headers: Record<string, string>): Promise<Answer> {
  return send(mcp, { method: 'POST', headers: { ...JSON_TYPES, ...headers } }, JSON.stringify(initialize()));
}

describe('Host', () => {
  it.each(['localhost', 'LOCALHOST:1234', 'LocalHost', '127.0.0.1', '127.0.0.1:80', '[::1]', '[::1]:65535'])(
    '%s passes',
    async (host) => {
      expect((await knock(await listen(), { host })).status).toBe(200);
    },
  );

  it.each([
    'evil.com',
    'evil.com:3000',
    'localhost.evil.com',
    'evil.localhost',
    '127.0.0.1.evil.com',
    '127.0.0.2',
    '0.0.0.0',
    '[::]',
    '[::2]',
    '::1',
    'localhost:3000:1',
    'localhost@evil.com',
    'evil.com#localhost',
    '2130706433',
    '0x7f.1',
    'null',
    '__proto__',
  ])('%s is 403', async (host) => {
    expectFault(await knock(await listen(), { host }), {
      status: 403,
      code: -32_600,
      reason: 'forbidden_host',
    });
  });

  it.each(['HTTP/1.0', 'HTTP/1.1'])('missing in %s is 403', async (version) => {
    const { url, accepted } = await listen();
    const socket = await openSocket(url);
    socket.write(`POST /mcp ${version}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`);
    const text = await readAll(socket);
    expect(text).toMatch(/^HTTP\/1.1 403 /);
    expect(accepted).toEqual([]);
  });

  it('is checked before anything is accepted', async () => {
    const harness = await listen();
    await knock(harness, { host: 'evil.com' });
    expect(harness.accepted).toEqual([]);
  });

  it.each([
    ['GET', '/mcp'],
    ['DELETE', '/mcp'],
    ['OPTIONS', '/mcp'],
    ['GET', '/sse'],
    ['POST', '/messages'],
    ['GET', '/nowhere'],
    ['GET', '/files/mcp'],
    ['GET', '/healthz/'],
  ])('is checked for %s %s', async (method, path) => {
    const { url } = await listen();
    const answer = await send(url + path, { method, headers: { host: 'evil.com' } });
    expectFault(answer, { status: 403, code: -32_600 });
  });

  const allowed: [title: string, options: Partial<HttpOptions>, host: string, status: number][] = [
    ['a name', { allowHost: ['mcp.example.com'] }, 'MCP.example.com:8443', 200],
    ['a name with its port', { allowHost: ['mcp.example.com:8443'] }, 'mcp.example.com:8443', 200],
    ['a name with another port', { allowHost: ['mcp.example.com:8443'] }, 'mcp.example.com:1', 403],
    ['no name below it', { allowHost: ['example.com'] }, 'mcp.example.com', 403],
    ['the public name', { baseUrl: 'https://mcp.example.com/tools' }, 'mcp.example.com', 200],
    ['still no other name', { allowHost: ['a.example'] }, 'b.example', 403],
  ];

  it.each(allowed)('can be opened to %s', async (_title, options, host, status) => {
    expect((await knock(await listen(options), { host })).status).toBe(status);
  });

  it('may be the address that we listen on', async () => {
    const { url } = await listen({ host: '127.0.0.2' });
    expect(
      (await send(`${url}/mcp`, { method: 'POST', headers: JSON_TYPES }, JSON.stringify(initialize())))
        .status,
    ).toBe(200);
  });

  it('may be any name where we listen for others and no name is given, and no other one where it is', async () => {
    expect((await knock(await listen({ host: '0.0.0.0' }), { host: 'gateway.internal:3000' })).status).toBe(
      200,
    );
    const named = await listen({ host: '0.0.0.0', allowHost: ['gateway.internal'] });
    expect((await knock(named, { host: 'gateway.internal:3000' })).status).toBe(200);
    expect((await knock(named, { host: 'evil.com' })).status).toBe(403);
  });
});

describe('Origin', () => {
  it.each([
    'http://localhost',
    'http://LOCALHOST:6274',
    'https://localhost:1',
    'http://127.0.0.1:3000',
    'http://[::1]:8080',
    'HTTP://localhost',
  ])('%s passes', async (origin) => {
    const answer = await knock(await listen(), { origin });
    expect(answer.status).toBe(200);
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
  });

  it.each([
    'null',
    'file://',
    'https://evil.com',
    'http://localhost.evil.com',
    'http://localhost@evil.com',
    'http://evil.com/localhost',
    'http://localhost:3000/',
    'http://localhost:3000#x',
    'chrome-extension://abcdef',
    'localhost',
    '',
    'http://',
    'http://localhost http://evil.com',
    '*',
  ])('%j is 403', async (origin) => {
    expectFault(await knock(await listen(), { origin }), {
      status: 403,
      code: -32_600,
      reason: 'forbidden_origin',
    });
  });

  it('is not needed', async () => {
    expect((await knock(await listen(), {})).status).toBe(200);
  });

  it('can be opened to one more, which is no CORS', async () => {
    const harness = await listen({ allowOrigin: ['https://App.example'] });
    const answer = await knock(harness, { origin: 'https://app.example' });
    expect(answer.status).toBe(200);
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    expect((await knock(harness, { origin: 'https://app.example:8443' })).status).toBe(403);
  });

  it('may be the address that we listen on for others, but no name that a stranger may have given us', async () => {
    const harness = await listen({ host: '0.0.0.0' });
    const knockAs = (host: string, origin: string): Promise<Answer> => knock(harness, { host, origin });
    expect((await knockAs('192.168.0.7:3000', 'http://192.168.0.7:3000')).status).toBe(200);
    expect((await knockAs('[fd00::7]:3000', 'http://[fd00::7]:3000')).status).toBe(200);
    expect((await knockAs('evil.com:3000', 'http://evil.com:3000')).status).toBe(403);
    const named = await listen({ host: '0.0.0.0', allowHost: ['gateway.internal'] });
    const answer = await knock(named, { host: 'gateway.internal', origin: 'https://gateway.internal' });
    expect(answer.status).toBe(200);
  });

  it('may be our own where we listen for others and ask for a token', async () => {
    const token = 'test-token-0123456789';
    const harness = await listen({ host: '0.0.0.0', tokens: [createHash('sha256').update(token).digest()] });
    const authorization = `Bearer ${token}`;
    const host = 'gateway.internal:3000';
    expect(
      (await knock(harness, { authorization, host, origin: 'http://gateway.internal:3000' })).status,
    ).toBe(200);
    expect((await knock(harness, { host, origin: 'http://evil.com' })).status).toBe(403);
    expect((await knock(harness, { host, origin: 'null' })).status).toBe(403);
  });
});

describe('CORS', () => {
  const origin = 'https://app.example';

  it('answers the preflight of an origin that it is open to', async () => {
    const { mcp } = await listen({ cors: [origin] });
    const headers = {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'mcp-session-id',
    };
    const answer = await send(mcp, { method: 'OPTIONS', headers });
    expect(answer.status).toBe(204);
    expect(answer.text).toBe('');
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': origin,
      vary: expect.stringMatching(/origin/i),
      'access-control-allow-methods': expect.stringMatching(/POST.*DELETE/),
      'access-control-allow-headers': expect.stringMatching(
        /Content-Type.*MCP-Protocol-Version.*Mcp-Session-Id/i,
      ),
    });
    expect(answer.headers['access-control-allow-credentials']).toBeUndefined();
  });

  it('allows the headers that tools name for their parameters, and no others', async () => {
    const { mcp } = await listen({ cors: [origin] });
    const asked = 'content-type, mcp-param-region, Mcp-Param-X, x-other, mcp-param-, mcp-param-a b';
    const answer = await send(mcp, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-headers': asked },
    });
    const allowed = String(answer.headers['access-control-allow-headers']).split(', ');
    expect(allowed).toEqual(expect.arrayContaining(['Mcp-Name', 'mcp-param-region', 'Mcp-Param-X']));
    expect(allowed.filter((name) => /x-other|a b|-$/.test(name))).toEqual([]);
  });

  it('shows the session id to such an origin, on answers and on errors', async () => {
    const harness = await listen({ cors: [origin] });
    const answer = await knock(harness, { origin });
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-expose-headers': expect.stringMatching(/Mcp-Session-Id/i),
    });
    const fault = await send(harness.mcp, { method: 'PUT', headers: { origin } });
    expect(fault).toMatchObject({ status: 405, headers: { 'access-control-allow-origin': origin } });
  });

  it('lets a page read that there is nothing at a path', async () => {
    const { url } = await listen({ cors: [origin] });
    const headers = { origin, 'access-control-request-method': 'POST' };
    expect((await send(`${url}/nowhere`, { method: 'OPTIONS', headers })).status).toBe(204);
    const missing = await send(`${url}/nowhere`, { method: 'POST', headers: { origin } });
    expect(missing).toMatchObject({ status: 404, headers: { 'access-control-allow-origin': origin } });
  });

  it('also on a stream', async () => {
    const { url } = await listen({ cors: [origin] });
    const stream = await open(`${url}/sse`, { headers: { origin } });
    expect(stream.headers['access-control-allow-origin']).toBe(origin);
    stream.destroy();
  });

  it('gives nothing to any other origin', async () => {
    const harness = await listen({ cors: [origin] });
    const local = await knock(harness, { origin: 'http://localhost:1' });
    expect(local.status).toBe(200);
    const foreign = await knock(harness, { origin: 'https://evil.com' });
    expect(foreign.status).toBe(403);
    for (const { headers } of [local, foreign])
      expect(headers['access-control-allow-origin']).toBeUndefined();
  });

  it('gives nothing without an origin', async () => {
    const answer = await knock(await listen({ cors: ['*'] }), {});
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
  });

  it('lets a page remember the preflight, ask with a token, and see why it was refused', async () => {
    const harness = await listen({ cors: [origin], tokens: [createHash('sha256').update('x').digest()] });
    const preflight = await send(harness.mcp, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST' },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers).toMatchObject({
      'access-control-max-age': expect.stringMatching(/^[1-9]\d+$/),
      'access-control-allow-headers': expect.stringMatching(/Authorization/),
    });
    const refused = await knock(harness, { origin });
    expectFault(refused, { status: 401, code: -32_600, reason: 'unauthorized' });
    expect(refused.headers).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-expose-headers': expect.stringMatching(/WWW-Authenticate/),
    });
  });

  const matrix: [configured: string[], origin: string, status: number, allowed: string | undefined][] = [
    [[origin], origin, 200, origin],
    [[origin], 'https://APP.example', 200, 'https://APP.example'],
    [[origin], 'http://app.example', 403, undefined],
    [[origin], 'https://app.example:8443', 403, undefined],
    [[origin], 'https://app.example.evil.com', 403, undefined],
    [[origin], 'https://sub.app.example', 403, undefined],
    [[origin], 'https://app.example/', 403, undefined],
    [[origin], 'null', 403, undefined],
    [[origin], '*', 403, undefined],
    [['https://*.example'], 'https://app.example', 403, undefined],
    [['*.example'], 'https://app.example', 403, undefined],
    [['null'], 'null', 200, 'null'],
    [['*'], 'null', 200, 'null'],
    [[], 'http://localhost:3000', 200, undefined],
  ];

  it.each(matrix)('%j and the origin %s: %i', async (configured, given, status, allowed) => {
    const answer = await knock(await listen({ cors: configured }), { origin: given });
    expect(answer.status).toBe(status);
    expect(answer.headers['access-control-allow-origin']).toBe(allowed);
    expect(answer.headers['access-control-allow-credentials']).toBeUndefined();
    expect(answer.headers['vary']).toBe(configured.length === 0 ? undefined : 'Origin');
  });

  it('can be open to all', async () => {
    const answer = await knock(await listen({ cors: ['*'] }), { origin: 'https://any.example' });
    expect(answer).toMatchObject({
      status: 200,
      headers: { 'access-control-allow-origin': 'https://any.example' },
    });
  });
});

it.each(['/healthz', '/healthz?verbose=1'])('%s answers any Host and Origin', async (path) => {
  const { url } = await listen();
  const headers = { host: 'evil.example', origin: 'null', 'sec-fetch-site': 'cross-site' };
  expect(await send(url + path, { headers })).toMatchObject({ status: 200, text: '{"status":"ok"}' });
});

async function readAll(socket: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) {
    chunks.push(chunk);
    if (/\r\n\r\n/.test(Buffer.concat(chunks).toString())) break;
  }
  return Buffer.concat(chunks).toString();
}
