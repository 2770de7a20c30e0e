/** The HTTP listener with the test in the place of the router. */
import type { IncomingMessage } from 'node:http';
import { expect, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { RunError } from '../../../src/errors.ts';
import type { HttpOptions, Listener } from '../../../src/downstream/listeners.ts';
import { startHttpListener } from '../../../src/downstream/http/server.ts';
import { frameOf, type Frame, type JsonRpcMessage, type RequestId } from '../../../src/protocol/frame.ts';
import type { ClientExchange } from '../../../src/link/client-exchange.ts';
import type { Link } from '../../../src/link/link.ts';
import type { Principal } from '../../../src/link/principal.ts';
import { createRecordingLog, type RecordingLog } from '../../observe/recording-log.ts';
import { eventsOf, open, post, postOpen, type Answer, type SseEvent } from '../../support/http.ts';

type Message = Omit<JsonRpcMessage, 'jsonrpc'>;

/** What has been accepted: a client's link in the test's hands. */
export interface Accepted {
  readonly link: Link;
  readonly server: string;
  readonly frames: readonly Frame[];
  readonly forgotten: readonly RequestId[];
  readonly isClosed: boolean;
  /** Resolves when the link is gone. */
  readonly closed: Promise<void>;
  send(message: Message | Frame, relatedRequestId?: RequestId): void | Promise<void>;
  /** The first message from the client that matches, once there is one. */
  waitFor(matches: (frame: Frame) => boolean): Promise<Frame>;
}

export interface Harness {
  readonly url: string;
  readonly mcp: string;
  readonly listener: Listener;
  readonly accepted: readonly Accepted[];
  readonly log: RecordingLog;
}

export interface Session {
  readonly accepted: Accepted;
  readonly headers: Record<string, string>;
  post(message: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** As `post`, for an answer that is read as it comes. */
  postOpen(message: unknown): Promise<IncomingMessage>;
}

const DISCOVERED = {
  resultType: 'complete',
  supportedVersions: ['2026-07-28'],
  capabilities: { tools: { listChanged: true } },
  ttlMs: 0,
  cacheScope: 'private',
};

/** A listener on a free port with one server, `files`, until the test is over. */
export async function listen(
  overrides: Partial<HttpOptions> & { readonly silent?: true } = {},
): Promise<Harness> {
  const { silent = false, ...options } = overrides;
  const accepted: Accepted[] = [];
  const log = createRecordingLog();
  const listener = await startHttpListener(
    {
      sse: true,
      http: true,
      servers: ['files'],
      host: '127.0.0.1',
      port: 0,
      httpPath: '/mcp',
      ssePath: '/sse',
      messagesPath: '/messages',
      baseUrl: undefined,
      trustProxy: false,
      stateless: false,
      jsonResponse: false,
      allowHost: [],
      allowOrigin: [],
      cors: [],
      tokens: [],
      keepAliveMs: 15_000,
      sessionIdleMs: 60_000,
      receiveTimeoutMs: 30_000,
      bodyLimitBytes: 64 * 1024,
      headerLimitBytes: 16 * 1024,
      resumeLimitBytes: 64 * 1024,
      maxSessions: 100,
      maxConnections: 1_000,
      health: true,
      accept: (link, server) => void accepted.push(take(link, server, silent)),
      begin(client, server) {
        const link = new ExchangeLink(client);
        accepted.push(take(link, server, silent));
        link.start();
        return link;
      },
      admit: () => {},
      readiness: () => ({ codes: [], servers: {}, problems: {} }),
      log,
      ...options,
    },
    systemClock,
  );
  onTestFinished(() => listener.close());
  const { url = '' } = listener;
  return { url, mcp: `${url}/mcp`, listener, accepted, log };
}

/** Answers `initialize`, `server/discover` and `echo`, unless it is silent; everything else is left to the test. */
function take(link: Link, server: string, silent: boolean): Accepted {
  const frames: Frame[] = [];
  const forgotten: RequestId[] = [];
  const watchers = new Set<(frame: Frame) => void>();
  let isClosed = false;
  let resolveClosed = (): void => {};
  const closed = new Promise<void>((resolve) => (resolveClosed = resolve));
  link.onclose(() => {
    isClosed = true;
    resolveClosed();
  });
  link.onframe((frame) => {
    frames.push(frame);
    for (const watch of watchers) watch(frame);
    const { id, method, message } = frame;
    if (id === undefined || silent) return;
    if (method === 'initialize')
      void send({ id, result: { protocolVersion: message.params?.['protocolVersion'] } });
    if (method === 'server/discover') void send({ id, result: DISCOVERED });
    if (method === 'echo') void send({ id, result: { echoed: message.params } });
  });
  return {
    link,
    server,
    frames,
    forgotten,
    closed,
    get isClosed() {
      return isClosed;
    },
    send,
    waitFor(matches) {
      const known = frames.find(matches);
      if (known !== undefined) return Promise.resolve(known);
      return new Promise((resolve) => {
        const watch = (frame: Frame): void => {
          if (!matches(frame)) return;
          watchers.delete(watch);
          resolve(frame);
        };
        watchers.add(watch);
      });
    },
  };

  function send(message: Message | Frame, relatedRequestId?: RequestId): void | Promise<void> {
    return link.send('bytes' in message ? (message as Frame) : frameOf(message), relatedRequestId);
  }
}

/** A request of revision 2026-07-28 as a link, so that tests see both kinds of clients alike. */
class ExchangeLink implements Link {
  readonly peer = 'client';
  readonly era = 'modern';
  readonly principal: Principal;
  readonly supports = { notifications: true, requests: false };
  readonly #client: ClientExchange;
  #onframe: (frame: Frame) => void | Promise<void> = () => {};
  #onclose: () => void = () => {};

  constructor(client: ClientExchange) {
    this.principal = client.principal;
    this.#client = client;
  }

  start(): void {
    void this.#onframe(this.#client.request);
  }

  send(frame: Frame): void | Promise<void> {
    if (frame.kind !== 'response') return this.#client.notify(frame);
    const wait = this.#client.respond(frame);
    if (wait === undefined) this.#onclose();
    else void wait.then(() => this.#onclose());
    return wait;
  }

  cancel(): void {
    this.#onclose();
  }

  onframe(handler: (frame: Frame) => void | Promise<void>): void {
    this.#onframe = handler;
  }

  onend(): void {}

  onclose(handler: () => void): void {
    this.#onclose = handler;
  }

  abandonResponse(): void {}

  async close(reason?: RunError): Promise<void> {
    this.#client.close(reason);
    this.#onclose();
  }
}

export function initialize(protocolVersion = '2025-06-18', id: RequestId = 'init'): object {
  return request('initialize', id, {
    protocolVersion,
    capabilities: {},
    clientInfo: { name: 't', version: '1' },
  });
}

export function request(method: string, id: RequestId = 1, params: object = {}): object {
  return { jsonrpc: '2.0', id, method, params };
}

/** A Streamable HTTP session, past the handshake. */
export async function openSession(
  { mcp, accepted }: Harness,
  revision = '2025-06-18',
  url = mcp,
): Promise<Session> {
  const answer = await post(url, initialize(revision));
  expect(answer.status).toBe(200);
  const id = String(answer.headers['mcp-session-id']);
  const headers = { 'mcp-session-id': id, 'mcp-protocol-version': revision };
  const last = accepted.at(-1);
  if (last === undefined) throw new Error('nothing was accepted');
  return {
    accepted: last,
    headers,
    post: (message, more) => post(url, message, { ...headers, ...more }),
    postOpen: (message) => postOpen(url, message, headers),
  };
}

/** The GET stream of a session, or its continuation. */
export async function openStream(
  url: string,
  headers: Record<string, string>,
  lastEventId?: string,
): Promise<Stream> {
  return readStream(
    await open(url, {
      headers: {
        accept: 'text/event-stream',
        ...headers,
        ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
      },
    }),
  );
}

export interface Stream {
  readonly incoming: IncomingMessage;
  /** The next event. @throws when the stream has ended */
  next(): Promise<SseEvent>;
  /** The message in the next event that has one. */
  nextMessage(): Promise<Record<string, unknown>>;
  /** What is left until the end. */
  rest(): Promise<SseEvent[]>;
}

export function readStream(incoming: IncomingMessage): Stream {
  expect({ status: incoming.statusCode, type: incoming.headers['content-type'] }).toEqual({
    status: 200,
    type: 'text/event-stream',
  });
  const events = eventsOf(incoming);
  onTestFinished(() => void incoming.destroy());
  return {
    incoming,
    next,
    async nextMessage() {
      for (;;) {
        const { data } = await next();
        if (data !== '') return JSON.parse(data) as Record<string, unknown>;
      }
    },
    async rest() {
      const left: SseEvent[] = [];
      for await (const event of events) left.push(event);
      return left;
    },
  };

  async function next(): Promise<SseEvent> {
    const { value, done } = await events.next();
    if (done === true) throw new Error('the stream has ended');
    return value;
  }
}

/** Checks that a body is a JSON-RPC error and nothing else; `id` absent when it is not known. */
export function expectFault(
  answer: Answer,
  expected: { status: number; code: number; id?: unknown; reason?: string },
): void {
  const { status, code, id, reason } = expected;
  expect({ status: answer.status, type: answer.headers['content-type'], text: answer.text }).toMatchObject({
    status,
    type: 'application/json',
  });
  const body = JSON.parse(answer.text) as Record<string, unknown>;
  expect(Object.keys(body)).toEqual('id' in expected ? ['jsonrpc', 'id', 'error'] : ['jsonrpc', 'error']);
  expect(body).toMatchObject({
    jsonrpc: '2.0',
    ...('id' in expected && { id }),
    error: { code, message: expect.any(String), data: { reason: reason ?? expect.any(String) } },
  });
  expect(answer.text).not.toMatch(/node_modules|\.ts:|\.js:| {4}at |<html/i);
}
