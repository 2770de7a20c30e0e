/** A client of our own for revision 2026-07-28, which sees and sends the bytes on the wire. */
import type { IncomingMessage } from 'node:http';
import { onTestFinished } from 'vitest';
import { RpcFailure, type CallOptions, type ClientOptions, type Endpoint } from './clients.ts';
import { eventsOf, MCP_HEADERS, open } from './http.ts';
import { at, json, type Json } from './json.ts';
import { envelope, inputResponses, mirroredHeaders, type ModernClient, type Subscription } from './modern.ts';
import { openWire } from './wire.ts';

export interface RawModernClient extends ModernClient {
  /** Every message that came, as its text. */
  readonly lines: readonly string[];
  /** Sends a request as it is, and does not wait for what comes of it. */
  sendLine(line: string): Promise<void>;
  /** Sends a request once, whatever its answer asks for. */
  requestOnce(method: string, params?: Json, options?: CallOptions): Promise<Json>;
  /** The next or an earlier message that matches. */
  waitFor(matches: (message: Json, line: string) => boolean): Promise<Json>;
}

const MAX_ROUNDS = 16;

export async function connectRawModern(
  endpoint: Endpoint,
  options: ClientOptions = {},
): Promise<RawModernClient> {
  const lines: string[] = [];
  const incoming: Json[] = [];
  const watchers = new Set<(message: Json, line: string) => void>();
  let nextId = 0;
  const channel = await openChannel(endpoint, (line) => {
    const message = json(JSON.parse(line));
    lines.push(line);
    incoming.push(message);
    watchers.forEach((watch) => watch(message, line));
  });
  onTestFinished(() => channel.close());

  const initializeResult = await request('server/discover');
  return {
    initializeResult,
    incoming,
    lines,
    request,
    requestOnce,
    sendLine: async (line) => void channel.request(json(JSON.parse(line)), undefined, line),
    listen,
    waitFor,
    notify: (method, params) => channel.notify({ jsonrpc: '2.0', method, ...(params && { params }) }),
    close: channel.close,
  };

  async function request(method: string, params: Json = {}, call: CallOptions = {}): Promise<Json> {
    let sent = params;
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const result = await requestOnce(method, sent, call);
      if (result['resultType'] !== 'input_required') return result;
      const { inputRequests, requestState } = result;
      sent = {
        ...params,
        ...(inputRequests !== undefined && {
          inputResponses: await inputResponses(inputRequests, options),
        }),
        ...(requestState !== undefined && { requestState }),
      };
    }
    throw new Error(`${method} still needs input after ${MAX_ROUNDS} rounds`);
  }

  async function requestOnce(
    method: string,
    params: Json = {},
    { signal, onProgress }: CallOptions = {},
  ): Promise<Json> {
    const id = ++nextId;
    const _meta = {
      ...envelope(options.capabilities),
      ...(onProgress && { progressToken: id }),
      ...json(params['_meta']),
    };
    const watch = (message: Json): void => {
      if (message['method'] !== 'notifications/progress') return;
      if (at(message, 'params', 'progressToken') === id) onProgress?.(json(message['params']));
    };
    watchers.add(watch);
    const answer = waitFor((message) => message['id'] === id && message['method'] === undefined);
    const aborted = new Promise<never>((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(new Error('aborted')));
    });
    const over = channel.request({ jsonrpc: '2.0', id, method, params: { ...params, _meta } }, signal);
    const unanswered = over.then(() => {
      throw new Error(`the answer to ${method} ended without a response`);
    });
    const { result, error } = await Promise.race([answer, aborted, unanswered]).finally(() =>
      watchers.delete(watch),
    );
    if (error === undefined) return json(result);
    const { code, message, data } = json(error);
    throw new RpcFailure(Number(code), String(message), data);
  }

  async function listen(notifications: Json): Promise<Subscription> {
    const abort = new AbortController();
    const id = nextId + 1;
    const ended = requestOnce('subscriptions/listen', { notifications }, { signal: abort.signal });
    const acknowledged = waitFor(
      (message) =>
        message['method'] === 'notifications/subscriptions/acknowledged' &&
        at(message, 'params', '_meta', 'io.modelcontextprotocol/subscriptionId') === id,
    );
    const first = await Promise.race([acknowledged, ended]);
    return {
      honoured: json(at(first, 'params', 'notifications')),
      ended: ended.catch(() => undefined),
      close: async () => abort.abort(),
    };
  }

  function waitFor(matches: (message: Json, line: string) => boolean): Promise<Json> {
    const known = incoming.find((message, index) => matches(message, lines[index] ?? ''));
    if (known !== undefined) return Promise.resolve(known);
    return new Promise((resolve) => {
      const watch = (message: Json, line: string): void => {
        if (!matches(message, line)) return;
        watchers.delete(watch);
        resolve(message);
      };
      watchers.add(watch);
    });
  }
}

/** Requests on their way to a server, and what comes back. */
interface Channel {
  /** Resolves when nothing more can come of it; rejects if it could not be sent. */
  request(message: Json, signal: AbortSignal | undefined, line?: string): Promise<void>;
  notify(message: Json): Promise<void>;
  close(): Promise<void>;
}

type Receive = (line: string) => void;

async function openChannel(endpoint: Endpoint, receive: Receive): Promise<Channel> {
  switch (endpoint.kind) {
    case 'stdio':
      return openStdio(endpoint, receive);
    case 'http':
      return openHttp(endpoint.url, receive);
    case 'sse':
      throw new Error('this revision has no HTTP+SSE');
  }
}

async function openStdio(endpoint: Endpoint, receive: Receive): Promise<Channel> {
  const wire = await openWire(endpoint, receive);
  let over = (): void => {};
  const closed = new Promise<void>((resolve) => (over = resolve));
  return {
    async request(message, signal, line = JSON.stringify(message)) {
      const params = { requestId: message['id'] };
      const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params };
      signal?.addEventListener('abort', () => void wire.send(JSON.stringify(cancel)));
      await wire.send(line);
      await closed;
    },
    notify: (message) => wire.send(JSON.stringify(message)),
    async close() {
      await wire.close();
      over();
    },
  };
}

/** Every request is a POST, and cancelled by closing it. */
function openHttp(url: string, receive: Receive): Channel {
  const closing = new AbortController();
  return {
    async request(message, signal = closing.signal, line = JSON.stringify(message)) {
      const headers = { ...MCP_HEADERS, ...mirroredHeaders(message) };
      const both = AbortSignal.any([signal, closing.signal]);
      const answer = await open(url, { method: 'POST', headers, signal: both }, line);
      await readMessages(answer, receive);
    },
    async notify(message) {
      const headers = { ...MCP_HEADERS, ...mirroredHeaders(message) };
      const { statusCode } = (await open(url, { method: 'POST', headers }, JSON.stringify(message))).resume();
      if (statusCode !== 202) throw new Error(`a notification was answered with ${statusCode}`);
    },
    close: async () => closing.abort(),
  };
}

async function readMessages(answer: IncomingMessage, receive: Receive): Promise<void> {
  if (answer.headers['content-type']?.startsWith('text/event-stream') === true) {
    for await (const { data } of eventsOf(answer)) receive(data);
    return;
  }
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(Buffer.from(chunk));
  receive(Buffer.concat(chunks).toString());
}
