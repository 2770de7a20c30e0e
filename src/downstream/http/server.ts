import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { Clock } from '../../clock.ts';
import { RunError } from '../../errors.ts';
import { faultFrame } from '../../protocol/fault.ts';
import type { HttpOptions, Listener } from '../listeners.ts';
import { Connections } from './admit/connections.ts';
import { createApp, listen } from './app.ts';
import { HttpEndpoints } from './endpoints.ts';
import { answerClientError } from './responses/client-error.ts';

/** How often Node looks for requests that take too long to come. */
const MAX_CHECK_MS = 5_000;
/** How long a connection may rest between two requests: longer than load balancers keep theirs, so that they close first. */
const CONNECTION_IDLE_MS = 72_000;

class HttpListener implements Listener {
  readonly #options: HttpOptions;
  readonly #endpoints: HttpEndpoints;
  readonly #connections: Connections;
  #app: FastifyInstance | undefined;
  #url = '';

  constructor(options: HttpOptions, clock: Clock) {
    this.#options = options;
    this.#endpoints = new HttpEndpoints({ ...options, boundTo: () => [options.host], prefix: '' }, clock);
    this.#connections = new Connections(options.maxConnections, options.log, clock);
    this.#endpoints.onTick((now) => this.#connections.tick(now));
  }

  get url(): string {
    return this.#url;
  }

  /** @throws RunError `PORT_IN_USE`, `LISTEN_FAILED` */
  async start(): Promise<void> {
    const { host, port } = this.#options;
    this.#app = await createApp({
      createServer: (handler) => this.#createServer(handler),
      endpoints: this.#endpoints,
    });
    this.#url = await listen(this.#app, host, port);
    this.#endpoints.start();
  }

  evictIdle(principalId: string, server: string | undefined): boolean {
    return this.#endpoints.evictIdle(principalId, server);
  }

  drain(): void {
    this.#endpoints.drain();
  }

  async close(): Promise<void> {
    await this.#endpoints.close();
    await this.#app?.close();
  }

  #createServer(handler: (request: IncomingMessage, response: ServerResponse) => void): Server {
    const { receiveTimeoutMs, headerLimitBytes } = this.#options;
    const server = createServer(
      {
        // The same deadline for a request, its head, and a connection that never sends one.
        headersTimeout: receiveTimeoutMs,
        requestTimeout: receiveTimeoutMs,
        connectionsCheckingInterval: Math.min(MAX_CHECK_MS, receiveTimeoutMs),
        keepAliveTimeout: CONNECTION_IDLE_MS,
        maxHeaderSize: headerLimitBytes,
        // A missing Host is for the guard to refuse, in our own form.
        requireHostHeader: false,
      },
      handler,
    );
    // Node leaves out what is over a number of headers, a second Host among them; their size is bounded.
    server.maxHeadersCount = 0;
    this.#connections.watch(server);
    server.on('clientError', answerClientError);
    server.on('checkExpectation', refuseExpectation);
    return server;
  }
}

/**
 * Starts the HTTP listener for both HTTP transports.
 * @throws RunError `PORT_IN_USE`, `LISTEN_FAILED`
 */
export async function startHttpListener(options: HttpOptions, clock: Clock): Promise<Listener> {
  const listener = new HttpListener(options, clock);
  await listener.start();
  return listener;
}

/** Node hands it over before Fastify hears of the request. */
function refuseExpectation(_request: IncomingMessage, response: ServerResponse): void {
  const error = new RunError('INVALID_REQUEST', {
    detail: 'expectations other than 100-continue are not supported',
  });
  const { bytes } = faultFrame(error, undefined);
  response.writeHead(417, { 'content-type': 'application/json', 'content-length': bytes.length });
  response.end(bytes);
}
