import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { RunError } from '../../src/errors.ts';
import type { ClientExchange, ServerExchange } from '../../src/link/client-exchange.ts';
import type { Principal } from '../../src/link/principal.ts';
import { META } from '../../src/protocol/constants.ts';
import { frameOf, type Frame, type JsonRpcMessage, type RequestId } from '../../src/protocol/frame.ts';
import type { ModernClient } from '../../src/router/modern-backend.ts';
import type { ModernConversationOptions } from '../../src/router/modern-conversation.ts';
import { ModernConversations } from '../../src/router/modern-conversations.ts';
import { createRecordingLog } from '../observe/recording-log.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { createMemoryLink, type MemoryLink } from '../support/memory-link.ts';
import { principalOf } from '../support/principal.ts';

const MAX_CONVERSATIONS = 256;

/** A POST in the test's hands. */
class Client implements ClientExchange {
  readonly request: Frame;
  readonly principal: Principal;
  readonly received: JsonRpcMessage[] = [];
  readonly closedWith: (RunError | undefined)[] = [];
  /** What `notify` and `respond` return. */
  wait: Promise<void> | undefined;

  constructor(request: Frame, principal: Principal) {
    this.request = request;
    this.principal = principal;
  }

  notify(frame: Frame): void | Promise<void> {
    this.received.push(frame.message);
    return this.wait;
  }

  respond(frame: Frame): void | Promise<void> {
    this.received.push(frame.message);
    return this.wait;
  }

  close(reason?: RunError): void {
    this.closedWith.push(reason);
  }
}

interface Begun {
  readonly client: Client;
  readonly exchange: ServerExchange;
  readonly server: MemoryLink;
}

function setUp(overrides: Partial<ModernConversationOptions> = {}) {
  const clock = createFakeClock();
  const log = createRecordingLog();
  const opened: { readonly client: ModernClient; readonly link: MemoryLink }[] = [];
  const withheld: (readonly string[])[] = [];
  const conversations = new ModernConversations({
    server: 'files',
    backend: {
      open(client) {
        const link = createMemoryLink('server');
        opened.push({ client, link });
        return link;
      },
    },
    withheld: new Set(['roots']),
    onWithheld: (names) => void withheld.push(names),
    requestTimeoutMs: 1_000,
    maxRequestTimeMs: 5_000,
    clock,
    log,
    ...overrides,
  });
  return { clock, log, opened, withheld, conversations, begin };

  function begin(
    message: Partial<Omit<JsonRpcMessage, 'jsonrpc'>> & { readonly meta?: object } = {},
    principalId = 'one',
    claims: Principal['claims'] = {},
  ): Begun {
    const { id = 1, method = 'tools/call', meta = {} } = message;
    const request = frameOf({ id: id ?? 1, method, params: { _meta: meta } });
    const client = new Client(request, principalOf(principalId, claims));
    const exchange = conversations.begin(client);
    const server = opened.at(-1)?.link;
    if (server === undefined) throw new Error('no link was opened');
    return { client, exchange, server };
  }
}

function progress(progressToken: RequestId): Omit<JsonRpcMessage, 'jsonrpc'> {
  return { method: 'notifications/progress', params: { progressToken, progress: 1 } };
}

describe('a request', () => {
  it('reaches the server as it came, and its response the client', () => {
    const { begin, opened } = setUp();
    const { client, server } = begin();
    expect(opened.map((one) => one.client)).toEqual([{ principalId: 'one', withheld: new Set(['roots']) }]);
    expect(server.sent.map(({ frame }) => frame)).toEqual([client.request]);
    void server.deliver({ id: 1, result: { done: true } });
    expect(client.received).toEqual([{ jsonrpc: '2.0', id: 1, result: { done: true } }]);
    expect(server.closeReason).toMatchObject({ code: 'CLIENT_GONE' });
    expect(client.closedWith).toEqual([]);
  });

  it('gets the response of its own link when two of one principal have the same id', () => {
    const { begin } = setUp();
    const [first, second] = [begin(), begin()];
    void second.server.deliver({ id: 1, result: { n: 2 } });
    expect(first.client.received).toEqual([]);
    expect(second.client.received).toMatchObject([{ result: { n: 2 } }]);
    void first.server.deliver({ id: 1, result: { n: 1 } });
    expect(first.client.received).toMatchObject([{ result: { n: 1 } }]);
    expect(second.client.received).toHaveLength(1);
  });

  it('gets one response and nothing after it', () => {
    const { begin, log } = setUp();
    const { client, server } = begin();
    client.wait = new Promise(() => {});
    void server.deliver({ id: 1, result: {} });
    void server.deliver({ id: 1, result: { again: true } });
    void server.deliver({ method: 'notifications/message' });
    expect(client.received).toHaveLength(1);
    expect(log.entries).toMatchObject([{ level: 'warn', event: 'server.answer-dropped', id: 1 }]);
  });

  it('leaves a response of another id unanswered', () => {
    const { begin, log } = setUp();
    const { client, server } = begin();
    void server.deliver({ id: '1', result: {} });
    expect(client.received).toEqual([]);
    expect(log.entries).toMatchObject([{ event: 'server.answer-dropped', id: '1' }]);
  });

  it('is sent without what is withheld from the server', () => {
    const { begin, withheld } = setUp();
    const meta = { [META.clientCapabilities]: { roots: {}, sampling: {} } };
    const { server } = begin({ meta });
    expect(server.sent[0]?.message.params?.['_meta']).toEqual({
      [META.clientCapabilities]: { sampling: {} },
    });
    expect(withheld).toEqual([['roots']]);
  });

  it('that cannot be written again is refused before anything is opened', () => {
    const { conversations, opened } = setUp();
    const depth = 100_000;
    const meta = `{"${META.clientCapabilities}":{"roots":{}},"deep":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    const message = JSON.parse(`{"params":{"_meta":${meta}}}`) as JsonRpcMessage;
    const request = { ...frameOf({ id: 1, method: 'tools/list' }), message };
    expect(() => conversations.begin(new Client(request, principalOf('one')))).toThrow(
      expect.objectContaining({ code: 'INVALID_REQUEST' }),
    );
    expect(opened).toEqual([]);
  });

  it('is answered with the error when no link can be opened', () => {
    const { conversations } = setUp({
      backend: {
        open() {
          throw new RunError('SHUTTING_DOWN');
        },
      },
    });
    const client = new Client(frameOf({ id: 1, method: 'tools/list' }), principalOf('one'));
    conversations.begin(client).cancel();
    expect(client.received).toMatchObject([{ id: 1, error: { data: { reason: 'shutting_down' } } }]);
  });
});

describe('the server', () => {
  it('is answered for the client when it sends a request', () => {
    const { begin } = setUp();
    const { client, server } = begin();
    void server.deliver({ id: 's', method: 'sampling/createMessage' });
    expect(server.answersTo('s')).toMatchObject([{ error: { code: -32_601 } }]);
    expect(client.received).toEqual([]);
  });

  it('waits for a client that has not taken a notification or the response', async () => {
    const { begin } = setUp();
    const { client, server } = begin();
    let taken = (): void => {};
    client.wait = new Promise((resolve) => (taken = resolve));
    expect(server.deliver({ method: 'notifications/message' })).toBe(client.wait);
    expect(server.deliver({ id: 1, result: {} })).toBe(client.wait);
    await turn();
    expect(server.isClosed).toBe(false);
    taken();
    await turn();
    expect(server.isClosed).toBe(true);
  });

  it('that exits fails the open requests', () => {
    const { begin } = setUp();
    const { client, server } = begin();
    server.drop(new RunError('UPSTREAM_EXITED', { server: 'files', status: 'exit code 3', exitCode: 3 }));
    expect(client.received).toMatchObject([{ id: 1, error: { data: { reason: 'upstream_exited' } } }]);
    expect(client.closedWith).toMatchObject([{ code: 'UPSTREAM_EXITED' }]);
  });

  it('that hangs up without a reason fails them as well', () => {
    const { begin } = setUp();
    const { client, server } = begin();
    server.drop();
    expect(client.received).toMatchObject([{ error: { data: { reason: 'upstream_closed' } } }]);
  });

  it('has a slow client disconnected that has not taken its response, and no other client', () => {
    const { begin } = setUp();
    const [slow, fast] = [begin(), begin()];
    slow.client.wait = new Promise(() => {});
    void slow.server.deliver({ id: 1, result: {} });
    slow.server.drop(new RunError('CLIENT_TOO_SLOW', { maxBytes: 1 }));
    expect(slow.client.received).toHaveLength(1);
    expect(slow.client.closedWith).toMatchObject([{ code: 'CLIENT_TOO_SLOW' }]);
    void fast.server.deliver({ id: 1, result: {} });
    expect(fast.client.received).toMatchObject([{ result: {} }]);
    expect(fast.client.closedWith).toEqual([]);
  });
});

describe('a cancelled request', () => {
  it('closes the link of its server, and no other one', () => {
    const { begin } = setUp();
    const [left, other] = [begin(), begin()];
    left.exchange.cancel();
    left.exchange.cancel();
    expect([left.server.isClosed, other.server.isClosed]).toEqual([true, false]);
    expect(left.client.received).toEqual([]);
  });

  it('has no effect after the response', () => {
    const { begin } = setUp();
    const { client, server, exchange } = begin();
    void server.deliver({ id: 1, result: {} });
    exchange.cancel();
    expect(client.received).toHaveLength(1);
  });
});

describe('a time-out', () => {
  it('fails the request, and has the server cancel it', async () => {
    const { begin, clock, log } = setUp({ remarkSince: () => 'it wrote nonsense' });
    const { client, server } = begin({ id: 'a' });
    await clock.pass(999);
    expect(client.received).toEqual([]);
    await clock.pass(1);
    expect(client.received).toMatchObject([{ id: 'a', error: { data: { reason: 'request_timeout' } } }]);
    expect(server.sent[1]?.message).toEqual({
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId: 'a', reason: 'timeout' },
    });
    expect(server.isClosed).toBe(true);
    expect(log.entries).toMatchObject([
      { level: 'warn', event: 'exchange.timeout', method: 'tools/call', timeoutMs: 1_000 },
    ]);
    expect(log.entries[0]?.text).toContain('It wrote nonsense');
  });

  it('is put off by progress of the request, up to the maximum', async () => {
    const { begin, clock } = setUp();
    const { client, server } = begin({ meta: { progressToken: 't' } });
    for (let count = 0; count < 5; count += 1) {
      await clock.pass(900);
      void server.deliver(progress('t'));
    }
    expect(client.received).toHaveLength(5);
    await clock.pass(499);
    expect(client.received).toHaveLength(5);
    await clock.pass(1);
    expect(client.received.at(-1)).toMatchObject({ error: { data: { reason: 'request_timeout' } } });
  });

  it.each(['u', 1])('is not put off by progress of token %j', async (token) => {
    const { begin, clock } = setUp();
    const { client, server } = begin({ meta: { progressToken: 't' } });
    await clock.pass(900);
    void server.deliver(progress(token));
    await clock.pass(100);
    expect(client.received.at(-1)).toMatchObject({ error: { data: { reason: 'request_timeout' } } });
  });

  it('is not put off by progress of a token that is neither a string nor a number', async () => {
    const { begin, clock } = setUp();
    const { client, server } = begin({ meta: { progressToken: true } });
    await clock.pass(900);
    void server.deliver({ method: 'notifications/progress', params: { progressToken: true, progress: 1 } });
    await clock.pass(100);
    expect(client.received.at(-1)).toMatchObject({ error: { data: { reason: 'request_timeout' } } });
  });

  it('comes to each of two requests with the same id at its own time', async () => {
    const { begin, clock } = setUp();
    const first = begin();
    await clock.pass(400);
    const second = begin();
    await clock.pass(600);
    expect([first.client.received.length, second.client.received.length]).toEqual([1, 0]);
    await clock.pass(400);
    expect(second.client.received).toHaveLength(1);
  });

  it('comes to a request that begins when none is left of those before', async () => {
    const { begin, clock } = setUp();
    void begin().server.deliver({ id: 1, result: {} });
    await clock.pass(700);
    const { client } = begin();
    await clock.pass(999);
    expect(client.received).toEqual([]);
    await clock.pass(1);
    expect(client.received).toHaveLength(1);
  });

  it('does not come to a subscription', async () => {
    const { begin, clock } = setUp();
    const { client } = begin({ method: 'subscriptions/listen' });
    await clock.pass(100_000);
    expect(client.received).toEqual([]);
  });
});

describe('idle', () => {
  it('is at once when nothing is pending but a subscription', async () => {
    const { begin, conversations } = setUp();
    await conversations.idle();
    begin({ method: 'subscriptions/listen' });
    await conversations.idle();
  });

  it.each<[string, (begun: Begun, pass: (ms: number) => Promise<void>) => void | Promise<void>]>([
    ['was answered', ({ server }) => server.deliver({ id: 1, result: {} })],
    ['was cancelled', ({ exchange }) => exchange.cancel()],
    ['failed with its server', ({ server }) => server.drop()],
    ['timed out', (_begun, pass) => pass(1_000)],
  ])('is when the last request %s', async (_title, end) => {
    const { begin, conversations, clock } = setUp();
    const begun = begin();
    let isIdle = false;
    const idle = conversations.idle().then(() => (isIdle = true));
    await turn();
    expect(isIdle).toBe(false);
    await end(begun, clock.pass);
    await idle;
  });
});

describe('closing', () => {
  it('answers the open requests, ends subscriptions in good order, and refuses what comes', () => {
    const { begin, conversations } = setUp();
    const call = begin({ id: 'c' });
    const listen = begin({ id: 'l', method: 'subscriptions/listen' });
    conversations.close(new RunError('SHUTTING_DOWN'));
    expect(call.client.received).toMatchObject([{ id: 'c', error: { data: { reason: 'shutting_down' } } }]);
    expect(listen.client.received).toMatchObject([
      { id: 'l', result: { resultType: 'complete', _meta: { [META.subscriptionId]: 'l' } } },
    ]);
    expect([call.server.isClosed, listen.server.isClosed]).toEqual([true, true]);
    expect(() => begin()).toThrow(expect.objectContaining({ code: 'SHUTTING_DOWN' }));
  });

  it('answers a subscription with the reason if that is another one', () => {
    const { begin, conversations } = setUp();
    const { client } = begin({ method: 'subscriptions/listen' });
    conversations.close(new RunError('UPSTREAM_CLOSED', { server: 'files' }));
    expect(client.received).toMatchObject([{ error: { data: { reason: 'upstream_closed' } } }]);
  });
});

describe('the conversations of a server', () => {
  it('are one for each principal', () => {
    const { begin, conversations } = setUp();
    for (const principalId of ['one', 'two', 'one', '__proto__']) begin({}, principalId);
    expect(conversations.size).toBe(3);
  });

  it('are shared by requests with one principal id, and keep no claims', () => {
    const { begin, conversations, opened } = setUp();
    for (const groups of [['a'], ['b']]) begin({}, 'one', { groups });
    expect(conversations.size).toBe(1);
    const client = { principalId: 'one', withheld: new Set(['roots']) };
    expect(opened.map((one) => one.client)).toEqual([client, client]);
  });

  it('are dropped when they had no request for a while, but not with an open request', async () => {
    const { begin, conversations, clock } = setUp();
    void begin({}, 'past').server.deliver({ id: 1, result: {} });
    const listening = begin({ method: 'subscriptions/listen' }, 'open');
    await clock.pass(59_000);
    expect(conversations.size).toBe(2);
    await clock.pass(61_000);
    expect(conversations.size).toBe(1);
    void listening.server.deliver({ id: 1, result: {} });
    expect(listening.client.received).toHaveLength(1);
    await clock.pass(120_000);
    expect(conversations.size).toBe(0);
    void begin({}, 'past').server.deliver({ id: 1, result: {} });
    expect(conversations.size).toBe(1);
  });

  it('stay bounded: the one that was left unused longest goes first', async () => {
    const { begin, conversations, clock } = setUp();
    begin({}, 'open');
    for (let n = 1; n < 3 * MAX_CONVERSATIONS; n += 1) {
      void begin({}, `p${n}`).server.deliver({ id: 1, result: {} });
      await clock.pass(1);
    }
    expect(conversations.size).toBe(MAX_CONVERSATIONS);
  });

  it('are as many as have an open request', () => {
    const { begin, conversations } = setUp();
    const open = Array.from({ length: MAX_CONVERSATIONS + 10 }, (_, n) => begin({}, `p${n}`));
    expect(conversations.size).toBe(MAX_CONVERSATIONS + 10);
    for (const { server } of open) void server.deliver({ id: 1, result: {} });
    expect(open.every(({ client }) => client.received.length === 1)).toBe(true);
  });
});
