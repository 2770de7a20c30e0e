import { expect, it } from 'vitest';
import type { RequestId } from '../../../src/protocol/frame.ts';
import { isSessionForgotten } from '../../../src/upstream/http/forgotten-session.ts';
import { rejectionReason } from '../../../src/upstream/http/rejection-reason.ts';
import { initializeResult, openRemote, openServer, SESSION, type Remote, type Script } from './remote.ts';
import { answerTo, nameOf, type Call } from './scripted-server.ts';
import { openSseServer } from './sse-server.ts';

const SESSION_ID = '7c9e6679-7425-40de-944b-e07fc1f90ae7';

function isForgotten(status: number, text: string, id?: RequestId | null, code = -32_000): boolean {
  const reply = { jsonrpc: '2.0', id, error: { code, message: text } };
  const replies = id === undefined ? [] : [reply];
  return isSessionForgotten({ ...rejectionReason(status, text), replies }, SESSION_ID, 7);
}

it.for([
  'Bad Request: No valid session ID provided',
  'Bad Request: No valid session ID or not an initialize request',
  'No valid session id; expected initialize',
  'Bad Request: Server not initialized',
  'Invalid session ID',
  'Invalid or missing session ID',
  'Not Found: Invalid or expired session ID',
  'Unknown Mcp-Session-Id header',
  'Session not found',
  `Session ${SESSION_ID} not found`,
  `Session '${SESSION_ID}' does not exist`,
  `session not found: ${SESSION_ID}`,
  'Session has expired',
  'The session has been terminated.',
  'No transport found for sessionId',
  'Unknown session',
  'Mcp-Session-Id header is required',
  'Invalid request: the Mcp-Session-Id header is required',
  'Bad Request: Mcp-Session-Id header is required',
  'Bad Request: Missing session ID',
  'Session terminated',
  'Session expired',
  'Session ID not found or expired. Please re-initialize.',
])('reads "%s" with status 400 as a forgotten session', (text) => {
  expect(isForgotten(400, text)).toBe(true);
  expect(isForgotten(400, JSON.stringify({ error: text }))).toBe(true);
  expect(isForgotten(400, text, null)).toBe(true);
  expect(isForgotten(400, text, 'server-error')).toBe(true);
  // The server has processed the request.
  expect(isForgotten(400, text, 7)).toBe(false);
});

it.for([
  'session_name is required',
  'session_id is required',
  'Invalid session name',
  'invalid session-type "x"',
  'A session name is required',
  'The training session is full',
  'sessions must be a list',
  'Unknown field: session_duration',
  'no session_name',
  'obsession not found',
  'Your login session expired',
  'browser session closed',
  'sqlalchemy: invalid session',
  'checkout session not found',
  'Customer session not found',
  'No active session for user bob',
  'Invalid session ID for user bob',
  'Session not found: order-5',
  'Bad Request',
  '',
])('does not read "%s" with status 400 as a forgotten session', (text) => {
  for (const id of [undefined, null, 'server-error', 7]) expect(isForgotten(400, text, id)).toBe(false);
});

it.for([
  [undefined, -32_000, 'what?', true],
  [null, -32_000, 'what?', true],
  [null, -32_601, 'Method not found', true],
  ['8', -32_601, 'Method not found', true],
  ['7', -32_001, 'Session not found', true],
  [7, -32_000, `Session ${SESSION_ID} is invalid`, true],
  [7, -32_001, 'Session not found', true],
  [7, -32_600, 'Not Found: Session has been terminated', true],
  // Answers to the request.
  [7, -32_601, 'Method not found', false],
  [7, -32_602, 'Unknown tool: session', false],
  [7, -32_002, 'Resource not found', false],
  [7, -32_603, 'Internal error', false],
  [7, 404, 'No such customer', false],
  [7, 404, 'Session not found', false],
  ['7', -32_601, 'Method not found', false],
  [7, -32_000, 'Not found', false],
  [7, -32_000, 'Order 5 not found', false],
  [7, -32_001, 'Request timed out', false],
  [7, -32_010, 'Customer not found', false],
  [7, -32_600, 'Invalid request', false],
  [7, -32_603, 'checkout session not found', false],
  [7, 4040, 'Customer session not found', false],
  [7, 1, 'session_name is required', false],
] as const)('reads status 404 with id %j, code %i and "%s": %s', ([id, code, text, expected]) => {
  expect(isForgotten(404, text, id, code)).toBe(expected);
});

it('reads no other status as a forgotten session', () => {
  for (const status of [401, 403, 405, 409, 410, 422, 500, 503])
    expect(isForgotten(status, 'Session not found', null)).toBe(false);
});

/** Refuses tool calls in the first session. */
function refuses(refuse: (call: Call) => void): Script {
  return {
    'tools/call': (call) =>
      call.headers[SESSION] === 'session-1' ? refuse(call) : call.result({ session: call.headers[SESSION] }),
  };
}

async function callTool(remote: Remote) {
  await remote.initialize();
  return await remote.request('tools/call', { name: 'x' }, 7);
}

it.for([
  [400, -32_602, 'session_name is required'],
  [400, -32_000, 'Session not found'],
  [400, -32_600, 'Bad Request: No valid session ID provided'],
  [404, -32_602, 'Unknown tool'],
  [404, 12, 'No such session_name'],
] as const)(
  'keeps the session and passes on an error of the request (%i, %i, %s)',
  async ([status, code, message]) => {
    const error = { code, message };
    for (const type of ['application/json', 'text/plain']) {
      const server = await openServer(
        refuses((call) => call.json({ jsonrpc: '2.0', id: 7, error }, { 'content-type': type }, status)),
      );
      const remote = await openRemote(server.url);
      expect((await callTool(remote)).error).toEqual(error);
      expect([server.of('tools/call').length, server.of('initialize').length]).toEqual([1, 1]);
    }
  },
);

it.for([
  [400, null, -32_000, 'Bad Request: No valid session ID provided'],
  [400, null, -32_000, 'Bad Request: Server not initialized'],
  [404, null, -32_001, 'Session not found'],
  [404, 7, -32_001, 'Session not found'],
  [404, 'server-error', -32_600, 'Not Found: Invalid or expired session ID'],
] as const)(
  'begins another session when the server has forgotten it (%i, id %j, %i, %s)',
  async ([status, id, code, message]) => {
    const server = await openServer(
      refuses((call) => call.json({ jsonrpc: '2.0', id, error: { code, message } }, {}, status)),
    );
    const remote = await openRemote(server.url);
    expect((await callTool(remote)).result).toEqual({ session: 'session-2' });
    expect(server.of('tools/call')).toHaveLength(2);
  },
);

const TOOL_ERROR = { content: [{ type: 'text', text: 'Session not found' }], isError: true };

/** Bodies of a server that has run the tool, or has found something of the tool's own amiss. */
it.for([
  [404, { jsonrpc: '2.0', id: 7, error: { code: -32_000, message: 'Order 5 not found' } }],
  [404, { jsonrpc: '2.0', id: 7, error: { code: -32_001, message: 'Request timed out' } }],
  [404, { jsonrpc: '2.0', id: 7, error: { code: -32_010, message: 'Customer not found' } }],
  [404, { jsonrpc: '2.0', id: 7, error: { code: -32_603, message: 'checkout session not found' } }],
  [404, { jsonrpc: '2.0', id: 7, error: { code: 4040, message: 'Customer session not found' } }],
  [404, [{ jsonrpc: '2.0', id: 7, error: { code: -32_603, message: 'no' } }]],
  [404, { jsonrpc: '2.0', id: 7, result: TOOL_ERROR }],
  [400, { jsonrpc: '2.0', id: 7, result: TOOL_ERROR }],
  [400, { jsonrpc: '2.0', id: '7', result: TOOL_ERROR }],
  [404, { id: 7, result: TOOL_ERROR }],
  [400, { jsonrpc: '2.0', id: '7', error: { code: -32_000, message: 'invalid session' } }],
  [400, { jsonrpc: '2.0', id: '7', error: { code: -32_000, message: 'Session not found' } }],
  [400, { id: 7, error: { code: -32_000, message: 'Invalid session' } }],
  [400, { id: 7, error: { code: -32_000, message: 'Session not found' } }],
] as const)('keeps the session and passes on what names the request (%i, %j)', async ([status, reply]) => {
  for (const body of [JSON.stringify(reply), `event: message\r\ndata: ${JSON.stringify(reply)}\r\n\r\n`]) {
    const server = await openServer(refuses((call) => call.status(status, {}, body)));
    const remote = await openRemote(server.url);
    const { error, result } = await callTool(remote);
    const own: object = Array.isArray(reply) ? reply[0] : reply;
    expect({ error, result }).toMatchObject('error' in own ? { error: own.error } : { result: TOOL_ERROR });
    expect([server.of('tools/call').length, server.of('initialize').length]).toEqual([1, 1]);
  }
});

it.for([
  [400, 'Your login session expired'],
  [400, 'browser session closed'],
  [400, 'sqlalchemy: invalid session'],
  [400, '{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"No active session for user bob"}}'],
  [404, '{"id":7,"error":"Session not found"}'],
  [400, '{"id":7,"error":"Session not found"}'],
] as const)(
  'keeps the session when the session of something else is meant (%i, %s)',
  async ([status, body]) => {
    const server = await openServer(refuses((call) => call.status(status, {}, body)));
    const remote = await openRemote(server.url);
    expect((await callTool(remote)).error).toBeDefined();
    expect([server.of('tools/call').length, server.of('initialize').length]).toEqual([1, 1]);
  },
);

it('keeps the session when a refusal breaks off', async () => {
  const server = await openServer(
    refuses(({ response }) => {
      response.writeHead(404, { 'content-length': '100' });
      response.write('{"jsonrpc":"2.0","id":7,', () => response.socket?.destroy());
    }),
  );
  const remote = await openRemote(server.url);
  expect((await callTool(remote)).error).toMatchObject({ data: { reason: 'upstream_http' } });
  expect([server.of('tools/call').length, server.of('initialize').length]).toEqual([1, 1]);
});

it.for([
  '',
  'Not Found',
  '<html><body>404</body></html>',
  '{"detail":"Not Found"}',
  '{"jsonrpc":"2.0","error":{"code":-32000,"message":"what?"}}',
  '{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"what?"}}',
  '{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"what?"}}',
])('begins another session once after status 404 with "%s"', async (body) => {
  const server = await openServer(refuses((call) => call.status(404, {}, body)));
  const remote = await openRemote(server.url);
  expect((await callTool(remote)).result).toEqual({ session: 'session-2' });
  expect([server.of('tools/call').length, server.of('initialize').length]).toEqual([2, 2]);
  expect(server.of('DELETE')).toEqual([]);
});

it('keeps the session when a text refuses the arguments of a tool', async () => {
  const server = await openServer(
    refuses((call) => call.status(400, {}, '{"detail":"session_name is required"}')),
  );
  const remote = await openRemote(server.url);
  expect((await callTool(remote)).error?.message).toContain('status 400');
  expect([server.of('tools/call').length, server.of('initialize').length]).toEqual([1, 1]);
});

it.for([429, 503])('sends a request once that a busy server has processed (%i)', async (status) => {
  const error = { code: -32_000, message: 'too many of these' };
  const script: Script = Object.fromEntries(
    ['tools/call', 'orders/create'].map((name) => [
      name,
      (call: Call) =>
        call.json({ jsonrpc: '2.0', id: call.message['id'], error }, { 'retry-after': '0' }, status),
    ]),
  );
  const server = await openServer(script);
  const remote = await openRemote(server.url);
  await remote.initialize();
  for (const name of ['tools/call', 'orders/create']) {
    expect((await remote.request(name, { name: 'x' })).error).toEqual(error);
    expect(server.of(name)).toHaveLength(1);
  }
});

const BUSY = { code: -32_000, message: 'too many of these' };

it.for([
  [503, '0', { jsonrpc: '2.0', id: 7, error: BUSY }],
  [503, '1', { jsonrpc: '2.0', id: '7', error: BUSY }],
  [429, '0', { id: 7, error: BUSY }],
  [503, '0', { jsonrpc: '2.0', id: 7, result: TOOL_ERROR }],
  [503, '0', { jsonrpc: '2.0', id: null, error: BUSY }],
  [429, '0', { jsonrpc: '2.0', error: BUSY }],
  [503, '0', [{ jsonrpc: '2.0', id: 'server-error', error: BUSY }]],
] as const)('calls a tool once that may have run (%i, after %s s, %j)', async ([status, after, reply]) => {
  for (const body of [JSON.stringify(reply), `event: message\ndata: ${JSON.stringify(reply)}\n\n`]) {
    const server = await openServer(refuses((call) => call.status(status, { 'retry-after': after }, body)));
    const remote = await openRemote(server.url);
    const { error, result } = await callTool(remote);
    expect({ error, result }).toMatchObject('result' in reply ? { result: TOOL_ERROR } : { error: BUSY });
    expect([server.of('tools/call').length, server.of('initialize').length]).toEqual([1, 1]);
  }
});

it('asks a busy server again where its error names no request, and the method changes nothing', async () => {
  const body = JSON.stringify({ jsonrpc: '2.0', id: null, error: BUSY });
  const refuse = (name: string) => (call: Call) =>
    server.of(name).length > 1 ? call.result({ n: 1 }) : call.status(503, { 'retry-after': '0' }, body);
  const server = await openServer({
    'tools/list': refuse('tools/list'),
    'orders/create': refuse('orders/create'),
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  expect((await remote.request('tools/list')).result).toEqual({ n: 1 });
  expect((await remote.request('orders/create')).error).toEqual(BUSY);
});

it.for(['', 'busy', '{"error":{"code":429,"message":"Too many requests"}}'])(
  'calls a tool again that a busy server has turned away with "%s"',
  async (body) => {
    const server = await openServer({
      'tools/call': (call) =>
        server.of('tools/call').length > 1
          ? call.result({ n: 1 })
          : call.status(503, { 'retry-after': '0' }, body),
    });
    const remote = await openRemote(server.url);
    expect((await callTool(remote)).result).toEqual({ n: 1 });
  },
);

it('passes on an answer to a POST of HTTP+SSE whose id has become a string', async () => {
  const server = await openSseServer({
    'tools/call': (call) => call.json({ jsonrpc: '2.0', id: '7', error: BUSY }, { 'retry-after': '0' }, 503),
  });
  const remote = await openRemote(server.url, { transport: 'sse' });
  expect((await callTool(remote)).error).toEqual(BUSY);
  expect(server.of('tools/call')).toHaveLength(1);
});

it('sends a request once to a busy server of HTTP+SSE that has processed it', async () => {
  const error = { code: -32_000, message: 'no' };
  const retryAfter = { 'retry-after': '0' };
  const server = await openSseServer({
    'tools/call'(call) {
      const answer = { jsonrpc: '2.0', id: call.message['id'], error };
      call.json(answer, retryAfter, 503);
    },
    // The answer is there before the refusal.
    async 'orders/create'(call) {
      server.streams[0]?.event(answerTo(call, { n: 1 }));
      await remote.waitFor(({ frame }) => frame.id === 'order');
      call.status(503, retryAfter, 'busy');
    },
    ping: (call) => {
      if (server.of('ping').length === 1) return call.status(503, retryAfter, 'busy');
      call.status(202);
      return server.streams[0]?.event(answerTo(call));
    },
  });
  const remote = await openRemote(server.url, { transport: 'sse' });
  await remote.initialize();
  expect((await remote.request('tools/call', { name: 'x' })).error).toEqual(error);
  expect((await remote.request('orders/create', {}, 'order')).result).toEqual({ n: 1 });
  expect(await remote.request('ping')).toHaveProperty('result');
  expect(
    server.calls
      .map(nameOf)
      .filter((name) => name !== 'GET')
      .slice(2),
  ).toEqual(['tools/call', 'orders/create', 'ping', 'ping']);
});

it('sends a request again that another mcp-run had no process for', async () => {
  let isFull = true;
  const error = { code: -32_603, message: 'full', data: { reason: 'too_many_children' } };
  const server = await openServer({
    'tools/call'(call) {
      if (!isFull) return call.result({ n: 1 });
      isFull = false;
      return call.json({ jsonrpc: '2.0', id: call.message['id'], error }, { 'retry-after': '0' }, 503);
    },
  });
  const remote = await openRemote(server.url);
  expect((await callTool(remote)).result).toEqual({ n: 1 });
});

it('sends a request again only where its method changes nothing when a kept connection breaks', async () => {
  const server = await openServer({
    initialize: (call) => call.result(initializeResult(), { [SESSION]: 'one' }),
    'resources/read': (call) =>
      server.of('resources/read').length > 1 ? call.result({ n: 1 }) : call.destroy(),
    'tools/call': (call) => call.destroy(),
    'orders/create': (call) => call.destroy(),
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  expect((await remote.request('resources/read', { uri: 'a:' })).result).toEqual({ n: 1 });
  for (const name of ['tools/call', 'orders/create']) {
    const { error } = await remote.request(name, { name: 'x' });
    expect(error).toMatchObject({ data: { reason: 'upstream_unreachable' } });
    expect(server.of(name)).toHaveLength(1);
  }
});
