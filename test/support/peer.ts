/**
 * A client for a rough life: it can read slowly, vanish without a word, send anything, and it counts its answers. Over
 * HTTP every request is a connection of its own.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { CLIENT_INFO } from './clients.ts';
import { MCP_HEADERS } from './http.ts';
import { json, type Json } from './json.ts';

export interface PeerOptions {
  readonly capabilities?: Json;
  /** Answers the server's requests; without it they stay unanswered. */
  readonly answer?: (method: string, params: Json) => Json;
  readonly onNotification?: (method: string, params: Json) => void;
  /** Over HTTP: without the GET stream that pushed messages come by. */
  readonly withoutStream?: boolean;
}

/** The whole answer to a request: `result` or `error`, and the HTTP status that came with it. */
export interface PeerAnswer {
  readonly message: Json;
  /** Undefined over HTTP+SSE when the POST was accepted. */
  readonly status: number | undefined;
}

export interface Peer {
  /** What is wrong with the answers so far: second ones, and ones that nobody asked for. */
  readonly strays: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  /** Where messages are posted to. */
  readonly postUrl: string;
  /** Rejects with `PeerGone` if the peer drops, or the connection ends without an answer. */
  request(method: string, params?: Json, id?: string | number): Promise<PeerAnswer>;
  notify(method: string, params?: Json): Promise<void>;
  /** The next answer to a request that was posted by other means, or answered before. */
  answerTo(id: string | number): Promise<PeerAnswer>;
  /** Gives up on a request: afterwards an answer is welcome but not owed. */
  cancel(id: string | number): Promise<void>;
  /** Stops reading. */
  pause(): void;
  resume(): void;
  /** Vanishes: all connections are reset. */
  drop(): void;
  /** Says goodbye as the transport has it. */
  end(): Promise<void>;
}

/** The peer is gone, or its connection ended without an answer. */
export class PeerGone extends Error {}

interface Waiting {
  readonly resolve: (answer: PeerAnswer) => void;
  readonly reject: (error: Error) => void;
}

export async function connectPeer(
  kind: 'http' | 'sse',
  url: string,
  options: PeerOptions = {},
): Promise<Peer> {
  const waiting = new Map<string | number, Waiting>();
  const cancelled = new Set<string | number>();
  const strays: string[] = [];
  const streams = new Set<IncomingMessage>();
  const headers: Record<string, string> = {};
  let postUrl = url;
  let paused = false;
  let gone = false;
  let nextId = 1;

  if (kind === 'sse') postUrl = await openSse();
  const opened = await request('initialize', {
    protocolVersion: '2025-11-25',
    capabilities: options.capabilities ?? {},
    clientInfo: CLIENT_INFO,
  });
  if (opened.message['error'] !== undefined) {
    drop();
    throw new InitializeRefused(opened);
  }
  if (kind === 'http') {
    headers['mcp-protocol-version'] = '2025-11-25';
    if (options.withoutStream !== true) await openGet();
  }
  await notify('notifications/initialized');
  return {
    strays,
    headers,
    get postUrl() {
      return postUrl;
    },
    request,
    notify,
    answerTo,
    cancel,
    pause,
    resume,
    drop,
    end,
  };

  async function request(
    method: string,
    params: Json = {},
    id: string | number = nextId++,
  ): Promise<PeerAnswer> {
    const answer = answerTo(id);
    void post({ id, method, params }).then(
      (response) => collect(response, id),
      (error: unknown) => fail(id, String(error)),
    );
    return await answer;
  }

  function answerTo(id: string | number): Promise<PeerAnswer> {
    const answer = new Promise<PeerAnswer>((resolve, reject) => waiting.set(id, { resolve, reject }));
    // The caller may have stopped waiting by the time it fails.
    answer.catch(() => {});
    return answer;
  }

  async function notify(method: string, params: Json = {}): Promise<void> {
    (await post({ method, params })).resume();
  }

  async function cancel(id: string | number): Promise<void> {
    cancelled.add(id);
    await notify('notifications/cancelled', { requestId: id }).catch(() => {});
    fail(id, 'cancelled');
  }

  function pause(): void {
    paused = true;
    for (const stream of streams) stream.pause();
  }

  function resume(): void {
    paused = false;
    for (const stream of streams) stream.resume();
  }

  function drop(): void {
    gone = true;
    for (const stream of streams) stream.socket.resetAndDestroy();
    for (const id of waiting.keys()) fail(id, 'dropped');
  }

  async function end(): Promise<void> {
    if (gone) return;
    resume();
    if (kind === 'http') (await send('DELETE').catch(() => undefined))?.resume();
    drop();
  }

  // The wire

  function post(message: Json): Promise<IncomingMessage> {
    return send('POST', JSON.stringify({ jsonrpc: '2.0', ...message }), MCP_HEADERS, postUrl);
  }

  function send(
    method: string,
    body?: string,
    more: Readonly<Record<string, string>> = {},
    target = url,
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      if (gone) return reject(new PeerGone('dropped'));
      const outgoing = httpRequest(
        target,
        { agent: false, method, headers: { ...more, ...headers } },
        (incoming) => {
          incoming.on('error', () => {});
          streams.add(incoming);
          incoming.once('close', () => streams.delete(incoming));
          if (gone) incoming.socket.resetAndDestroy();
          const session = incoming.headers['mcp-session-id'];
          if (typeof session === 'string') headers['mcp-session-id'] = session;
          resolve(incoming);
        },
      );
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }

  /** Reads the answer to the POST of request `id`. */
  function collect(incoming: IncomingMessage, id: string | number): void {
    const status = incoming.statusCode ?? 0;
    if (status === 202) return void incoming.resume();
    const ended = (): void => {
      if (!cancelled.has(id)) fail(id, 'the connection ended without an answer');
    };
    if (isEventStream(incoming)) {
      readEvents(incoming, ({ data }) => receive(data, status));
      incoming.once('close', ended);
    } else {
      readAll(incoming, (text) => {
        if (status === 200) receive(text, status);
        else settle(id, { message: json(JSON.parse(text)), status });
        ended();
      });
    }
    if (paused) incoming.pause();
  }

  async function openGet(): Promise<void> {
    const stream = await send('GET', undefined, { accept: 'text/event-stream' });
    readEvents(stream, ({ data }) => receive(data, undefined));
  }

  async function openSse(): Promise<string> {
    const stream = await send('GET', undefined, { accept: 'text/event-stream' });
    if (stream.statusCode !== 200) throw await refusal(stream);
    return await new Promise((resolve, reject) => {
      readEvents(stream, ({ event, data }) => {
        if (event === 'endpoint') resolve(new URL(data, url).href);
        else receive(data, undefined);
      });
      stream.once('close', () => {
        for (const id of waiting.keys()) fail(id, 'the stream ended without an answer');
        reject(new PeerGone('the stream ended'));
      });
    });
  }

  // What came

  function receive(text: string, status: number | undefined): void {
    if (text === '') return;
    const message = json(JSON.parse(text));
    const { id, method } = message;
    if (method === undefined) return settle(id, { message, status });
    if (id === undefined) return options.onNotification?.(String(method), json(message['params']));
    const outcome = options.answer?.(String(method), json(message['params']));
    if (outcome === undefined) return;
    post({ id, ...outcome }).then(
      (response) => void response.resume(),
      () => {},
    );
  }

  function settle(id: unknown, answer: PeerAnswer): void {
    if (typeof id !== 'string' && typeof id !== 'number') {
      strays.push(`without an id: ${JSON.stringify(answer.message).slice(0, 200)}`);
      return;
    }
    const waiter = waiting.get(id);
    waiting.delete(id);
    if (waiter !== undefined) waiter.resolve(answer);
    else if (!cancelled.delete(id))
      strays.push(`not asked, or twice: ${JSON.stringify(answer.message).slice(0, 200)}`);
  }

  function fail(id: string | number, why: string): void {
    const waiter = waiting.get(id);
    waiting.delete(id);
    waiter?.reject(new PeerGone(why));
  }
}

/** `initialize` was answered with an error. */
export class InitializeRefused extends Error {
  readonly answer: PeerAnswer;

  constructor(answer: PeerAnswer) {
    super(JSON.stringify(answer));
    this.answer = answer;
  }
}

function refusal(incoming: IncomingMessage): Promise<InitializeRefused> {
  return new Promise((resolve) => {
    readAll(incoming, (text) =>
      resolve(new InitializeRefused({ message: json(JSON.parse(text)), status: incoming.statusCode })),
    );
  });
}

function isEventStream({ headers }: IncomingMessage): boolean {
  return headers['content-type']?.startsWith('text/event-stream') === true;
}

export function readAll(incoming: IncomingMessage, done: (text: string) => void): void {
  const chunks: Buffer[] = [];
  incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
  incoming.once('close', () => {
    if (incoming.complete) done(Buffer.concat(chunks).toString());
  });
}

/** Pushed, and not pulled, so that a paused stream is one that nobody reads. */
export function readEvents(
  incoming: IncomingMessage,
  onevent: (event: { event: string; data: string }) => void,
): void {
  let parts: Buffer[] = [];
  incoming.on('data', (chunk: Buffer) => {
    parts.push(chunk);
    if (!chunk.includes('\n\n') && chunk[0] !== 10) return;
    let rest = Buffer.concat(parts);
    for (let end = rest.indexOf('\n\n'); end !== -1; end = rest.indexOf('\n\n')) {
      const block = rest.subarray(0, end).toString();
      rest = rest.subarray(end + 2);
      const data = /^data: ?(.*)$/m.exec(block)?.[1];
      if (data !== undefined) onevent({ event: /^event: ?(.*)$/m.exec(block)?.[1] ?? 'message', data });
    }
    parts = rest.length === 0 ? [] : [rest];
  });
}
