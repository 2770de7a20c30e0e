import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { Clock } from '../../clock.ts';
import { RunError } from '../../errors.ts';
import { faultFrame } from '../../protocol/fault.ts';
import type { HttpOptions, Listener } from '../listeners.ts';
import { Admission } from './admit/admission.ts';
import { Connections } from './admit/connections.ts';
import { createParameterHeaders } from './admit/parameter-headers.ts';
import { createApp, listen } from './app.ts';
import { Dispatcher, type Handler } from './dispatcher.ts';
import { createHealthRoutes } from './health.ts';
import { Paths } from './paths.ts';
import { answerClientError } from './responses/client-error.ts';
import { sendJson } from './responses/reply.ts';
import type { Route, RouteContext } from './route.ts';
import { Sessions } from './sessions.ts';
import { createSseRoutes } from './sse/routes.ts';
import { createStreamableRoutes } from './streamable/routes.ts';
import { createStatelessRoutes } from './streamable/stateless.ts';
import { Ticker } from './ticker.ts';

const TICK_MS = 1_000;
/** How often Node looks for requests that take too long to come. */
const MAX_CHECK_MS = 5_000;
/** How long a connection may rest between two requests: longer than load balancers keep theirs, so that they close first. */
const CONNECTION_IDLE_MS = 72_000;

class HttpListener implements Listener {
  readonly #options: HttpOptions;
  readonly #sessions: Sessions;
  readonly #connections: Connections;
  readonly #ticker: Ticker;
  readonly #dispatcher: Dispatcher;
  readonly #app: FastifyInstance;
  readonly #drainHandlers: (() => void)[] = [];
  #isDraining = false;
  #url = '';

  constructor(options: HttpOptions, clock: Clock) {
    this.#options = options;
    this.#sessions = new Sessions(options.maxSessions, options.sessionIdleMs);
    this.#connections = new Connections(options.maxConnections, options.log, clock);
    this.#ticker = new Ticker(clock, Math.min(TICK_MS, options.keepAliveMs));
    this.#ticker.onTick((now) => this.#sessions.tick(now));
    this.#ticker.onTick((now) => this.#connections.tick(now));
    const admission = new Admission(options);
    const paths = pathsOf(options.servers, this.#routes(clock));
    const { bodyLimitBytes, log } = options;
    this.#dispatcher = new Dispatcher({ admission, paths, bodyLimitBytes, log });
    this.#app = createApp({
      createServer: (others) => this.#createServer(others),
      admission,
      dispatcher: this.#dispatcher,
      open: createHealthRoutes({
        readiness: options.readiness,
        isAuthenticated: (request) => admission.isAuthenticated(request),
      }),
    });
  }

  get url(): string {
    return this.#url;
  }

  /** @throws RunError `PORT_IN_USE`, `LISTEN_FAILED` */
  async start(): Promise<void> {
    this.#ticker.start();
    try {
      this.#url = await listen(this.#app, this.#options.host, this.#options.port);
    } catch (error) {
      this.#ticker.stop();
      throw error;
    }
  }

  evictIdle(principal: string, server: string | undefined): boolean {
    return this.#sessions.evictIdle(principal, server);
  }

  drain(): void {
    this.#isDraining = true;
    for (const drain of this.#drainHandlers) drain();
  }

  async close(): Promise<void> {
    this.#isDraining = true;
    this.#ticker.stop();
    await this.#sessions.closeAll();
    await this.#app.close();
  }

  #routes(clock: Clock): readonly [path: string, route: Route][] {
    const { http, sse, stateless } = this.#options;
    const context: RouteContext = {
      options: this.#options,
      sessions: this.#sessions,
      parameters: createParameterHeaders(),
      clock,
      refuseWhenDraining: () => this.#refuseWhenDraining(),
      onTick: (handler) => this.#ticker.onTick(handler),
      onDrain: (handler) => void this.#drainHandlers.push(handler),
    };
    const createHttpRoutes = stateless ? createStatelessRoutes : createStreamableRoutes;
    return [...(http ? createHttpRoutes(context) : []), ...(sse ? createSseRoutes(context) : [])];
  }

  #refuseWhenDraining(): void {
    if (this.#isDraining) throw new RunError('SHUTTING_DOWN');
  }

  #createServer(others: Handler): Server {
    const { receiveTimeoutMs, headerLimitBytes } = this.#options;
    const server = createServer({
      // The same deadline for a request, its head, and a connection that never sends one.
      headersTimeout: receiveTimeoutMs,
      requestTimeout: receiveTimeoutMs,
      connectionsCheckingInterval: Math.min(MAX_CHECK_MS, receiveTimeoutMs),
      keepAliveTimeout: CONNECTION_IDLE_MS,
      maxHeaderSize: headerLimitBytes,
      // A missing Host is for the guard to refuse, in our own form.
      requireHostHeader: false,
    });
    // Node leaves out what is over a number of headers, a second Host among them; their size is bounded.
    server.maxHeadersCount = 0;
    this.#connections.watch(server);
    server.on('request', (request, response) => this.#dispatcher.dispatch(request, response, others));
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

/** Each server under its name, and a single one without it as well. */
function pathsOf(servers: readonly string[], routes: readonly [path: string, route: Route][]): Paths {
  const paths = new Paths();
  const [only, ...others] = servers;
  for (const [path, route] of routes) {
    for (const name of servers) paths.add(name, path, route, name);
  }
  if (only === undefined || others.length > 0) return paths;
  for (const [path, route] of routes) paths.add(undefined, path, route, only);
  return paths;
}

function refuseExpectation(_request: IncomingMessage, response: ServerResponse): void {
  const error = new RunError('INVALID_REQUEST', {
    detail: 'expectations other than 100-continue are not supported',
  });
  void sendJson(response, 417, faultFrame(error, undefined).bytes);
}
