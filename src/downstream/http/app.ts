import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { fastify, type FastifyInstance } from 'fastify';
import { RunError } from '../../errors.ts';
import type { Admission } from './admit/admission.ts';
import type { Dispatcher, Handler } from './dispatcher.ts';
import { LIVENESS_PATH } from './health.ts';
import { pathOf } from './paths.ts';
import type { Route } from './route.ts';

export interface AppOptions {
  /** One for each address; it has Fastify's own handler for what is not an endpoint of MCP. */
  readonly createServer: (handler: Handler) => Server;
  readonly admission: Admission;
  readonly dispatcher: Dispatcher;
  /** Routes that are open to every client. */
  readonly open: readonly (readonly [path: string, route: Route])[];
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'];

/** Listens, and serves everything but MCP: those endpoints are looked up before Fastify's routing, see `dispatcher.ts`. */
export function createApp(options: AppOptions): FastifyInstance {
  const servers = new Set<Server>();
  const app = fastify({
    serverFactory(handler) {
      const server = options.createServer(handler);
      servers.add(server);
      return server;
    },
    exposeHeadRoutes: false,
    // Draining is ours to announce, with a JSON-RPC body.
    return503OnClosing: false,
    frameworkErrors(_error, { raw }, reply) {
      reply.hijack();
      refuse(options, raw, reply.raw, undecodablePath);
    },
  });
  app.removeAllContentTypeParsers();
  // What is not for us is not read.
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  for (const [url, route] of options.open) addOpenRoute(app, options, url, route);
  app.setNotFoundHandler((request, reply) => {
    reply.hijack();
    refuse(options, request.raw, reply.raw, unknownPath);
  });
  app.addHook('preClose', (done) => {
    for (const server of servers) server.closeAllConnections();
    done();
  });
  return app;
}

function addOpenRoute(
  app: FastifyInstance,
  { admission, dispatcher }: AppOptions,
  url: string,
  route: Route,
): void {
  app.route({
    method: METHODS,
    url,
    handler({ raw }, reply) {
      reply.hijack();
      try {
        // Only a path that is written as probes write it is open to them.
        if (pathOf(raw.url ?? '') !== url) admission.admit(raw, reply.raw);
        admission.admitProbe(raw, reply.raw, url === LIVENESS_PATH);
        dispatcher.dispatchOpen(route, raw, reply.raw);
      } catch (error) {
        dispatcher.fail(reply.raw, error);
      }
    },
  });
}

/** A client that is not admitted does not learn which paths there are. @param errorOf the answer to the others */
function refuse(
  { admission, dispatcher }: AppOptions,
  request: IncomingMessage,
  response: ServerResponse,
  errorOf: (path: string) => RunError,
): void {
  try {
    admission.admit(request, response);
    throw errorOf(pathOf(request.url ?? ''));
  } catch (error) {
    dispatcher.fail(response, error);
  }
}

function unknownPath(path: string): RunError {
  return new RunError('NOT_FOUND', { path });
}

function undecodablePath(path: string): RunError {
  return new RunError('INVALID_REQUEST', { detail: `the path ${path} cannot be decoded` });
}

/**
 * @returns where it listens, as a client on this machine would write it
 * @throws RunError `PORT_IN_USE`, `LISTEN_FAILED`
 */
export async function listen(app: FastifyInstance, host: string, port: number): Promise<string> {
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
  return `http://${nameOf(host)}:${bound}`;
}

function nameOf(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}
