/** Clients of the 2025 revisions on a server that speaks 2026-07-28 only, with the real binary. */
import { describe, expect, test } from 'vitest';
import {
  callTool,
  RpcFailure,
  type ClientOptions,
  type Endpoint,
  type TestClient,
} from '../support/clients.ts';
import { eventsOf, post, postOpen } from '../support/http.ts';
import { at, json, textOf, type Json } from '../support/json.ts';
import { serve, startMcpRun } from '../support/mcp-run.ts';
import { fixtureServer, MCP_RUN, NODE } from '../support/paths.ts';
import { childrenOf, orphans, processAlive } from '../support/processes.ts';
import { connectRaw } from '../support/raw-client.ts';
import { connectSdkV1 } from '../support/sdk-v1.ts';

const MODERN = fixtureServer('asks-for-input');
const CAPABILITIES = { elicitation: { form: {}, url: {} }, sampling: {}, roots: { listChanged: true } };
const ANSWERS: Readonly<Record<string, object>> = {
  'elicitation/create': { action: 'accept', content: { name: 'Ann' } },
  'sampling/createMessage': { role: 'assistant', model: 'm', content: { type: 'text', text: 'hi' } },
  'roots/list': { roots: [{ uri: 'file:///work' }] },
};
const TRANSPORTS = ['stdio', 'sse', 'http'] as const;
type TransportName = (typeof TRANSPORTS)[number];

async function endpoint(transport: TransportName, ...flags: string[]): Promise<Endpoint> {
  if (transport === 'stdio')
    return { kind: 'stdio', command: NODE, args: [MCP_RUN, 'serve', '--stdio', ...flags, '--', ...MODERN] };
  const { url } = await startMcpRun(serve(['--http', '--sse'], MODERN, ...flags));
  return { kind: transport, url: transport === 'sse' ? `${url}/sse` : `${url}/mcp` };
}

function connect(
  at: Endpoint,
  answer: ClientOptions['answer'] = (method) => ANSWERS[method],
): Promise<TestClient> {
  return connectSdkV1(at, { capabilities: CAPABILITIES, answer });
}

function told(client: TestClient, method: string): Json[] {
  return client.incoming.filter((message) => message['method'] === method);
}

describe.each(TRANSPORTS)('over %s', (transport) => {
  test('all that the server asks for is asked of the client', async () => {
    const client = await connect(await endpoint(transport, '--allow-roots'));
    expect(client.initializeResult).toMatchObject({
      protocolVersion: '2025-11-25',
      serverInfo: { name: 'asks-for-input', version: '1.0.0' },
    });
    expect(JSON.parse(textOf(await callTool(client, 'ask-all')))).toEqual({
      form: ANSWERS['elicitation/create'],
      sampling: ANSWERS['sampling/createMessage'],
      roots: ANSWERS['roots/list'],
    });
    expect(JSON.parse(textOf(await callTool(client, 'ask-twice')))).toEqual({
      form: ANSWERS['elicitation/create'],
    });
    const results = await Promise.all(
      ['ask', 'sample', 'roots', 'pid'].map((name) => callTool(client, name)),
    );
    expect(results.map((result) => result['isError'])).toEqual([undefined, undefined, undefined, undefined]);
  });

  test('the user is sent to a URL once, however often the server looks whether he is back', async () => {
    const client = await connect(await endpoint(transport), () => ({ action: 'accept' }));
    expect(textOf(await callTool(client, 'visit'))).toBe('looked 3 times');
    expect(told(client, 'elicitation/create')).toHaveLength(1);
  });

  test('a client that refuses has the call fail, and the next one work', async () => {
    const client = await connect(await endpoint(transport), (method) => {
      if (method === 'sampling/createMessage') throw new RpcFailure(-1, 'User rejected sampling request');
      return { action: 'decline' };
    });
    const refused = await callTool(client, 'sample');
    expect(refused).toMatchObject({ isError: true });
    expect(textOf(refused)).toContain('User rejected');
    expect(JSON.parse(textOf(await callTool(client, 'ask')))).toEqual({ form: { action: 'decline' } });
  });

  test('a client that cannot be asked is told what is missing', async () => {
    const client = await connectSdkV1(await endpoint(transport));
    await expect(callTool(client, 'ask')).rejects.toMatchObject({
      code: -32021,
      data: { requiredCapabilities: { elicitation: {} } },
    });
    expect(textOf(await callTool(client, 'pid'))).toMatch(/^\d+$/);
  });

  test('changes reach the client, and resources that it has subscribed to', async () => {
    const client = await connect(await endpoint(transport));
    // The subscription to lists is made in the background.
    await client.request('resources/subscribe', { uri: 'test://watched' });
    await callTool(client, 'touch');
    await callTool(client, 'change');
    await expect.poll(() => told(client, 'notifications/tools/list_changed')).toHaveLength(1);
    expect(told(client, 'notifications/resources/updated')).toMatchObject([
      { params: { uri: 'test://watched' } },
    ]);
    await client.request('resources/unsubscribe', { uri: 'test://watched' });
    await callTool(client, 'touch');
    await callTool(client, 'change');
    await expect.poll(() => told(client, 'notifications/tools/list_changed')).toHaveLength(2);
    expect(told(client, 'notifications/resources/updated')).toHaveLength(1);
  });

  test('the server logs once the client has said that it wants to hear of it, and progress comes as it is asked for', async () => {
    const client = await connect(await endpoint(transport));
    const slow = async (): Promise<void> => {
      const abort = new AbortController();
      const progressed = new Promise<Json>((resolve) => {
        callTool(client, 'slow', {}, { signal: abort.signal, onProgress: resolve }).catch(() => {});
      });
      expect(await progressed).toMatchObject({ progress: 1 });
      abort.abort();
    };
    await slow();
    expect(told(client, 'notifications/message')).toHaveLength(0);
    await client.request('logging/setLevel', { level: 'info' });
    await slow();
    expect(told(client, 'notifications/message')).toMatchObject([
      { params: { level: 'info', data: 'slowly' } },
    ]);
  });

  test('a call that is cancelled while the client is asked has the question taken back', async () => {
    const client = await connectRaw(await endpoint(transport), {
      capabilities: CAPABILITIES,
      answer: () => new Promise(() => {}),
    });
    const abort = new AbortController();
    const call = callTool(client, 'ask', {}, { signal: abort.signal }).catch(() => 'cancelled');
    const question = await client.waitFor(({ method }) => method === 'elicitation/create');
    abort.abort();
    expect(await call).toBe('cancelled');
    const withdrawn = await client.waitFor(({ method }) => method === 'notifications/cancelled');
    expect(at(withdrawn, 'params', 'requestId')).toBe(question['id']);
    expect(textOf(await callTool(client, 'pid'))).toMatch(/^\d+$/);
  });

  test('a server that dies while it is waited for, or waits itself, fails what is open', async () => {
    const client = await connectRaw(await endpoint(transport), {
      capabilities: CAPABILITIES,
      answer: () => new Promise(() => {}),
    });
    const asked = callTool(client, 'ask').catch((error: unknown) => error);
    await client.waitFor(({ method }) => method === 'elicitation/create');
    const died = callTool(client, 'die').catch((error: unknown) => error);
    expect(await Promise.all([asked, died])).toMatchObject([
      { code: -32603, data: { reason: 'upstream_exited' } },
      { code: -32603, data: { reason: 'upstream_exited' } },
    ]);
  });
});

test.each(['sse', 'http'] as const)(
  'over %s, a client that leaves while it is asked leaves nothing',
  async (kind) => {
    const gateway = await startMcpRun(serve(['--http', '--sse'], MODERN, '--session-idle', '6s'));
    const client = await connectRaw(
      { kind, url: `${gateway.url}/${kind === 'sse' ? 'sse' : 'mcp'}` },
      { capabilities: CAPABILITIES, answer: () => new Promise(() => {}) },
    );
    const pid = Number(textOf(await callTool(client, 'pid')));
    // Whether its answer still reaches it is the transport's affair.
    callTool(client, 'ask').catch(() => {});
    await client.waitFor(({ method }) => method === 'elicitation/create');
    expect(processAlive(pid)).toBe(true);
    await client.close();
    expect(await orphans([pid])).toEqual([]);
  },
);

test('over stdio, a client that closes its input while it is asked gets its answer, and nothing is left', async () => {
  const client = await connectRaw(await endpoint('stdio'), {
    capabilities: CAPABILITIES,
    answer: () => new Promise(() => {}),
  });
  const pid = Number(textOf(await callTool(client, 'pid')));
  const call = callTool(client, 'ask');
  await client.waitFor(({ method }) => method === 'elicitation/create');
  await client.close();
  expect(await call).toMatchObject({ isError: true });
  expect(await orphans([pid])).toEqual([]);
});

test('over Streamable HTTP, a question comes on the stream of the call that it is for', async () => {
  const { url, waitForLog } = await startMcpRun(serve(['--http'], MODERN));
  const clientInfo = { name: 't', version: '1' };
  const opened = await post(`${url}/mcp`, {
    jsonrpc: '2.0',
    id: 0,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: CAPABILITIES, clientInfo },
  });
  const session = {
    'mcp-session-id': String(opened.headers['mcp-session-id']),
    'mcp-protocol-version': '2025-11-25',
  };
  await post(`${url}/mcp`, { jsonrpc: '2.0', method: 'notifications/initialized' }, session);
  const call = (id: number, name: string): object => ({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name },
  });
  // Both wait, and the newest one is not the one that asks second.
  const asking = await postOpen(`${url}/mcp`, call(1, 'ask-twice'), session);
  const events = eventsOf(asking);
  const next = async (): Promise<Json> => {
    for (;;) {
      const { value, done } = await events.next();
      if (done === true) throw new Error('the stream has ended');
      if (value.data !== '') return json(JSON.parse(value.data));
    }
  };
  const first = await next();
  expect(first['method']).toBe('elicitation/create');
  void postOpen(`${url}/mcp`, call(2, 'slow'), session);
  await waitForLog(({ msg }) => msg === 'slow: running');
  const answer = (id: unknown): object => ({ jsonrpc: '2.0', id, result: { action: 'accept', content: {} } });
  expect((await post(`${url}/mcp`, answer(first['id']), session)).status).toBe(202);
  const second = await next();
  expect(second['method']).toBe('elicitation/create');
  await post(`${url}/mcp`, answer(second['id']), session);
  expect(await next()).toMatchObject({ id: 1, result: { content: [{}] } });
  await post(
    `${url}/mcp`,
    { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 2 } },
    session,
  );
});

test.each([
  ['--json-response', ['--json-response']],
  ['--isolation shared', ['--isolation', 'shared']],
])('with %s, the server is told that nobody can be asked', async (_name, flags) => {
  const client = await connect(await endpoint('http', ...flags));
  await expect(callTool(client, 'ask')).rejects.toMatchObject({ code: -32021 });
  expect(textOf(await callTool(client, 'pid'))).toMatch(/^\d+$/);
  expect(told(client, 'elicitation/create')).toHaveLength(0);
});

test('roots of a network client are told of only where they are allowed', async () => {
  const client = await connect(await endpoint('http'));
  await expect(callTool(client, 'roots')).rejects.toMatchObject({ code: -32021 });
});

test('without sessions, one modern server answers every POST', async () => {
  const gateway = await startMcpRun(serve(['--http'], MODERN, '--stateless'));
  const call = { jsonrpc: '2.0', id: 'a', method: 'tools/call', params: { name: 'pid' } };
  const answers = await Promise.all([1, 2, 3].map(() => post(`${gateway.url}/mcp`, call)));
  const pids = answers.map(({ text }) => textOf(json(json(JSON.parse(text))['result'])));
  expect(new Set(pids).size).toBe(1);
  expect(childrenOf(gateway.pid)).toContain(Number(pids[0]));
});
