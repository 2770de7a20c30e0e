import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIPv6, type AddressInfo } from 'node:net';
import type { Clock } from '../../clock.ts';
import { RunError } from '../../errors.ts';
import { callbackPage } from './callback-page.ts';

/** What the browser came back with. */
export interface Callback {
  readonly params: URLSearchParams;
  /** Shows the user how it ended. */
  show(status: number, title: string, text: string): void;
}

export interface CallbackServer {
  /** Where the authorization server sends the browser. */
  readonly redirectUri: string;
  /** The first request with this state; others are refused. */
  wait(state: string, signal: AbortSignal): Promise<Callback>;
  close(): Promise<void>;
}

export interface CallbackOptions {
  readonly server: string;
  /** Of the redirect URI; we listen on the loopback interface in any case. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly clock: Clock;
}

const PATH = '/callback';
/** How long connections may take to close by themselves, in ms. */
const CLOSE_MS = 500;
/** How many ports behind a taken one are tried before any free one will do. */
const NEXT_PORTS = 10;

/** @throws RunError `AUTHORIZATION_FAILED` */
export async function openCallbackServer({
  server,
  host,
  port,
  clock,
}: CallbackOptions): Promise<CallbackServer> {
  const name = host.replace(/^\[(.*)\]$/, '$1');
  const waiting = new Map<string, (callback: Callback) => void>();
  const http = createServer({ requestTimeout: 10_000 }, (request, response) => {
    handle(request, response, waiting);
  });
  const address = isIPv6(name) ? '::1' : '127.0.0.1';
  const bound = await listenOnFirst(http, address, port).catch((error: unknown) => {
    const detail = `no port for the browser to return to: ${error instanceof Error ? error.message : String(error)}`;
    throw new RunError('AUTHORIZATION_FAILED', { server, detail }, { cause: error });
  });

  return {
    redirectUri: `http://${isIPv6(name) ? `[${name}]` : name}:${bound}${PATH}`,
    wait: (state, signal) =>
      new Promise((resolve, reject) => {
        const give = (): void => {
          waiting.delete(state);
          reject(signal.reason);
        };
        if (signal.aborted) {
          give();
          return;
        }
        signal.addEventListener('abort', give, { once: true });
        waiting.set(state, (callback) => {
          waiting.delete(state);
          signal.removeEventListener('abort', give);
          resolve(callback);
        });
      }),
    close: () =>
      new Promise((resolve) => {
        http.close(() => resolve());
        // A browser keeps connections open for nothing.
        http.closeIdleConnections();
        clock.after(CLOSE_MS, () => http.closeAllConnections());
      }),
  };
}

function handle(
  request: IncomingMessage,
  response: ServerResponse,
  waiting: ReadonlyMap<string, (callback: Callback) => void>,
): void {
  const show = (status: number, title: string, text: string): void => {
    response.writeHead(status, {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
      'referrer-policy': 'no-referrer',
      connection: 'close',
    });
    response.end(callbackPage(title, text));
  };
  const url = URL.canParse(request.url ?? '', 'http://callback')
    ? new URL(request.url ?? '', 'http://callback')
    : undefined;
  if (request.method !== 'GET' || url?.pathname !== PATH) {
    show(404, 'Not found', 'There is nothing here.');
    return;
  }
  const resume = waiting.get(url.searchParams.get('state') ?? '');
  if (resume === undefined) {
    show(400, 'Not expected', 'This does not belong to an authorization that is under way. Start it again.');
    return;
  }
  resume({ params: url.searchParams, show });
}

async function listenOnFirst(http: Server, address: string, wanted: number): Promise<number> {
  const ports = wanted === 0 ? [] : Array.from({ length: NEXT_PORTS }, (_, index) => wanted + index);
  for (const port of ports.filter((each) => each < 65_536)) {
    try {
      return await listen(http, address, port);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    }
  }
  return await listen(http, address, 0);
}

function listen(http: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    http.once('error', reject);
    http.listen({ host, port, exclusive: true }, () => {
      http.off('error', reject);
      const address: AddressInfo | string | null = http.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}
