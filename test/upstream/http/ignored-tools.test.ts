import { expect, it } from 'vitest';
import { openRemote, openServer } from './remote.ts';

const PIECES = {
  read: '{"name":"fs_read" , "inputSchema":{"type":"object"},"big":12345678901234567890}',
  write: '{"inputSchema":{"type":"object"}, "name":"fs_write"}',
  wipe: '{"name":"wipe.all","inputSchema":{"type":"object"},"description":"], {\\"name\\": \\"x\\"}"}',
  say: '{"name":"say\\u0021","inputSchema":{"type":"object"}}',
};
const listOf = (id: number, ...tools: string[]): string =>
  `{"jsonrpc":"2.0","id":${id},"result":{"nextCursor": "n", "tools":[${tools.join(',')}],"x":1.0}}`;

it.for([
  [['fs_*'], [PIECES.wipe, PIECES.say]],
  [['wipe.all'], [PIECES.read, PIECES.write, PIECES.say]],
  [['fs.read', 'FS_READ', 'fs', '(say|x)!', ''], Object.values(PIECES)],
  [
    ['*_write', 'say!'],
    [PIECES.read, PIECES.wipe],
  ],
  [['*'], []],
] as const)('leaves the tools out that %j means, and the rest as it is', async ([ignoreTools, kept]) => {
  const server = await openServer({
    'tools/list': (call) =>
      call.status(200, { 'content-type': 'application/json' }, listOf(7, ...Object.values(PIECES))),
  });
  const remote = await openRemote(server.url, { ignoreTools });
  await remote.initialize();
  await remote.request('tools/list', {}, 7);
  expect(Buffer.from(remote.received.at(-1)?.frame.bytes ?? []).toString()).toBe(listOf(7, ...kept));
});

it('does not call a tool that is left out', async () => {
  const server = await openServer();
  const remote = await openRemote(server.url, { ignoreTools: ['fs_*'] });
  await remote.initialize();
  const { error } = await remote.request('tools/call', { name: 'fs_write' });
  expect(error).toMatchObject({ code: -32602, data: { reason: 'tool_ignored' } });
  expect(await remote.request('tools/call', { name: 'other' })).toHaveProperty('result');
  expect(server.of('tools/call')).toHaveLength(1);
});

it('leaves them out over HTTP+SSE, too, and when a list is written strangely', async () => {
  const twice = '{"jsonrpc":"2.0","id":7,"result":{"tools":[],"tools":[{"name":"fs_read"},{"name":"ok"}]}}';
  const server = await openServer({
    GET(call) {
      const stream = call.stream();
      stream.event('?messages', { event: 'endpoint' });
      void server
        .waitFor(({ message }) => message['method'] === 'initialize')
        .then(({ message }) => stream.event({ jsonrpc: '2.0', id: message['id'], result: {} }));
      void server
        .waitFor(({ message }) => message['method'] === 'tools/list')
        .then(() => stream.event(twice));
    },
    initialize: (call) => call.status(202),
    'tools/list': (call) => call.status(202),
  });
  const remote = await openRemote(server.url, { ignoreTools: ['fs_*'], transport: 'sse' });
  await remote.initialize();
  const { result } = await remote.request('tools/list', {}, 7);
  expect(result).toEqual({ tools: [{ name: 'ok' }] });
});
