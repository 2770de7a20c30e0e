import type { IncomingMessage, ServerResponse } from 'node:http';
import { fastify, type FastifyError, type FastifyInstance } from 'fastify';
import { RunError, toRunError } from '../../errors.ts';
import type { HttpOptions, Listener } from '../downstream.ts';
import { faultFrame } from '../../protocol/fault.ts';
import { challengeFor, createAuthenticate } from './auth.ts';
import { createGuard } from './guard.ts';
import { createHealthRoutes, HEALTH_PATHS } from './health.ts';
import { sendEmpty, sendFault, sendJson } from './reply.ts';
import type { Route, RouteContext } from './route.ts';
import { createSessions } from './sessions.ts';
import { createSseRoutes } from './sse-routes.ts';
import { createStatelessRoutes } from './stateless-routes.ts';
import { createStreamableRoutes } from './streamable-routes.ts';
import { answerUnreadable } from './unreadable.ts';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'];
const TICK_MS = 1_000;
/** How often Node looks for requests that take too long to come. */
const MAX_CHECK_MS = 5_000;

declare module 'fastify' {
  interface FastifyRequest {
    /** Who sent it; empty on what is open to everyone. */
    principal: string;
  }
}

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
  let isDraining = false;

  const app = fastify({
    bodyLimit: options.bodyLimitBytes,
    forceCloseConnections: true,
    requestTimeout: options.receiveTimeoutMs,
    // The same deadline for the head, and for a connection that never sends one.
    http: {
      headersTimeout: options.receiveTimeoutMs,
      requestTimeout: options.receiveTimeoutMs,
      connectionsCheckingInterval: Math.min(MAX_CHECK_MS, options.receiveTimeoutMs),
      maxHeaderSize: options.headerLimitBytes,
      // A missing Host is for the guard to refuse, in our own form.
      requireHostHeader: false,
    },
    exposeHeadRoutes: false,
    // Draining is ours to announce, with a JSON-RPC body.
    return503OnClosing: false,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 500 },
    clientErrorHandler: answerUnreadable,
    // A path that cannot be decoded, or a name too long to be one of ours: it gets no further than the router.
    frameworkErrors(error, request, reply) {
      reply.hijack();
      const path = pathOf(request.raw);
      const isUnreadable = error.code === 'FST_ERR_BAD_URL';
      sendFault(
        reply.raw,
        isUnreadable
          ? new RunError('INVALID_REQUEST', { detail: `the path ${path} cannot be decoded` })
          : new RunError('NOT_FOUND', { path }),
      );
    },
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  );
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    reply.hijack();
    fail(reply.raw, faultOf(error, request.raw, options.bodyLimitBytes));
  });
  app.setNotFoundHandler((request, reply) => {
    reply.hijack();
    sendFault(reply.raw, new RunError('NOT_FOUND', { path: pathOf(request.raw) }));
  });

  app.decorateRequest('principal', '');
  app.addHook('onRequest', (request, reply, done) => {
    try {
      if (!isProbe(request.raw)) request.principal = admit(request.raw, reply.raw);
      done();
    } catch (error) {
      reply.hijack();
      refuseHead(request.raw, reply.raw, toRunError(error));
    }
  });

  app.server.on('checkExpectation', (_request, response: ServerResponse) => {
    const error = new RunError('INVALID_REQUEST', {
      detail: 'expectations other than 100-continue are not supported',
    });
    void sendJson(response, 417, faultFrame(error, undefined).bytes);
  });

  for (const [path, route] of createHealthRoutes(options)) addRoute(app, path, route, () => '');
  const onTick = (handler: (now: number) => void): void => void tickHandlers.push(handler);
  const onDrain = (handler: () => void): void => void drainHandlers.push(handler);
  const context: RouteContext = { options, sessions, refuseWhenDraining, onTick, onDrain };
  const createHttpRoutes = options.stateless ? createStatelessRoutes : createStreamableRoutes;
  const routes = [
    ...(options.http ? createHttpRoutes(context) : []),
    ...(options.sse ? createSseRoutes(context) : []),
  ];
  const names = new Set(options.servers);
  const [only] = options.servers;
  for (const [path, route] of routes) {
    addRoute(app, `/:server${path}`, route, (name) => {
      if (!names.has(name)) throw new RunError('NOT_FOUND', { path: `/${name}${path}` });
      return name;
    });
    if (names.size === 1 && only !== undefined) addRoute(app, path, route, () => only);
  }

  const url = await listen(app, options);
  return {
    url,
    endIdlest: sessions.endIdlest,
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

  /** What is decided from the head alone, before the body is read. @returns the principal. @throws RunError */
  function admit(request: IncomingMessage, response: ServerResponse): string {
    guard(request, response);
    // Browsers send no token with the question whether they may send one.
    const principal = request.method === 'OPTIONS' ? '' : authenticate(request);
    const encoding = request.headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') {
      throw new RunError('UNSUPPORTED_MEDIA_TYPE', { detail: `content-encoding ${encoding}` });
    }
    return principal;
  }

  /** Hands a request over to its route on the raw streams: Fastify's own reply costs more than the whole relay. */
  function addRoute(
    app: FastifyInstance,
    path: string,
    route: Route,
    serverOf: (param: string) => string,
  ): void {
    const handlers = new Map(Object.entries(route));
    const allow = [...handlers.keys()].join(', ');
    app.route<{ Params: { server?: string } }>({
      method: METHODS,
      url: path,
      handler({ raw, body, method, params, principal }, reply) {
        reply.hijack();
        try {
          const server = serverOf(params.server ?? '');
          const handle = handlers.get(method);
          if (handle === undefined) return refuse(method, reply.raw, allow);
          const call = {
            request: raw,
            response: reply.raw,
            body: Buffer.isBuffer(body) ? body : undefined,
            server,
            principal,
          };
          handle(call)?.catch((error: unknown) => fail(reply.raw, error));
        } catch (error) {
          fail(reply.raw, error);
        }
      },
    });
  }

  function refuse(method: string, response: ServerResponse, allow: string): void {
    if (method === 'OPTIONS') sendEmpty(response, 204, { allow });
    else sendFault(response, new RunError('METHOD_NOT_ALLOWED', { method }), undefined, { allow });
  }

  function fail(response: ServerResponse, thrown: unknown): void {
    const error = toRunError(thrown);
    if (error.code === 'INTERNAL')
      options.log.error({ event: 'http.internal-error', err: thrown }, error.message);
    // An event stream has no way to say it: the client finds out by its end.
    if (response.headersSent) response.destroy();
    else sendFault(response, error);
  }
}

function refuseHead(request: IncomingMessage, response: ServerResponse, error: RunError): void {
  sendFault(response, error, undefined, error.code === 'UNAUTHORIZED' ? challengeFor(request) : {});
}

function pathOf(request: IncomingMessage): string {
  return request.url?.split('?', 1)[0] ?? '';
}

function isProbe(request: IncomingMessage): boolean {
  return HEALTH_PATHS.has(pathOf(request));
}

function faultOf(error: FastifyError, request: IncomingMessage, maxBytes: number): RunError {
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new RunError('BODY_TOO_LARGE', { maxBytes });
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new RunError('UNSUPPORTED_MEDIA_TYPE', {
        detail: request.headers['content-type'] ?? 'no content-type',
      });
    default:
      return (error.statusCode ?? 500) < 500
        ? new RunError('INVALID_REQUEST', { detail: error.message })
        : toRunError(error);
  }
}

async function listen(app: FastifyInstance, { host, port }: HttpOptions): Promise<string> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EADDRINUSE') throw new RunError('PORT_IN_USE', { host, port }, { cause: error });
    const detail = error instanceof Error ? error.message : String(error);
    throw new RunError('LISTEN_FAILED', { host, port, detail }, { cause: error });
  }
  const address = app.server.address();
  const bound = typeof address === 'object' && address !== null ? address.port : port;
  const name =
    host === '0.0.0.0' || host === '::'
      ? '127.0.0.1'
      : host.includes(':') && !host.startsWith('[')
        ? `[${host}]`
        : host;
  return `http://${name}:${bound}`;
}
