import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { GuardedFetch } from '../../../src/upstream/oauth/guarded-fetch.ts';
import { readChallenge } from '../../../src/upstream/oauth/challenge.ts';
import type { Challenge } from '../../../src/upstream/authorization.ts';
import { createConnection } from '../../../src/upstream/http/connection.ts';
import { createDispatcher, openDispatcher } from '../../../src/upstream/http/dispatcher.ts';
import { fieldValue } from '../../../src/upstream/http/field-values.ts';
import { discard } from '../../../src/upstream/http/http-call.ts';
import { INITIALIZE, initializeResult, openRemote, openServer, SESSION, USES_UNDICI } from './remote.ts';
import { answerTo, type Call } from './scripted-server.ts';

const JSON_TYPE = 'application/json';
const TLS = { caFile: undefined, certFile: undefined, keyFile: undefined };

/** Answers with fields of which some have several lines. */
function reply(
  call: Call,
  status: number,
  fields: Record<string, string | string[]>,
  body: Buffer | string = '',
): void {
  call.response.writeHead(status, { 'content-length': String(Buffer.byteLength(body)), ...fields });
  call.response.end(body);
}

it.for([
  ['content-type', [JSON_TYPE, 'text/html'], JSON_TYPE],
  ['content-type', ['', JSON_TYPE], JSON_TYPE],
  ['content-type', ['', ''], ''],
  ['location', ['/there', '/there'], '/there'],
  ['retry-after', ['0', '3600'], '0'],
  ['mcp-session-id', ['S', 'S'], 'S'],
  ['mcp-session-id', 'S, S', 'S, S'],
  ['mcp-session-id', ' S\t', 'S'],
  ['www-authenticate', ['Basic', 'Basic '], 'Basic'],
  ['x-unknown', ['a', 'b'], 'a'],
  ['content-encoding', ['gzip', 'gzip'], 'gzip'],
  ['content-encoding', ['gzip', 'br'], 'gzip, br'],
  ['www-authenticate', ['Basic', 'Bearer scope="a"', 'Basic'], 'Basic, Bearer scope="a"'],
  ['allow', ['GET', 'POST'], 'GET, POST'],
  ['link', [], undefined],
  ['link', undefined, undefined],
] as const)('reads %s: %j as %j', ([name, lines, value]) => {
  expect(fieldValue(name, lines)).toBe(value);
});

it.for([
  ['identical', [JSON_TYPE, JSON_TYPE]],
  ['different', [JSON_TYPE, 'text/html']],
  ['differently spelled', ['application/json; charset=utf-8', 'application/JSON']],
  ['joined', [`${JSON_TYPE}, ${JSON_TYPE}`]],
] as const)('reads a JSON answer with %s Content-Type lines', async ([, types]) => {
  const server = await openServer({
    ping: (call) =>
      reply(call, 200, { 'content-type': [...types] }, JSON.stringify(answerTo(call, { n: 1 }))),
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  expect((await remote.request('ping')).result).toEqual({ n: 1 });
});

it('reads an event stream with two Content-Type lines', async () => {
  const server = await openServer({
    ping(call) {
      const type = ['text/event-stream', 'text/event-stream'];
      call.response.writeHead(200, { 'content-type': type });
      call.response.end(`data: ${JSON.stringify(answerTo(call, { n: 1 }))}\n\n`);
    },
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  expect((await remote.request('ping')).result).toEqual({ n: 1 });
});

it('decodes an answer with two Content-Encoding lines once', async () => {
  const server = await openServer({
    ping: (call) =>
      reply(
        call,
        200,
        { 'content-type': JSON_TYPE, 'content-encoding': ['gzip', 'gzip'] },
        gzipSync(JSON.stringify(answerTo(call, { n: 1 }))),
      ),
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  expect((await remote.request('ping')).result).toEqual({ n: 1 });
});

it.for([
  ['identical', ['/there', '/there']],
  ['different', ['/there', '/elsewhere']],
] as const)('follows the first of two %s Location lines', async ([, location]) => {
  const server = await openServer({
    ping: (call) =>
      call.path === '/mcp' ? reply(call, 307, { location: [...location] }) : call.result({ path: call.path }),
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  expect((await remote.request('ping')).result).toEqual({ path: '/there' });
});

it('obeys the first of two Retry-After lines', async () => {
  const server = await openServer({
    soon: (call) =>
      server.of('soon').length > 1 ? call.result({}) : reply(call, 503, { 'retry-after': ['0', '0'] }),
    late: (call) => reply(call, 503, { 'retry-after': ['3600', '0'] }),
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  expect(await remote.request('soon')).toHaveProperty('result');
  expect(await remote.request('late')).toHaveProperty('error');
  expect(server.of('late')).toHaveLength(1);
});

it.for([
  ['identical', ['S', 'S']],
  ['different', ['S', 'T']],
] as const)('sends back the first of two %s Mcp-Session-Id lines', async ([, ids]) => {
  const server = await openServer({
    initialize: (call) =>
      reply(
        call,
        200,
        { 'content-type': JSON_TYPE, [SESSION]: [...ids] },
        JSON.stringify(answerTo(call, initializeResult())),
      ),
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  await remote.request('ping');
  expect(server.of('ping')[0]?.headers[SESSION]).toBe('S');
});

it('reads the challenges of all WWW-Authenticate lines', async () => {
  const server = await openServer({
    GET: (call) =>
      reply(call, 401, {
        'www-authenticate': ['Basic realm="x"', 'Bearer scope="read"', 'Bearer scope="read"'],
      }),
  });
  const challenges: Challenge[] = [];
  const options = { server: 'far', tls: TLS, env: {}, clock: systemClock };
  const dispatcher = await (USES_UNDICI
    ? createDispatcher(options)
    : openDispatcher(new URL(server.url), options));
  const connection = createConnection({
    server: 'far',
    dispatcher,
    headers: {},
    clock: systemClock,
    authorization: {
      header: () => Promise.resolve(undefined),
      challenged(challenge) {
        challenges.push(challenge);
        return Promise.resolve(false);
      },
      close: () => Promise.resolve(),
    },
  });
  const { response } = connection.send({ method: 'GET', url: new URL(server.url), headers: {} }, false);
  await expect(response.then((each) => discard(each, systemClock))).rejects.toMatchObject({
    code: 'AUTHORIZATION_REQUIRED',
  });
  expect(challenges[0]?.wwwAuthenticate).toBe('Basic realm="x", Bearer scope="read"');
  expect(readChallenge(challenges[0]?.wwwAuthenticate).scope).toBe('read');
});

it('reads the fields of an authorization server by the same rule', async () => {
  const server = await openServer({
    GET: (call) =>
      reply(call, 401, { 'content-type': [JSON_TYPE, 'text/html'], 'www-authenticate': ['Basic', 'Bearer'] }),
  });
  const guarded = new GuardedFetch({ server: 'far', url: new URL(server.url), tls: TLS, clock: systemClock });
  const { headers } = await guarded.fetch(new AbortController().signal)(server.url);
  await guarded.close();
  expect(headers.get('content-type')).toBe(JSON_TYPE);
  expect(headers.get('www-authenticate')).toBe('Basic, Bearer');
});

it('rejects an answer with two lengths', async () => {
  const server = await openServer({
    ping(call) {
      const body = JSON.stringify(answerTo(call));
      const head = `HTTP/1.1 200 OK\r\nContent-Type: ${JSON_TYPE}\r\n`;
      const lengths = `Content-Length: ${body.length}\r\nContent-Length: ${body.length + 1}\r\n\r\n`;
      call.response.socket?.end(head + lengths + body);
    },
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  expect((await remote.request('ping')).error).toMatchObject({ data: { reason: 'upstream_unreachable' } });
});

it('ignores white space around a value', async () => {
  const server = await openServer({
    initialize(call) {
      const body = JSON.stringify(answerTo(call, initializeResult()));
      const head = `HTTP/1.1 200 OK\r\nContent-Type:\t ${JSON_TYPE} \t\r\nMcp-Session-Id:  S \t \r\n`;
      call.response.socket?.end(`${head}Connection: close\r\n\r\n${body}`);
    },
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  await remote.request('ping');
  expect(server.of('ping')[0]?.headers[SESSION]).toBe('S');
});

it('reads fields behind a thousand others', async () => {
  const server = await openServer({
    ping(call) {
      const body = JSON.stringify(answerTo(call, { n: 1 }));
      const others = Array.from({ length: 1_200 }, (_, index) => `A${index}: 1\r\n`).join('');
      const fields = `Content-Type: ${JSON_TYPE}\r\nContent-Length: ${body.length}\r\n`;
      call.response.socket?.end(`HTTP/1.1 200 OK\r\n${others}${fields}\r\n${body}`);
    },
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  expect((await remote.request('ping')).result).toEqual({ n: 1 });
});

it.for([
  ['which is named', '101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade'],
  ['which is not named', '101 Switching Protocols'],
  ['by a status that does not exist', '099 What'],
] as const)('fails a request that is answered with another protocol, %s', async ([, head]) => {
  const server = await openServer({
    initialize: (call) => void call.response.socket?.write(`HTTP/1.1 ${head}\r\n\r\n`),
  });
  const remote = await openRemote(server.url);
  remote.send({ id: 0, method: 'initialize', params: INITIALIZE });
  expect(await remote.closed).toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
});

it('a value with white space inside is read in time proportional to its length', () => {
  // The square of it would take longer than there is time.
  const value = `a${' \t'.repeat(2_000_000)}b`;
  expect(fieldValue('x-unknown', ` ${value}\t`)).toBe(value);
});
