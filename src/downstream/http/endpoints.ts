import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../../clock.ts';
import { RunError, toRunError } from '../../errors.ts';
import type { EndpointOptions, Listener } from '../listeners.ts';
import { Admission } from './admit/admission.ts';
import { readJsonBodies } from './admit/body.ts';
import { addCors } from './admit/cors.ts';
import { createParameterHeaders } from './admit/parameter-headers.ts';
import { declareRoute, type FindServer } from './declare-route.ts';
import { Failures } from './failures.ts';
import { createHealthRoutes, probesBelow } from './health.ts';
import { pathOf, ServerNames } from './paths.ts';
import { sendEmpty } from './responses/reply.ts';
import type { Route, RouteContext } from './route.ts';
import { Sessions } from './sessions.ts';
import { createSseRoutes } from './sse/routes.ts';
import { createStreamableRoutes } from './streamable/routes.ts';
import { createStatelessRoutes } from './streamable/stateless.ts';
import { Ticker } from './ticker.ts';

const TICK_MS = 1_000;
/** The methods that any route handles. */
const HANDLED_METHODS = 'GET, POST, DELETE';

export interface HttpEndpointsOptions extends EndpointOptions {
  /** The addresses that the HTTP server is bound to; none for requests that come another way. */
  readonly boundTo: () => readonly string[];
  /** In front of all paths; empty for none. */
  readonly prefix: string;
}

/**
 * MCP's endpoints on a Fastify instance, which is that of `mcp-run serve` or of another application: every path is a route
 * of it, and admission is one hook in front of them all.
 */
export class HttpEndpoints implements Listener {
  readonly url = undefined;
  readonly #options: HttpEndpointsOptions;
  readonly #admission: Admission;
  readonly #failures: Failures;
  readonly #names: ServerNames;
  readonly #sessions: Sessions;
  readonly #ticker: Ticker;
  readonly #routes: readonly Route[];
  readonly #drainHandlers: (() => void)[] = [];
  #isDraining = false;

  constructor(options: HttpEndpointsOptions, clock: Clock) {
    this.#options = options;
    const probes = options.health ? probesBelow(options.prefix) : new Map();
    this.#admission = new Admission({ ...options, probes });
    this.#failures = new Failures(options);
    this.#names = new ServerNames(options.servers);
    this.#sessions = new Sessions(options.maxSessions, options.sessionIdleMs);
    this.#ticker = new Ticker(clock, Math.min(TICK_MS, options.keepAliveMs));
    this.#ticker.onTick((now) => this.#sessions.tick(now));
    this.#routes = this.#createRoutes(clock);
  }

  /**
   * Declares hooks, body parser, error handler and routes.
   * @param scope an encapsulated instance: the routes of others meet none of it
   */
  async declare(scope: FastifyInstance): Promise<void> {
    const { bodyLimitBytes, health } = this.#options;
    scope.decorateRequest('mcpRun', null);
    await this.#addCors(scope);
    // Behind all hooks of the application, those too that its plugins add to routes: a rate limit counts what is rejected.
    scope.addHook('onRoute', (route) => {
      route.onRequest = [route.onRequest ?? [], this.#admission.onRequest].flat();
    });
    scope.setErrorHandler<Error>((error, request, reply) => this.#failures.answer(error, request, reply));
    readJsonBodies(scope, bodyLimitBytes);
    for (const route of this.#routes) this.#declareEndpoint(scope, route);
    if (health) this.#declareHealth(scope);
  }

  /** Answers requests for all other paths with 404. @param scope an encapsulated instance without a prefix */
  async declareUnknown(scope: FastifyInstance): Promise<void> {
    await this.#addCors(scope);
    // Other clients do not learn which paths there are.
    scope.addHook('onRequest', this.#admission.onRequest);
    scope.decorateRequest('mcpRun', null);
    scope.setErrorHandler<Error>((error, request, reply) => this.#failures.answer(error, request, reply));
    const known = new Set(scope.supportedMethods);
    const reject = ({ raw: { method = '', url = '' } }: FastifyRequest, reply: FastifyReply): void => {
      // Otherwise a page could not read that there is nothing.
      if (method === 'OPTIONS' && reply.hasHeader('access-control-allow-origin'))
        return sendEmpty(reply, 204);
      if (known.has(method)) throw new RunError('NOT_FOUND', { path: pathOf(url) });
      // A method such as PROPFIND, for which Fastify finds no route.
      void reply.header('allow', HANDLED_METHODS);
      throw new RunError('METHOD_NOT_ALLOWED', { method });
    };
    // Before the body is read.
    scope.addHook('preParsing', reject);
    scope.setNotFoundHandler(reject);
  }

  /** Answers a request that no route can be found for; a client that is not admitted does not learn that. */
  async rejectUnroutable(request: FastifyRequest, reply: FastifyReply, reason: RunError): Promise<void> {
    try {
      await this.#admission.admit(request);
      this.#failures.answer(reason, request, reply);
    } catch (error) {
      this.#failures.answer(toRunError(error), request, reply);
    }
  }

  /** Has `handler` called about once a second. */
  onTick(handler: (now: number) => void): void {
    this.#ticker.onTick(handler);
  }

  start(): void {
    this.#ticker.start();
  }

  /** Ends the session that the principal left idle longest; false if there is none. */
  evictIdle(principalId: string, server: string | undefined): boolean {
    return this.#sessions.evictIdle(principalId, server);
  }

  /** Rejects new work with 503 and lets running calls finish. */
  drain(): void {
    this.#isDraining = true;
    for (const drain of this.#drainHandlers) drain();
  }

  async close(): Promise<void> {
    this.#isDraining = true;
    this.#ticker.stop();
    await this.#sessions.closeAll();
  }

  #createRoutes(clock: Clock): readonly Route[] {
    const { http, sse, stateless } = this.#options;
    const context: RouteContext = {
      options: this.#options,
      sessions: this.#sessions,
      parameters: createParameterHeaders(),
      clock,
      refuseWhenDraining: () => this.#refuseWhenDraining(),
      onTick: (handler) => this.onTick(handler),
      onDrain: (handler) => void this.#drainHandlers.push(handler),
    };
    const createHttpRoutes = stateless ? createStatelessRoutes : createStreamableRoutes;
    return [...(http ? createHttpRoutes(context) : []), ...(sse ? createSseRoutes(context) : [])];
  }

  async #addCors(scope: FastifyInstance): Promise<void> {
    const { cors, log } = this.#options;
    if (cors.length === 0) return;
    // A plugin of the application has answered preflights before any hook of this scope.
    if (scope.hasRequestDecorator('corsPreflightEnabled')) {
      const text = "`cors` in the manifest adds no headers: the application's own @fastify/cors does";
      log.warn({ event: 'http.cors-ignored' }, text);
    } else await addCors(scope, cors, this.#admission);
  }

  #refuseWhenDraining(): void {
    if (this.#isDraining) throw new RunError('SHUTTING_DOWN');
  }

  /** Each server under its name, and a single one without it as well. */
  #declareEndpoint(scope: FastifyInstance, route: Route): void {
    const [only, ...others] = this.#options.servers;
    const byName: FindServer = ({ params }) => this.#names.find(params);
    for (const path of this.#names.pathsTo(route.path)) this.#declareBoth(scope, path, route, byName);
    if (only !== undefined && others.length === 0) this.#declareBoth(scope, route.path, route, () => only);
  }

  /** A slash at the end makes no difference. */
  #declareBoth(scope: FastifyInstance, path: string, route: Route, findServer: FindServer): void {
    declareRoute(scope, path, route, findServer, this.#failures);
    // Where the router ignores it, the second path would be the first one again.
    const { routerOptions, ignoreTrailingSlash } = scope.initialConfig;
    if (routerOptions?.ignoreTrailingSlash !== true && ignoreTrailingSlash !== true)
      declareRoute(scope, `${path}/`, route, findServer, this.#failures);
  }

  #declareHealth(scope: FastifyInstance): void {
    const { readiness } = this.#options;
    const isAuthenticated = (request: FastifyRequest) => this.#admission.isAuthenticated(request);
    for (const route of createHealthRoutes({ readiness, isAuthenticated }))
      declareRoute(scope, route.path, route, () => '', this.#failures);
  }
}
