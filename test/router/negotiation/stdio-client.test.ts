/** The one client over stdio, which may be of either era, and says so by what it sends. */
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { RunError } from '../../../src/errors.ts';
import { META } from '../../../src/protocol/constants.ts';
import { frameOf, parseFrame, type JsonRpcMessage } from '../../../src/protocol/frame.ts';
import type { Link } from '../../../src/link/link.ts';
import { createEraCache, type EraCache } from '../../../src/router/negotiation/era-cache.ts';
import { createStdioClientRoute } from '../../../src/router/negotiation/stdio-client.ts';
import type { ModernBackend } from '../../../src/router/modern-backend.ts';
import { createMemoryLink, type MemoryLink } from '../../support/memory-link.ts';

const _meta = { [META.protocolVersion]: '2026-07-28', [META.clientCapabilities]: {} };
const DISCOVER = { id: 'd', method: 'server/discover', params: { _meta } };
const CALL = { id: 'c', method: 'tools/call', params: { name: 'x', _meta } };
const INITIALIZE = { id: 'i', method: 'initialize', params: { protocolVersion: '2025-11-25' } };
const DISCOVERED = { supportedVersions: ['2026-07-28'], capabilities: {} };
const REFUSED = { error: { code: -32601, message: 'what?' } };

describe('in front of a modern server', () => {
  test('a modern client’s bytes pass, its own question being the one that is asked', async () => {
    const { first, link, got } = open();
    const discover = frameOf(DISCOVER);
    void link.send(discover);
    expect(first.sent[0]?.frame).toBe(discover);
    await first.deliver({ id: 'd', result: DISCOVERED });
    const call = frameOf(CALL);
    await link.send(call);
    expect(first.sent.map(({ frame }) => frame)).toEqual([discover, call]);
    await first.deliver({ id: 'c', result: {} });
    expect(got.map(({ id }) => id)).toEqual(['d', 'c']);
  });

  test('a client that does not ask has it asked', async () => {
    const { first, link, got } = open();
    const sent = link.send(frameOf(CALL));
    await first.deliver({ id: first.sent[0]?.message.id ?? 0, result: DISCOVERED });
    await sent;
    expect(first.sent.map(({ message }) => message.method)).toEqual(['server/discover', 'tools/call']);
    expect(got).toEqual([]);
  });

  test('a client that has looked twice, and then turns to initialize, has the process of a legacy client', async () => {
    const { first, link, taken } = open();
    void link.send(frameOf(DISCOVER));
    await first.deliver({ id: 'd', result: DISCOVERED });
    await link.send(frameOf({ ...DISCOVER, id: 'd2' }));
    await link.send(frameOf(INITIALIZE));
    expect(taken).toHaveLength(1);
    expect(first.sent.at(-1)?.message.method).toBe('initialize');
  });

  test('a client that has only looked may still turn to initialize', async () => {
    const { first, link } = open();
    void link.send(frameOf(DISCOVER));
    await first.deliver({ id: 'd', result: DISCOVERED });
    await link.send(frameOf(INITIALIZE));
    expect(first.sent.at(-1)?.message.method).toBe('initialize');
  });
});

test('a client that turns to initialize gets another process if the first was sent more than server/discover', async () => {
  const { first, link, opened, closed } = open(undefined, { silenceMs: 1 });
  const sent = link.send(frameOf(DISCOVER));
  await first.waitFor(({ message }) => message.method === 'ping');
  await first.deliver({ id: 'd', result: DISCOVERED });
  await sent;
  await link.send(frameOf(INITIALIZE));
  expect(first.isClosed).toBe(true);
  expect(closed()).toBe(false);
  expect(opened.map(({ sent: [one] }) => one?.message.method)).toEqual(['initialize']);
});

describe('in front of a legacy server', () => {
  test('a modern client’s requests are translated, by the process that was asked', async () => {
    const { first, link, faced } = open();
    const sent = link.send(frameOf(DISCOVER));
    await first.deliver({ id: 'd', ...REFUSED });
    await sent;
    await link.send(frameOf(CALL));
    expect(faced.firsts).toHaveLength(1);
    expect(faced.sent).toEqual(['server/discover', 'tools/call']);
  });

  test('a server that ends at the question has another process', async () => {
    const { first, link, faced, closed } = open();
    const sent = link.send(frameOf(DISCOVER));
    first.drop(new RunError('UPSTREAM_CLOSED', { server: 'x' }));
    await sent;
    expect(faced.firsts).toEqual([undefined]);
    expect(closed()).toBe(false);
  });

  test('a client that has only looked gets a process that nobody has used', async () => {
    const { first, link, opened } = open();
    const sent = link.send(frameOf(DISCOVER));
    await first.deliver({ id: 'd', ...REFUSED });
    await sent;
    await link.send(frameOf(INITIALIZE));
    expect(opened).toHaveLength(1);
    expect(opened[0]?.sent.map(({ message }) => message.method)).toEqual(['initialize']);
  });
});

test('a legacy client’s bytes pass, whatever it sends first', async () => {
  const { first, link } = open();
  const frames = [
    frameOf({ id: 1, method: 'ping' }),
    frameOf(INITIALIZE),
    frameOf({ id: 2, method: 'tools/list' }),
  ];
  for (const frame of frames) await link.send(frame);
  expect(first.sent.map(({ frame }) => frame)).toEqual(frames);
});

test('a client may say something else before it says of which era it is', async () => {
  const legacy = open();
  await legacy.link.send(frameOf({ id: 1, method: 'ping' }));
  await legacy.first.deliver({ id: 1, result: {} });
  await legacy.link.send(frameOf(INITIALIZE));
  expect(legacy.got).toMatchObject([{ id: 1, result: {} }]);
  expect(legacy.taken).toHaveLength(1);

  const modern = open();
  await modern.link.send(frameOf({ id: 1, method: 'ping' }));
  const sent = modern.link.send(frameOf(CALL));
  await modern.first.deliver({ id: modern.first.sent.at(-1)?.message.id ?? 0, ...REFUSED });
  await sent;
  expect(modern.faced.sent).toEqual(['tools/call']);
});

test('a modern client cannot go back, nor leave out what the revision requires', async () => {
  const { link, got } = open(createEraCache('modern'));
  await link.send(frameOf(CALL));
  await link.send(frameOf(INITIALIZE));
  await link.send(frameOf({ id: 'n', method: 'tools/list' }));
  expect(got).toMatchObject([
    { id: 'i', error: { code: -32022, data: { supported: ['2026-07-28'], requested: '2025-11-25' } } },
    { id: 'n', error: { code: -32602 } },
  ]);
});

test('the end of the process is the end of the link', async () => {
  const { first, link, closed } = open(createEraCache('modern'));
  await link.send(frameOf(CALL));
  first.drop(new Error('exit'));
  expect(closed()).toBe(true);
});

test('closing it ends whatever it has come to', async () => {
  const untouched = open();
  await untouched.link.close();
  expect(untouched.first.isClosed).toBe(true);
  const translated = open(createEraCache('legacy'));
  await translated.link.send(frameOf(CALL));
  await translated.link.close();
  expect(translated.faced.isClosed).toBe(true);
});

test('a backend that is opened while the link is being closed is closed as well', async () => {
  const { link, faced } = open(createEraCache('legacy'));
  const sent = link.send(frameOf(CALL));
  await link.close();
  await sent;
  expect(faced.isClosed).toBe(true);
  expect(faced.sent).toEqual([]);
});

test('a process that a legacy client is given while the link is being closed is closed as well', async () => {
  const { first, link, got } = open(createEraCache('legacy'));
  const sent = link.send(frameOf(INITIALIZE));
  await link.close();
  await sent;
  expect(first.isClosed).toBe(true);
  expect(first.sent).toEqual([]);
  expect(got).toEqual([]);
});

function open(
  known: EraCache = createEraCache(undefined),
  probing: { silenceMs?: number } = {},
): {
  first: MemoryLink;
  link: Link;
  got: JsonRpcMessage[];
  opened: MemoryLink[];
  /** Processes for a client that sends `initialize`. */
  taken: Link[];
  faced: { firsts: (Link | undefined)[]; sent: (string | undefined)[]; isClosed: boolean };
  closed: () => boolean;
} {
  const first = createMemoryLink('server');
  const opened: MemoryLink[] = [];
  const taken: Link[] = [];
  const faced = { firsts: [] as (Link | undefined)[], sent: [] as (string | undefined)[], isClosed: false };
  const link = createStdioClientRoute(first, {
    version: '0',
    clock: systemClock,
    ...probing,
    known,
    openChild: async () => {
      const next = createMemoryLink('server');
      opened.push(next);
      return next;
    },
    toLegacyClient: async (child) => {
      taken.push(child);
      return child;
    },
    toLegacyServer: async (child) => {
      faced.firsts.push(child);
      return face(faced);
    },
  });
  const got: JsonRpcMessage[] = [];
  let isClosed = false;
  link.onclose(() => (isClosed = true));
  link.onframe((frame) => void got.push(parseFrame(frame.bytes).message));
  return { first, link, got, opened, taken, faced, closed: () => isClosed };
}

function face(faced: { sent: (string | undefined)[]; isClosed: boolean }): ModernBackend {
  return {
    pending: 0,
    open: () => createMemoryLink('server', ({ message }) => void faced.sent.push(message.method)),
    evictIdle: () => false,
    close: async () => void (faced.isClosed = true),
  };
}
