/** An HTTP server that does what a test says, and remembers what it was asked. */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { json, type Json } from '../../support/json.ts';

/** A request that has arrived whole, and what becomes of it. */
export interface Call {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The body as one JSON object; empty if it is none. */
  readonly message: Json;
  readonly response: ServerResponse;
  /** Of all that is logged by `at`, when it came. */
  readonly order: number;
  /** Its connection, or the answer, is over. */
  readonly closed: Promise<void>;
  readonly isClosed: boolean;
  /** Answers with a JSON body. */
  json(value: unknown, headers?: Record<string, string>, status?: number): void;
  /** Answers its JSON-RPC request. */
  result(result: Json, headers?: Record<string, string>): void;
  status(status: number, headers?: Record<string, string>, body?: string | Buffer): void;
  /** Begins a stream of events. */
  stream(headers?: Record<string, string>): EventStream;
  destroy(): void;
}

export interface EventStream {
  /** @returns false when it would be better to wait, as of a stream */
  event(data: unknown, fields?: { id?: string; event?: string; retry?: number }): boolean;
  write(text: string): boolean;
  end(): void;
  /** Cuts the connection, behind what has been written. */
  destroy(): void;
}

export interface ScriptedServer {
  readonly url: string;
  readonly calls: readonly Call[];
  /** Connections so far. */
  readonly connections: number;
  readonly openSockets: ReadonlySet<Socket>;
  /** The first call that matches, once there is one. */
  waitFor(matches: (call: Call) => boolean): Promise<Call>;
  /** Calls of one JSON-RPC method, or of an HTTP method. */
  of(method: string): Call[];
  /** Cuts every connection and listens no more; `listen` begins again on the same port. */
  stop(): Promise<void>;
  listen(): Promise<void>;
}

type Handler = (call: Call) => void;

/** The name by which a script knows a call: its JSON-RPC method, `answer`, or else its HTTP method. */
export function nameOf({ method, message }: Pick<Call, 'method' | 'message'>): string {
  const name = message['method'];
  if (typeof name === 'string') return name;
  return 'id' in message ? 'answer' : method;
}

/** Listens on a free port of the loopback until the test is over. */
export async function openScriptedServer(
  handler: Handler,
  create: (listener: RequestListener) => Server = createServer,
): Promise<ScriptedServer> {
  const calls: Call[] = [];
  const watchers = new Set<(call: Call) => void>();
  const openSockets = new Set<Socket>();
  let connections = 0;
  let port = 0;
  const server = create((request, response) => {
    void readCall(request, response, calls.length).then((call) => {
      if (call === undefined) return;
      calls.push(call);
      handler(call);
      for (const watch of watchers) watch(call);
    });
  });
  server.keepAliveTimeout = 60_000;
  server.on('connection', (socket: Socket) => {
    connections += 1;
    openSockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => openSockets.delete(socket));
  });
  await listen();
  onTestFinished(stop);
  const scheme = 'setSecureContext' in server ? 'https' : 'http';

  return {
    url: `${scheme}://127.0.0.1:${port}/mcp`,
    calls,
    get connections() {
      return connections;
    },
    openSockets,
    waitFor(matches) {
      const known = calls.find(matches);
      if (known !== undefined) return Promise.resolve(known);
      return new Promise((resolve) => {
        const watch = (call: Call): void => {
          if (!matches(call)) return;
          watchers.delete(watch);
          resolve(call);
        };
        watchers.add(watch);
      });
    },
    of: (method) => calls.filter((call) => nameOf(call) === method),
    stop,
    listen,
  };

  async function listen(): Promise<void> {
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const address = server.address();
    if (typeof address === 'object' && address !== null) ({ port } = address);
  }

  async function stop(): Promise<void> {
    if (!server.listening) return;
    const ended = new Promise((resolve) => server.close(resolve));
    for (const socket of openSockets) socket.destroy();
    await ended;
  }
}

async function readCall(
  request: IncomingMessage,
  response: ServerResponse,
  order: number,
): Promise<Call | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
  } catch {
    return undefined;
  }
  const body = Buffer.concat(chunks);
  const closed = new Promise<void>((resolve) => response.once('close', resolve));
  response.on('error', () => {});
  const call: Call = {
    method: request.method ?? '',
    path: request.url ?? '',
    headers: request.headers,
    body,
    message: parsed(body),
    response,
    order,
    closed,
    get isClosed() {
      return response.closed;
    },
    json(value, headers = {}, status = 200) {
      call.status(status, { 'content-type': 'application/json', ...headers }, JSON.stringify(value));
    },
    result(result, headers) {
      call.json(answerTo(call, result), headers);
    },
    status(status, headers = {}, text = '') {
      response.writeHead(status, { 'content-length': String(Buffer.byteLength(text)), ...headers });
      response.end(text);
    },
    stream(headers = {}) {
      response.writeHead(200, { 'content-type': 'text/event-stream', ...headers });
      response.flushHeaders();
      return {
        event(data, { id, event, retry } = {}) {
          const lines = [
            ...(event === undefined ? [] : [`event: ${event}`]),
            ...(id === undefined ? [] : [`id: ${id}`]),
            ...(retry === undefined ? [] : [`retry: ${retry}`]),
            `data: ${typeof data === 'string' ? data : JSON.stringify(data)}`,
          ];
          return response.write(`${lines.join('\n')}\n\n`);
        },
        write: (text) => response.write(text),
        end: () => void response.end(),
        destroy: () => void response.write(':\n', () => response.socket?.destroy()),
      };
    },
    destroy: () => void response.socket?.destroy(),
  };
  return call;
}

/** The answer to a call's JSON-RPC request. */
export function answerTo({ message }: Pick<Call, 'message'>, result: Json = {}): Json {
  return { jsonrpc: '2.0', id: message['id'], result };
}

function parsed(body: Buffer): Json {
  try {
    return json(JSON.parse(body.toString()));
  } catch {
    return {};
  }
}
