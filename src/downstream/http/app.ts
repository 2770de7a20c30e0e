import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { fastify, type FastifyInstance } from 'fastify';
import { RunError } from '../../errors.ts';
import { pathOf } from './paths.ts';
import type { Route } from './route.ts';

export interface AppOptions {
  /** One for each address; it has Fastify's own handler for what is not an endpoint of MCP. */
  readonly createServer: (handler: Handler) => Server;
  /** Whether the head of a request may go on. @throws RunError */
  readonly admit: (request: IncomingMessage, response: ServerResponse) => void;
  /** The same for what is open to probes. @throws RunError */
  readonly admitProbe: (path: string, request: IncomingMessage, response: ServerResponse) => void;
  /** Handles a request of a route; never throws. */
  readonly run: (route: Route, request: IncomingMessage, response: ServerResponse) => void;
  readonly fail: (response: ServerResponse, error: unknown) => void;
  /** Open to everyone. */
  readonly open: readonly (readonly [path: string, route: Route])[];
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'];

/** What listens, and serves everything but MCP: those endpoints are looked up before Fastify's routing, see `server.ts`. */
export function createApp(options: AppOptions): FastifyInstance {
  const { createServer, admit, admitProbe, run, fail, open } = options;
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
      try {
        admit(raw, reply.raw);
        throw new RunError('INVALID_REQUEST', {
          detail: `the path ${pathOf(raw.url ?? '')} cannot be decoded`,
        });
      } catch (error) {
        fail(reply.raw, error);
      }
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
          // Only a path that is written as probes write it is open to them.
          if (pathOf(raw.url ?? '') !== url) admit(raw, reply.raw);
          admitProbe(url, raw, reply.raw);
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
      refuseUnknown(request.raw, reply.raw);
    } catch (error) {
      fail(reply.raw, error);
    }
  });
  app.addHook('preClose', (done) => {
    for (const server of servers) server.closeAllConnections();
    done();
  });
  return app;

  /** A client that is not let in does not learn which paths there are. */
  function refuseUnknown(request: IncomingMessage, response: ServerResponse): never {
    admit(request, response);
    throw new RunError('NOT_FOUND', { path: pathOf(request.url ?? '') });
  }
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
