/** Texts to and from a server, over each transport. */
import { spawn } from 'node:child_process';
import type { IncomingMessage } from 'node:http';
import { EventSource } from 'eventsource';
import { onTestFinished } from 'vitest';
import type { Endpoint } from './clients.ts';
import { inheritedEnvironment } from './environment.ts';
import { eventsOf, MCP_HEADERS, open, post, postOpen } from './http.ts';
import { PATIENCE_MS } from './patience.ts';

export interface Wire {
  /** Resolves when the message is on its way, not when it is answered. */
  send(line: string): Promise<void>;
  close(): Promise<void>;
}

type Receive = (line: string) => void;

/** Opens a connection that closes itself when the test is over. */
export async function openWire(endpoint: Endpoint, receive: Receive): Promise<Wire> {
  const wire = await opened(endpoint, receive);
  onTestFinished(() => wire.close());
  return wire;
}

function opened(endpoint: Endpoint, receive: Receive): Promise<Wire> | Wire {
  switch (endpoint.kind) {
    case 'stdio':
      return openStdio(endpoint, receive);
    case 'sse':
      return openSse(endpoint.url, receive);
    case 'http':
      return openHttp(endpoint.url, receive);
  }
}

function openStdio({ command, args, env }: Extract<Endpoint, { kind: 'stdio' }>, receive: Receive): Wire {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'], env: inheritedEnvironment(env) });
  child.stdin.on('error', () => {});
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let rest = Buffer.alloc(0);
  child.stdout.on('data', (chunk: Buffer) => {
    // Not readline: it would also break lines at U+2028.
    rest = Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
      const line = rest.subarray(0, end).toString();
      rest = rest.subarray(end + 1);
      receive(line);
    }
  });
  return {
    send: async (line) => void child.stdin.write(`${line}\n`),
    close: async () => {
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
      await ended.finally(() => clearTimeout(timer));
    },
  };
}

async function openSse(url: string, receive: Receive): Promise<Wire> {
  const source = new EventSource(url);
  const messages = await new Promise<string>((resolve, reject) => {
    source.addEventListener('endpoint', ({ data }) => resolve(new URL(String(data), url).href));
    source.addEventListener('error', ({ message }) => reject(new Error(`${url}: ${message}`)));
  });
  source.addEventListener('message', ({ data }) => receive(String(data)));
  return {
    send: async (line) => {
      const { status, text } = await post(messages, line);
      if (status !== 202) throw new Error(`POST ${messages}: ${status} ${text}`);
    },
    close: async () => source.close(),
  };
}

/** Streamable HTTP. The session and its GET stream open with the first answer, which is that to `initialize`. */
function openHttp(url: string, receive: Receive): Wire {
  const abort = new AbortController();
  let headers: Record<string, string> = {};
  // One by one until the session is known; free to overtake each other afterwards.
  return {
    send: async (line) => {
      const answer = await postOpen(url, line, headers);
      const session = answer.headers['mcp-session-id'];
      if (typeof session === 'string' && headers['mcp-session-id'] === undefined) {
        headers = { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' };
        const pushed = await open(url, {
          headers: { ...MCP_HEADERS, accept: 'text/event-stream', ...headers },
          signal: abort.signal,
        });
        void deliver(pushed, receive);
      }
      void deliver(answer, receive);
    },
    close: async () => {
      if (headers['mcp-session-id'] === undefined) return;
      const ended = await open(url, { method: 'DELETE', headers }).catch(() => undefined);
      ended?.resume();
      abort.abort();
    },
  };
}

async function deliver(answer: IncomingMessage, receive: Receive): Promise<void> {
  try {
    if (answer.headers['content-type']?.startsWith('text/event-stream') === true) {
      for await (const { data } of eventsOf(answer)) if (data !== '') receive(data);
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(Buffer.from(chunk));
    const text = Buffer.concat(chunks).toString();
    if (text !== '') receive(text);
  } catch (error) {
    // The connection was cut: whoever waits for a message finds out by waiting.
    if (!(error instanceof Error) || !('code' in error || error.name === 'AbortError')) throw error;
  }
}
