/** HTTP without a client's conveniences: any header, any body, no retries. */
import { request, type IncomingHttpHeaders, type IncomingMessage, type RequestOptions } from 'node:http';
import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface SseEvent {
  readonly event: string;
  readonly data: string;
  readonly id?: string;
  readonly retry?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export const MCP_HEADERS = {
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
} as const;

/** Sends a request and resolves with its headers; the body is still to be read. */
export function open(
  url: string,
  options: Pick<RequestOptions, 'agent' | 'method' | 'headers' | 'signal'> = {},
  body?: string | Buffer,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { agent: false, ...options }, (incoming) => {
      // Cut streams are what several tests are about.
      incoming.on('error', () => {});
      resolve(incoming);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** Sends a request and reads the whole answer. */
export async function send(...args: Parameters<typeof open>): Promise<Answer> {
  const incoming = await open(...args);
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(Buffer.from(chunk));
  return {
    status: incoming.statusCode ?? 0,
    headers: incoming.headers,
    text: Buffer.concat(chunks).toString(),
  };
}

/** Posts a JSON-RPC message, given as a value or as its text. */
export function post(url: string, message: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  return send(url, { method: 'POST', headers: { ...MCP_HEADERS, ...headers } }, textOf(message));
}

/** As `post`, for an answer that is read as it comes. */
export function postOpen(
  url: string,
  message: unknown,
  headers: Record<string, string> = {},
): Promise<IncomingMessage> {
  return open(url, { method: 'POST', headers: { ...MCP_HEADERS, ...headers } }, textOf(message));
}

/** The events of an SSE body as they arrive; comments are left out. */
export async function* eventsOf(incoming: AsyncIterable<Buffer | string>): AsyncGenerator<SseEvent> {
  let rest = Buffer.alloc(0);
  for await (const chunk of incoming) {
    rest = Buffer.concat([rest, Buffer.from(chunk)]);
    for (let end = rest.indexOf('\n\n'); end !== -1; end = rest.indexOf('\n\n')) {
      const event = parseEvent(rest.subarray(0, end).toString());
      rest = rest.subarray(end + 2);
      if (event !== undefined) yield event;
    }
  }
}

/** A bare TCP connection to the listener at `url`. */
export async function openSocket(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
}

function textOf(message: unknown): string {
  return typeof message === 'string' ? message : JSON.stringify(message);
}

function parseEvent(block: string): SseEvent | undefined {
  const fields = new Map<string, string>();
  for (const line of block.split('\n')) {
    const [, name, value = ''] = /^([^:]+)(?:: ?(.*))?$/.exec(line) ?? [];
    if (name === undefined) continue;
    const before = fields.get(name);
    fields.set(name, name === 'data' && before !== undefined ? `${before}\n${value}` : value);
  }
  if (fields.size === 0) return undefined;
  const [id, retry] = [fields.get('id'), fields.get('retry')];
  return {
    event: fields.get('event') ?? 'message',
    data: fields.get('data') ?? '',
    ...(id !== undefined && { id }),
    ...(retry !== undefined && { retry }),
  };
}
