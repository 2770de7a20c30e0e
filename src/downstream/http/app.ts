import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { fastify, type FastifyInstance } from 'fastify';
import { RunError } from '../../errors.ts';
import { pathOf } from './paths.ts';
import { sendFault } from './reply.ts';
import type { Route } from './route.ts';

export interface AppOptions {
  /** One for each address; it has Fastify's own handler for what is not an endpoint of MCP. */
  readonly createServer: (handler: Handler) => Server;
  /** Whether the head of a request may go on. @throws RunError */
  readonly admit: (request: IncomingMessage, response: ServerResponse) => void;
  /** Handles a request of a route; never throws. */
  readonly run: (route: Route, request: IncomingMessage, response: ServerResponse) => void;
  readonly fail: (response: ServerResponse, error: unknown) => void;
  /** Open to everyone. */
  readonly open: readonly (readonly [path: string, route: Route])[];
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'];

/** What listens, and serves everything but MCP: those endpoints are looked up before Fastify's routing, see `server.ts`. */
export function createApp({ createServer, admit, run, fail, open }: AppOptions): FastifyInstance {
  const servers = new Set<Server>();
  const app = fastify({
    serverFactory(handler) {
      const server = createServer(handler);
      servers.add(server);
      return server;
    },
    exposeHeadRoutes: false,
    // Draining is ours to announce, with a JSON-RPC body.
    return503OnClosing: false,
    frameworkErrors(_error, { raw }, reply) {
      reply.hijack();
      const detail = `the path ${pathOf(raw.url ?? '')} cannot be decoded`;
      sendFault(reply.raw, new RunError('INVALID_REQUEST', { detail }));
    },
  });
  app.removeAllContentTypeParsers();
  // What is not for us is not read.
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  for (const [url, route] of open) {
    app.route({
      method: METHODS,
      url,
      handler({ raw }, reply) {
        reply.hijack();
        try {
          // Only what is written as probes write it is let in unseen.
          if (pathOf(raw.url ?? '') !== url) admit(raw, reply.raw);
          run(route, raw, reply.raw);
        } catch (error) {
          fail(reply.raw, error);
        }
      },
    });
  }
  app.setNotFoundHandler((request, reply) => {
    reply.hijack();
    try {
      admit(request.raw, reply.raw);
      throw new RunError('NOT_FOUND', { path: pathOf(request.raw.url ?? '') });
    } catch (error) {
      fail(reply.raw, error);
    }
  });
  app.addHook('preClose', (done) => {
    for (const server of servers) server.closeAllConnections();
    done();
  });
  return app;
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
