import { createServer, ServerResponse, type IncomingMessage, type Server } from 'node:http';
import { RunError, toRunError } from '../../errors.ts';
import { faultFrame } from '../../protocol/fault.ts';
import type { HttpOptions, Listener } from '../listeners.ts';
import { challengeFor, createAuthenticate } from './admit/authenticate.ts';
import { createApp, listen, type Handler } from './app.ts';
import { readBody } from './admit/body.ts';
import { createConnections } from './admit/connections.ts';
import { createGuard } from './admit/guard.ts';
import { createHealthRoutes, LIVENESS_PATH } from './health.ts';
import { createParameterHeaders } from './admit/parameter-headers.ts';
import { createPaths } from './paths.ts';
import { sendEmpty, sendFault, sendJson } from './responses/reply.ts';
import type { HttpCall, Route, RouteContext } from './route.ts';
import { createSessions } from './sessions.ts';
import { requireSingleHeaders } from './admit/single-headers.ts';
import { createSseRoutes } from './sse/routes.ts';
import { createStatelessRoutes } from './streamable/stateless.ts';
import { createStreamableRoutes } from './streamable/routes.ts';
import { answerClientError } from './responses/client-error.ts';

const TICK_MS = 1_000;
/** How often Node looks for requests that take too long to come. */
const MAX_CHECK_MS = 5_000;
/** How long a connection may rest between two requests: longer than load balancers keep theirs, so that they close first. */
const CONNECTION_IDLE_MS = 72_000;
/** Methods whose bodies mean nothing (RFC 9110, section 9.3). */
const BODILESS = new Set(['GET', 'HEAD', 'TRACE']);

/**
 * Starts the HTTP listener for both HTTP transports.
 * @throws RunError `PORT_IN_USE`, `LISTEN_FAILED`
 */
export async function startHttpListener(options: HttpOptions): Promise<Listener> {
  const sessions = createSessions(options.maxSessions, options.sessionIdleMs);
  // One timer for everything that waits: a timer each would be paid for on every request.
  const tickHandlers: ((now: number) => void)[] = [sessions.tick];
  const drainHandlers: (() => void)[] = [];
  const ticker = setInterval(
    () => tickHandlers.forEach((tick) => tick(Date.now())),
    Math.min(TICK_MS, options.keepAliveMs),
  );
  ticker.unref();
  const guard = createGuard(options);
  const authenticate = createAuthenticate(options.tokens);
  const paths = createPaths();
  const connections = createConnections(options.maxConnections, options.log);
  tickHandlers.push(connections.tick);
  let isDraining = false;

  const onTick = (handler: (now: number) => void): void => void tickHandlers.push(handler);
  const onDrain = (handler: () => void): void => void drainHandlers.push(handler);
  const parameters = createParameterHeaders();
  const context: RouteContext = { options, sessions, parameters, refuseWhenDraining, onTick, onDrain };
  const createHttpRoutes = options.stateless ? createStatelessRoutes : createStreamableRoutes;
  addRoutes([
    ...(options.http ? createHttpRoutes(context) : []),
    ...(options.sse ? createSseRoutes(context) : []),
  ]);

  const app = createApp({
    createServer: createHttpServer,
    admit,
    admitProbe,
    run: runOpen,
    fail,
    open: createHealthRoutes({ readiness: options.readiness, isLetIn }),
  });
  const url = await listen(app, options.host, options.port);
  return {
    url,
    evictIdle: sessions.evictIdle,
    drain() {
      isDraining = true;
      for (const drain of drainHandlers) drain();
    },
    async close() {
      isDraining = true;
      clearInterval(ticker);
      await sessions.closeAll();
      await app.close();
    },
  };

  function refuseWhenDraining(): void {
    if (isDraining) throw new RunError('SHUTTING_DOWN');
  }

  /** Each server under its name, and a single one without it as well. */
  function addRoutes(routes: readonly [path: string, route: Route][]): void {
    const [only, ...others] = options.servers;
    for (const [path, route] of routes) {
      for (const name of options.servers) paths.add(name, path, route, name);
    }
    if (only === undefined || others.length > 0) return;
    for (const [path, route] of routes) paths.add(undefined, path, route, only);
  }

  function createHttpServer(others: Handler): Server {
    const server = createServer({
      // The same deadline for a request, its head, and a connection that never sends one.
      headersTimeout: options.receiveTimeoutMs,
      requestTimeout: options.receiveTimeoutMs,
      connectionsCheckingInterval: Math.min(MAX_CHECK_MS, options.receiveTimeoutMs),
      keepAliveTimeout: CONNECTION_IDLE_MS,
      maxHeaderSize: options.headerLimitBytes,
      // A missing Host is for the guard to refuse, in our own form.
      requireHostHeader: false,
    });
    // Node leaves out what is over a number of headers, a second Host among them; their size is bounded.
    server.maxHeadersCount = 0;
    connections.watch(server);
    server.on('request', (request, response) => receive(request, response, others));
    server.on('clientError', answerClientError);
    server.on('checkExpectation', refuseExpectation);
    return server;
  }

  /** MCP's endpoints are found without Fastify's routing, body parser and reply, which cost a fifth of a small call. */
  function receive(request: IncomingMessage, response: ServerResponse, others: Handler): void {
    try {
      const { method = '', url: target = '' } = request;
      const place = paths.find(target);
      if (place === undefined) return others(request, response);
      const principal = admit(request, response);
      const handle = place.handlers.get(method);
      if (handle === undefined) return refuseMethod(method, response, place.allow);
      const { server } = place;
      if (BODILESS.has(method)) return run(handle, { request, response, body: undefined, server, principal });
      readBody(request, options.bodyLimitBytes, (body, error) => {
        if (error === undefined) run(handle, { request, response, body, server, principal });
        else sendFault(response, error);
      });
    } catch (error) {
      fail(response, error);
    }
  }

  /** What is decided from the head alone, before the body is read. @returns the principal. @throws RunError */
  function admit(request: IncomingMessage, response: ServerResponse): string {
    requireSingleHeaders(request);
    guard.check(request, response);
    // Browsers send no token with the question whether they may send one.
    const principal = request.method === 'OPTIONS' ? '' : authenticate(request);
    const encoding = request.headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') {
      throw new RunError('UNSUPPORTED_MEDIA_TYPE', { detail: `content-encoding ${encoding}` });
    }
    return principal;
  }

  /** Probes need no token; liveness is answered by any Host. @throws RunError */
  function admitProbe(path: string, request: IncomingMessage, response: ServerResponse): void {
    requireSingleHeaders(request);
    if (path === LIVENESS_PATH) guard.checkTarget(request);
    else guard.checkProbe(request, response);
  }

  /** Without tokens every client is anonymous. */
  function isLetIn(request: IncomingMessage): boolean {
    if (options.tokens.length === 0) return false;
    try {
      guard.check(request, new ServerResponse(request));
      authenticate(request);
      return true;
    } catch {
      return false;
    }
  }

  function runOpen(route: Route, request: IncomingMessage, response: ServerResponse): void {
    const { method = '' } = request;
    const handle = Object.hasOwn(route, method) ? route[method] : undefined;
    if (handle === undefined) refuseMethod(method, response, Object.keys(route).join(', '));
    else run(handle, { request, response, body: undefined, server: '', principal: '' });
  }

  function run(handle: Route[string], call: HttpCall): void {
    try {
      handle(call)?.catch((error: unknown) => fail(call.response, error));
    } catch (error) {
      fail(call.response, error);
    }
  }

  function fail(response: ServerResponse, thrown: unknown): void {
    const error = toRunError(thrown);
    if (error.code === 'INTERNAL')
      options.log.error({ event: 'http.internal-error', err: thrown }, error.message);
    // An event stream has no way to say it: the client finds out by its end.
    if (response.headersSent) response.destroy();
    else
      sendFault(response, error, undefined, error.code === 'UNAUTHORIZED' ? challengeFor(response.req) : {});
  }
}

function refuseMethod(method: string, response: ServerResponse, allow: string): void {
  if (method === 'OPTIONS') sendEmpty(response, 204, { allow });
  else sendFault(response, new RunError('METHOD_NOT_ALLOWED', { method }), undefined, { allow });
}

function refuseExpectation(_request: IncomingMessage, response: ServerResponse): void {
  const error = new RunError('INVALID_REQUEST', {
    detail: 'expectations other than 100-continue are not supported',
  });
  void sendJson(response, 417, faultFrame(error, undefined).bytes);
}
