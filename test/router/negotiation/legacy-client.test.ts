/** A legacy client's server: its own words first, and a translation only for one that does not understand them. */
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { RunError } from '../../../src/errors.ts';
import type { JsonRpcMessage } from '../../../src/protocol/frame.ts';
import { faultFrame } from '../../../src/protocol/fault.ts';
import { frameOf, parseFrame } from '../../../src/protocol/frame.ts';
import type { Link } from '../../../src/link/link.ts';
import { reattachable } from '../../../src/link/reattachable.ts';
import { createEraCache, type EraCache } from '../../../src/router/negotiation/era-cache.ts';
import { createLegacyClientRoute } from '../../../src/router/negotiation/legacy-client.ts';
import { createRecordingLog } from '../../observe/recording-log.ts';
import { createMemoryLink, type MemoryLink } from '../../support/memory-link.ts';

const INITIALIZE = {
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
};
const REFUSED = { code: -32022, message: 'no', data: { supported: ['2026-07-28'] } };
const DISCOVERED = {
  resultType: 'complete',
  supportedVersions: ['2026-07-28'],
  capabilities: { tools: {} },
  ttlMs: 0,
  cacheScope: 'private',
};

test('a server that takes initialize is left alone: frames pass as they are', async () => {
  const { server, link, got, known } = await open();
  const frame = frameOf(INITIALIZE);
  await link.send(frame);
  expect(server.sent[0]?.frame).toBe(frame);
  await server.deliver({ id: 1, result: { protocolVersion: '2025-06-18' } });
  const notification = frameOf({ method: 'notifications/message' });
  await server.deliver(notification);
  expect(got.map(({ method }) => method)).toEqual([undefined, 'notifications/message']);
  expect(server.sent).toHaveLength(1);
  expect(known).toEqual({ legacy: true, modern: undefined });
});

test('a server that refuses it and is modern is presented as what the client knows, to all that come', async () => {
  const { server, link, got, known } = await open();
  await link.send(frameOf(INITIALIZE));
  await server.deliver({ id: 1, error: REFUSED });
  // A client that is in a hurry.
  void link.send(frameOf({ id: 2, method: 'tools/list' }));
  await answer(server, 'server/discover', { result: DISCOVERED });
  await server.waitFor(({ message }) => message.method === 'tools/list');
  expect(got).toMatchObject([
    { id: 1, result: { protocolVersion: '2025-06-18', capabilities: { tools: {} } } },
  ]);
  await answer(server, 'tools/list', { result: { resultType: 'complete', tools: [] } });
  expect(got.at(-1)).toEqual({ jsonrpc: '2.0', id: 2, result: { tools: [] } });
  expect(known).toEqual({ legacy: false, modern: true });

  const next = await open({ known });
  await next.link.send(frameOf(INITIALIZE));
  expect(next.server.sent[0]?.message.method).toBe('server/discover');
});

test('a server that refuses it and is not modern has refused it', async () => {
  const { server, link, got, known } = await open();
  await link.send(frameOf(INITIALIZE));
  await server.deliver({ id: 1, error: { code: -32602, message: 'not you' } });
  await answer(server, 'server/discover', { error: { code: -32601, message: 'what?' } });
  await new Promise(setImmediate);
  expect(got).toMatchObject([{ id: 1, error: { code: -32602, message: 'not you' } }]);
  // It may be asked again.
  await link.send(frameOf({ ...INITIALIZE, id: 2 }));
  await server.deliver({ id: 2, result: {} });
  expect(got.at(-1)).toMatchObject({ id: 2, result: {} });
  expect(known.modern).toBe(false);
});

test('a server that was too slow to say what it is says so when it refuses initialize', async () => {
  const { server, link, got, known } = await open({ known: { legacy: undefined, modern: false } });
  await link.send(frameOf(INITIALIZE));
  await server.deliver({ id: 1, error: REFUSED });
  await answer(server, 'server/discover', { result: DISCOVERED });
  await new Promise(setImmediate);
  expect(got).toMatchObject([{ id: 1, result: { protocolVersion: '2025-06-18' } }]);
  expect(known).toEqual({ legacy: false, modern: true });
});

test('a server that is known to be legacy is not asked why it refuses a client', async () => {
  const { server, link, got } = await open({ known: { legacy: undefined, modern: false } });
  await link.send(frameOf(INITIALIZE));
  await server.deliver({ id: 1, error: { code: -32602, message: 'not you' } });
  await new Promise(setImmediate);
  expect(got).toMatchObject([{ id: 1, error: { code: -32602 } }]);
  expect(server.sent).toHaveLength(1);
});

test('a server that has ended at the question and cannot be started again has refused', async () => {
  const { server, link, got, closed } = await open({
    again: new RunError('CRASH_LOOP', { server: 'files' }),
  });
  await link.send(frameOf(INITIALIZE));
  await server.deliver({ id: 1, error: REFUSED });
  server.drop(new Error('exit'));
  await closed;
  expect(got).toMatchObject([{ id: 1, error: { code: -32022 } }]);
});

test('a client that leaves while another process is asked leaves none behind', async () => {
  const again = createMemoryLink('server');
  const { server, link } = await open({ again });
  await link.send(frameOf(INITIALIZE));
  await server.deliver({ id: 1, error: REFUSED });
  server.drop(new Error('exit'));
  await again.waitFor(({ message }) => message.method === 'server/discover');
  await link.close();
  await answer(again, 'server/discover', { result: DISCOVERED });
  await new Promise(setImmediate);
  expect(again.isClosed).toBe(true);
});

test('a server that ends at the question is started once more', async () => {
  const again = createMemoryLink('server');
  const { server, link, got } = await open({ again });
  await link.send(frameOf(INITIALIZE));
  await server.deliver({ id: 1, error: REFUSED });
  server.drop(new Error('exit'));
  await again.waitFor(({ message }) => message.method === 'server/discover');
  await answer(again, 'server/discover', { result: DISCOVERED });
  await new Promise(setImmediate);
  expect(got).toMatchObject([{ id: 1, result: { protocolVersion: '2025-06-18' } }]);
});

describe('a server that is asked first, and lists modern revisions only,', () => {
  test('is not translated if it accepts an initialize of our own, for clients that come later as well', async () => {
    const again = createMemoryLink('server');
    const { server, link, got, known } = await open({ asksFirst: true, again });
    const frame = frameOf(INITIALIZE);
    void link.send(frame);
    await answer(server, 'server/discover', { result: DISCOVERED });
    await answer(again, 'initialize', { result: { protocolVersion: '2025-11-25' } });
    expect((await server.waitFor(({ message }) => message.method === 'initialize')).frame).toBe(frame);
    expect(again.isClosed).toBe(true);
    await server.deliver({ id: 1, result: { protocolVersion: '2025-06-18' } });
    await server.deliver({ method: 'notifications/message', params: {} });
    expect(got).toMatchObject([
      { id: 1, result: { protocolVersion: '2025-06-18' } },
      { method: 'notifications/message' },
    ]);
    expect(known).toEqual({ legacy: true, modern: true });

    const next = await open({ asksFirst: true, known });
    void next.link.send(frame);
    expect(next.server.sent[0]?.frame).toBe(frame);
  });

  test('is sent an initialize with metadata of a revision that has it', async () => {
    const again = createMemoryLink('server');
    const { server, link } = await open({ asksFirst: true, again });
    void link.send(frameOf(INITIALIZE));
    await answer(server, 'server/discover', { result: DISCOVERED });
    const { message } = await again.waitFor(({ message: { method } }) => method === 'initialize');
    expect(message.params).toMatchObject({
      protocolVersion: '2025-11-25',
      capabilities: {},
      _meta: {
        'io.modelcontextprotocol/protocolVersion': '2025-11-25',
        'io.modelcontextprotocol/clientCapabilities': {},
      },
    });
  });

  test.each([
    ['refuses initialize', { error: REFUSED }, false],
    ['does not know initialize', { error: { code: -32601, message: 'what?' } }, false],
    ['answers initialize with its own revision', { result: { protocolVersion: '2026-07-28' } }, false],
    ['answers initialize with a later revision', { result: { protocolVersion: '2027-01-01' } }, false],
    ['answers initialize with no revision', { result: {} }, false],
    ['refuses this client', { error: { code: -32602, message: 'not you' } }, undefined],
    ['has no room', { error: { code: -32603, message: 'too many' } }, undefined],
    ['answers with a status', { error: httpFault(404) }, false],
    ['is out of order', { error: httpFault(503) }, undefined],
    [
      'refuses the revision alone',
      { error: { code: -32022, message: 'no', data: { supported: ['2026-07-28', '2025-03-26'] } } },
      undefined,
    ],
  ])('is translated if it %s', async (_title, outcome, legacy) => {
    const again = createMemoryLink('server');
    const { server, link, got, known } = await open({ asksFirst: true, again });
    void link.send(frameOf(INITIALIZE));
    void link.send(frameOf({ method: 'notifications/initialized' }));
    void link.send(frameOf({ id: 2, method: 'tools/list' }));
    await answer(server, 'server/discover', { result: DISCOVERED });
    await answer(again, 'initialize', outcome);
    await answer(server, 'tools/list', { result: { resultType: 'complete', tools: [] } });
    expect(got).toMatchObject([
      { id: 1, result: { protocolVersion: '2025-06-18' } },
      { id: 2, result: { tools: [] } },
    ]);
    expect(again.isClosed).toBe(true);
    expect(again.sent.map(({ message }) => message.method)).toEqual(['initialize']);
    expect(known).toMatchObject({ legacy, modern: true });
  });

  test('is translated if it does not answer initialize, and the next client does not wait for it', async () => {
    const again = createMemoryLink('server');
    const { server, link, got, known } = await open({ asksFirst: true, again, offerMs: 1 });
    void link.send(frameOf(INITIALIZE));
    void link.send(frameOf({ id: 2, method: 'tools/list' }));
    await answer(server, 'server/discover', { result: DISCOVERED });
    await answer(server, 'tools/list', { result: { resultType: 'complete', tools: [] } });
    expect(got).toMatchObject([{ id: 1, result: {} }, { id: 2 }]);
    expect(known).toMatchObject({ legacy: undefined, modern: true });

    const untouched = createMemoryLink('server');
    const next = await open({ asksFirst: true, known, again: untouched });
    void next.link.send(frameOf(INITIALIZE));
    await answer(next.server, 'server/discover', { result: DISCOVERED });
    await new Promise(setImmediate);
    expect(next.got).toMatchObject([{ id: 1, result: {} }]);
    expect(untouched.sent).toEqual([]);
  });

  test('leaves no link behind if the client leaves while it is asked', async () => {
    const again = createMemoryLink('server');
    const { server, link } = await open({ asksFirst: true, again });
    void link.send(frameOf(INITIALIZE));
    await answer(server, 'server/discover', { result: DISCOVERED });
    await again.waitFor(({ message }) => message.method === 'initialize');
    await link.close();
    expect([server.isClosed, again.isClosed]).toEqual([true, true]);
  });
});

test('a server that was found to be modern by another client is asked first as well', async () => {
  const again = createMemoryLink('server');
  const { server, link, known } = await open({
    asksFirst: true,
    known: { legacy: undefined, modern: true },
    again,
  });
  void link.send(frameOf(INITIALIZE));
  await answer(server, 'server/discover', { result: DISCOVERED });
  await answer(again, 'initialize', { result: { protocolVersion: '2025-06-18' } });
  await answer(server, 'initialize', { result: { protocolVersion: '2025-06-18' } });
  expect(known).toEqual({ legacy: true, modern: true });
});

test.each([
  ['an error of the other era', { error: REFUSED }],
  ['a revision without handshake', { result: { protocolVersion: '2026-07-28' } }],
])('a server that accepts others is not translated for a client that gets %s', async (_title, outcome) => {
  const { server, link, got, known } = await open({ known: { legacy: true, modern: true } });
  void link.send(frameOf(INITIALIZE));
  await server.deliver({ id: 1, ...outcome });
  await new Promise(setImmediate);
  expect(got).toMatchObject([{ id: 1, ...outcome }]);
  expect(known).toEqual({ legacy: true, modern: true });
});

test.each(['unreadable_answer', 'line_too_long'])(
  'an answer in whose place there is an error of ours (%s) is passed on at once',
  async (reason) => {
    const { server, link, got, known } = await open();
    void link.send(frameOf(INITIALIZE));
    await server.deliver({ id: 1, error: { code: -32603, message: '?', data: { reason } } });
    expect(got).toMatchObject([{ id: 1, error: { code: -32603 } }]);
    expect(server.sent).toHaveLength(1);
    expect(known.legacy).toBeUndefined();
  },
);

test('a failure to answer server/discover says nothing about the era', async () => {
  const { server, link, got, known } = await open({ asksFirst: true });
  void link.send(frameOf(INITIALIZE));
  await answer(server, 'server/discover', { error: httpFault(500) });
  await answer(server, 'initialize', { result: { protocolVersion: '2025-06-18' } });
  expect(got).toMatchObject([{ id: 1, result: {} }]);
  expect(known).toEqual({ legacy: true, modern: undefined });
});

test('a server of both eras that refuses one client is not translated for the others', async () => {
  const { server, link, got, known } = await open({ known: { legacy: true, modern: true } });
  void link.send(frameOf(INITIALIZE));
  await server.deliver({ id: 1, error: { code: -32602, message: 'not you' } });
  await new Promise(setImmediate);
  expect(got).toMatchObject([{ id: 1, error: { code: -32602 } }]);
  expect(server.sent).toHaveLength(1);
  expect(known).toEqual({ legacy: true, modern: true });
});

test('a process that was probed, and then refuses initialize, is replaced', async () => {
  const again = createMemoryLink('server');
  const { server, link, got, known } = await open({ again, wasProbed: true });
  void link.send(frameOf(INITIALIZE));
  await server.deliver({ id: 1, error: REFUSED });
  await answer(again, 'initialize', { result: { protocolVersion: '2025-06-18' } });
  expect(server.isClosed).toBe(true);
  expect(got).toMatchObject([{ id: 1, result: { protocolVersion: '2025-06-18' } }]);
  expect(known.legacy).toBe(true);
});

test('a server that answers the probe when that has given up is known to be modern', async () => {
  const { server, link, got, known } = await open({
    known: { legacy: undefined, modern: false },
    wasProbed: true,
  });
  void link.send(frameOf(INITIALIZE));
  await server.deliver({ id: 'mcpr:discover', result: DISCOVERED });
  expect(known.modern).toBe(true);
  await server.deliver({ id: 1, result: { protocolVersion: '2025-06-18' } });
  expect(got.at(-1)).toMatchObject({ id: 1, result: {} });
});

test('a modern server whose process has settled for initialize is probed in a new one', async () => {
  const again = createMemoryLink('server');
  const { server, link, got } = await open({ again });
  void link.send(frameOf(INITIALIZE));
  await server.deliver({ id: 1, result: { protocolVersion: '2026-07-28' } });
  await answer(server, 'server/discover', { error: { code: -32601, message: 'settled' } });
  await answer(again, 'server/discover', { result: DISCOVERED });
  await new Promise(setImmediate);
  expect(got).toMatchObject([{ id: 1, result: { protocolVersion: '2025-06-18' } }]);
});

test('what a client sends behind initialize waits until the server has accepted it, in order', async () => {
  const { server, link, got } = await open();
  const sent = ['notifications/initialized', 'tools/list', 'ping'];
  void link.send(frameOf(INITIALIZE));
  for (const [id, method] of sent.entries()) void link.send(frameOf({ id: id + 10, method }));
  await server.deliver({ id: 'q', method: 'ping' });
  await link.send(frameOf({ id: 'q', result: {} }));
  expect(server.sent.map(({ message }) => message.method)).toEqual(['initialize', undefined]);
  await server.deliver({ id: 1, result: { protocolVersion: '2025-06-18' } });
  await new Promise(setImmediate);
  expect(server.sent.map(({ message }) => message.method)).toEqual(['initialize', undefined, ...sent]);
  expect(got).toMatchObject([{ id: 'q', method: 'ping' }, { id: 1 }]);
});

test.each([
  ['is legacy', { error: { code: -32601, message: 'what?' } }, false],
  ['speaks both', { result: { ...DISCOVERED, supportedVersions: ['2026-07-28', '2025-11-25'] } }, true],
  [
    'speaks both, but no revision of ours',
    { error: { ...REFUSED, data: { supported: ['2025-11-25'] } } },
    true,
  ],
])(
  'a server that is asked first, and %s, gets initialize as it is, and nobody asks again',
  async (...row) => {
    const [, outcome, modern] = row;
    const { server, link, got, known } = await open({ asksFirst: true });
    const frame = frameOf(INITIALIZE);
    void link.send(frame);
    await answer(server, 'server/discover', outcome);
    expect((await server.waitFor(({ message }) => message.method === 'initialize')).frame).toBe(frame);
    await server.deliver({ id: 1, result: { protocolVersion: '2025-06-18' } });
    expect(got).toMatchObject([{ id: 1, result: { protocolVersion: '2025-06-18' } }]);
    expect(known).toEqual({ legacy: true, modern });

    const next = await open({ asksFirst: true, known });
    await next.link.send(frame);
    expect(next.server.sent[0]?.frame).toBe(frame);
  },
);

test('a server that cannot be reached when it is asked first has ended, and shown nothing', async () => {
  const { server, link, closed, known } = await open({ asksFirst: true });
  const sent = link.send(frameOf(INITIALIZE));
  server.drop(new Error('unreachable'));
  await Promise.all([sent, closed]);
  expect(known).toEqual({ legacy: undefined, modern: undefined });
});

test('a server that is pinned is asked nothing', async () => {
  const legacy = await open({ known: createEraCache('legacy') });
  await legacy.link.send(frameOf(INITIALIZE));
  await legacy.server.deliver({ id: 1, error: REFUSED });
  expect(legacy.got).toMatchObject([{ error: { code: -32022 } }]);
  const modern = await open({ known: createEraCache('modern') });
  await modern.link.send(frameOf(INITIALIZE));
  expect(modern.server.sent[0]?.message.method).toBe('server/discover');
});

interface Setting {
  readonly known?: EraCache;
  /** What comes of opening another process. */
  readonly again?: MemoryLink | RunError;
  readonly asksFirst?: boolean;
  readonly wasProbed?: boolean;
  readonly offerMs?: number;
}

async function open({
  known = createEraCache(undefined),
  again = createMemoryLink('server'),
  asksFirst = false,
  ...more
}: Setting = {}): Promise<{
  server: MemoryLink;
  link: Link;
  got: JsonRpcMessage[];
  known: EraCache;
  closed: Promise<void>;
}> {
  const server = createMemoryLink('server');
  const link = await createLegacyClientRoute(reattachable(server), {
    server: 'files',
    version: '0',
    clock: systemClock,
    ...more,
    known,
    asksFirst,
    reopen: async () => {
      if (again instanceof RunError) throw again;
      return again;
    },
    log: createRecordingLog(),
  });
  const got: JsonRpcMessage[] = [];
  const closed = new Promise<void>((resolve) => link.onclose(() => resolve()));
  link.onframe((frame) => void got.push(parseFrame(frame.bytes).message));
  return { server, link, got, known, closed };
}

async function answer(server: MemoryLink, method: string, outcome: object): Promise<void> {
  const { message } = await server.waitFor((sent) => sent.message.method === method);
  await server.deliver({ id: message.id ?? 0, ...outcome });
}

/** A status in place of an answer, as a client is told of it. */
function httpFault(status: number): JsonRpcMessage['error'] {
  return faultFrame(new RunError('UPSTREAM_HTTP', { server: 'files', status, detail: '' }), 1).message.error;
}
