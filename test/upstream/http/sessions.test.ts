import { expect, it } from 'vitest';
import { at } from '../../support/json.ts';
import { initializeResult, openRemote, openServer, SESSION, type Script } from './remote.ts';
import { answerTo, nameOf, type Call } from './scripted-server.ts';

/** Refuses what comes in one of these sessions, until it has been told so `times`. */
function forgets(id: string, act: (call: Call) => void = (call) => call.status(404)): Script {
  const guard = (call: Call): void => {
    if (call.headers[SESSION] === id) act(call);
    else if ('id' in call.message) call.result({ session: call.headers[SESSION] });
    else call.status(202);
  };
  return { ping: guard, 'tools/call': guard, 'notifications/progress': guard };
}

it('sends the session id and the revision after initialize, and ends the session on close', async () => {
  const server = await openServer();
  const remote = await openRemote(server.url);
  await remote.initialize();
  await remote.request('ping');
  await server.waitFor(({ method }) => method === 'GET');
  await remote.link.close();
  const [initialize, ...rest] = server.calls;
  expect(initialize?.headers).not.toHaveProperty(SESSION);
  expect(initialize?.headers).not.toHaveProperty('mcp-protocol-version');
  expect(initialize?.headers).toMatchObject({
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
  });
  expect(rest.map(nameOf).toSorted()).toEqual(['DELETE', 'GET', 'notifications/initialized', 'ping']);
  for (const { headers } of rest)
    expect(headers).toMatchObject({ [SESSION]: 'session-1', 'mcp-protocol-version': '2025-11-25' });
});

it('speaks the revision that the server has chosen', async () => {
  const server = await openServer({
    initialize: (call) => call.result(initializeResult({ protocolVersion: '2025-03-26' })),
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  await remote.request('ping');
  expect(server.of('ping')[0]?.headers['mcp-protocol-version']).toBe('2025-03-26');
});

it.for([{}, { [SESSION]: '' }])('does without an id where the server gives none (%j)', async (headers) => {
  const server = await openServer({ initialize: (call) => call.result(initializeResult(), headers) });
  const remote = await openRemote(server.url);
  await remote.initialize();
  await remote.request('ping');
  await remote.link.close();
  expect(server.of('ping')[0]?.headers).not.toHaveProperty(SESSION);
  expect(server.of('DELETE')).toEqual([]);
});

it('holds what is pipelined behind initialize until it is answered and its end accepted', async () => {
  const server = await openServer({ initialize: () => {}, 'notifications/initialized': () => {} });
  const remote = await openRemote(server.url);
  const other = await openRemote(server.url);
  /** What the one has said, when there was time for the other to be heard. */
  const said = async (): Promise<string[]> => {
    for (let count = 0; count < 3; count += 1) await other.request('elsewhere');
    return server.calls.map(nameOf).filter((name) => name !== 'elsewhere');
  };
  const answered = remote.initialize();
  const pong = remote.request('ping');
  const initialize = await server.waitFor((call) => nameOf(call) === 'initialize');
  expect(await said()).toEqual(['initialize']);
  initialize.result(initializeResult(), { [SESSION]: 'only' });
  await answered;
  const initialized = await server.waitFor((call) => nameOf(call) === 'notifications/initialized');
  const tools = remote.request('tools/list');
  expect((await said()).slice(2)).not.toContain('tools/list');
  initialized.status(202);
  await Promise.all([pong, tools]);
  expect(server.of('tools/list')[0]?.headers).toMatchObject({ [SESSION]: 'only' });
});

it('does not send a request that was cancelled while it had to wait', async () => {
  const server = await openServer({ initialize: () => {} });
  const remote = await openRemote(server.url);
  remote.send({ id: 0, method: 'initialize', params: {} });
  remote.notify('notifications/initialized');
  remote.send({ id: 1, method: 'tools/call', params: { name: 'wipe' } });
  remote.notify('notifications/cancelled', { requestId: 1 });
  const pong = remote.request('ping', {}, 2);
  (await server.waitFor((call) => nameOf(call) === 'initialize')).result(initializeResult());
  await pong;
  expect(server.calls.map(nameOf).filter((name) => name !== 'GET')).toEqual([
    'initialize',
    'notifications/initialized',
    'ping',
  ]);
});

it('sends notifications one after the other', async () => {
  const held: Call[] = [];
  const server = await openServer({ 'notifications/progress': (call) => void held.push(call) });
  const remote = await openRemote(server.url);
  await remote.initialize();
  const counted = (progress: number) => (call: Call) => at(call.message, 'params', 'progress') === progress;
  for (const progress of [1, 2, 3]) remote.notify('notifications/progress', { progressToken: 1, progress });
  for (const progress of [1, 2, 3]) {
    const call = await server.waitFor(counted(progress));
    // Time enough for the next one, if it did not wait.
    for (let pings = 0; pings < 3; pings += 1) await remote.request('ping');
    expect(held).toHaveLength(progress);
    call.status(202);
  }
});

it('begins another session when the server has forgotten it, with all that was set up, once for all', async () => {
  const server = await openServer(forgets('session-1'));
  const remote = await openRemote(server.url);
  await remote.initialize();
  await remote.request('logging/setLevel', { level: 'debug' });
  for (const uri of ['a:', 'b:', 'c:']) await remote.request('resources/subscribe', { uri });
  await remote.request('resources/unsubscribe', { uri: 'b:' });
  await server.waitFor(({ method }) => method === 'GET');
  const before = server.calls.length;
  const ids = Array.from({ length: 50 }, (_, index) => `p${index}`);
  const answers = await Promise.all(ids.map((id) => remote.request('ping', {}, id)));
  expect(answers.every(({ result }) => result?.['session'] === 'session-2')).toBe(true);
  const after = server.calls.slice(before).filter((call) => nameOf(call) !== 'GET');
  expect(after.filter((call) => nameOf(call) !== 'ping').map(nameOf)).toEqual([
    'initialize',
    'notifications/initialized',
    'logging/setLevel',
    'resources/subscribe',
    'resources/subscribe',
  ]);
  expect(after.flatMap(({ message }) => at(message, 'params', 'uri') ?? [])).toEqual(['a:', 'c:']);
  const repeated = after.filter((call) => nameOf(call) === 'ping' && call.headers[SESSION] === 'session-2');
  expect(repeated.map(({ message }) => message['id']).toSorted()).toEqual(ids.toSorted());
  // Nothing of it is the client's.
  expect(remote.received).toHaveLength(6 + ids.length);
  await remote.link.close();
  expect(server.of('DELETE')[0]?.headers[SESSION]).toBe('session-2');
});

it('calls a tool again that a forgotten session kept from running', async () => {
  const server = await openServer(
    forgets('session-1', (call) => call.status(400, {}, 'Bad Request: No valid session ID provided')),
  );
  const remote = await openRemote(server.url);
  await remote.initialize();
  const answers = await Promise.all([1, 2, 3].map(() => remote.request('tools/call', { name: 'x' })));
  for (const { result } of answers) expect(result).toEqual({ session: 'session-2' });
  // The server may still keep the session: it has not said so with 404.
  await server.waitFor(({ method }) => method === 'DELETE');
  await remote.link.close();
  expect(server.of('DELETE').map(({ headers }) => headers[SESSION])).toEqual(['session-1', 'session-2']);
});

it('does not wait for the end of a session that was replaced', async () => {
  const server = await openServer({
    ...forgets('session-1', (call) => call.status(400, {}, 'Invalid session ID')),
    DELETE: () => {},
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  const { result } = await remote.request('tools/call', { name: 'x' });
  expect(result).toEqual({ session: 'session-2' });
  const ended = await server.waitFor(({ method }) => method === 'DELETE');
  await ended.closed;
});

it('holds requests while another session is begun', async () => {
  const told: Call[] = [];
  const server = await openServer({
    ...forgets('session-1'),
    'notifications/initialized': (call) => (told.push(call) === 1 ? call.status(202) : undefined),
  });
  const [remote, other] = [await openRemote(server.url), await openRemote(server.url)];
  await remote.initialize();
  const first = remote.request('ping', {}, 'first');
  await server.waitFor(() => told.length === 2);
  const second = remote.request('ping', {}, 'second');
  remote.send({ id: 'third', method: 'tools/call', params: { name: 'x' } });
  remote.notify('notifications/cancelled', { requestId: 'third' });
  for (let count = 0; count < 3; count += 1) await other.request('elsewhere');
  expect(server.of('ping')).toHaveLength(1);
  told[1]?.status(202);
  expect((await Promise.all([first, second])).map(({ result }) => result)).toEqual([
    { session: 'session-2' },
    { session: 'session-2' },
  ]);
  expect(server.of('tools/call')).toEqual([]);
});

it('says a notification again in the new session', async () => {
  const server = await openServer(forgets('session-1'));
  const remote = await openRemote(server.url);
  await remote.initialize();
  remote.notify('notifications/progress', { progressToken: 1, progress: 1 });
  await server.waitFor(
    (call) => nameOf(call) === 'notifications/progress' && call.headers[SESSION] === 'session-2',
  );
});

it('passes a second 404 in a row on, and tries anew the next time', async () => {
  let isForgetful = true;
  const server = await openServer({
    ping: (call) => (isForgetful ? call.status(404, {}, 'no such session') : call.result({})),
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  const { error } = await remote.request('ping');
  expect(error).toMatchObject({ code: -32603, data: { reason: 'upstream_http' } });
  expect(error?.message).toContain('404: no such session');
  expect(server.of('initialize')).toHaveLength(2);
  isForgetful = false;
  expect(await remote.request('ping')).toHaveProperty('result');
});

it.for([
  ['is refused', (call: Call) => call.status(503), 'upstream_http'],
  [
    'is an error',
    (call: Call) =>
      call.json(
        { ...answerTo(call), result: undefined, error: { code: -1, message: 'no' } },
        { [SESSION]: 'no' },
      ),
    'upstream_http',
  ],
  ['breaks', (call: Call) => call.stream({ [SESSION]: 'no' }).destroy(), 'upstream_http'],
  ['makes no sense', (call: Call) => call.json({}, { [SESSION]: 'no' }), 'malformed_answer'],
] as const)('recovers when the first attempt at another session %s', async ([, refuse, reason]) => {
  let attempts = 0;
  const server = await openServer({
    ...forgets('session-1'),
    initialize: (call) => {
      attempts += 1;
      if (attempts === 2) refuse(call);
      else call.result(initializeResult(), { [SESSION]: `session-${attempts}` });
    },
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  const { error } = await remote.request('ping');
  expect(error).toMatchObject({ code: -32603, data: { reason } });
  expect((await remote.request('ping')).result).toEqual({ session: 'session-3' });
});

it('gives up a new session that is not answered, and tries anew the next time', async () => {
  let initializations = 0;
  const server = await openServer({
    ...forgets('session-1'),
    initialize: (call) => {
      initializations += 1;
      const headers = { [SESSION]: `session-${initializations}` };
      if (initializations !== 2) call.result(initializeResult(), headers);
    },
  });
  const remote = await openRemote(server.url, { initializeTimeoutMs: 1_000 });
  await remote.initialize();
  const silent = await remote.request('ping');
  expect(silent.error).toMatchObject({ code: -32603, data: { reason: 'request_timeout' } });
  expect((await remote.request('ping')).result).toEqual({ session: 'session-3' });
});

it('does not take a server without a GET stream for one that has forgotten the session', async () => {
  const server = await openServer({ GET: (call) => call.status(404) });
  const remote = await openRemote(server.url);
  await remote.initialize();
  await server.waitFor(({ method }) => method === 'GET');
  for (let count = 0; count < 5; count += 1) await remote.request('ping');
  expect([server.of('initialize'), server.of('GET')].map(({ length }) => length)).toEqual([1, 1]);
});
