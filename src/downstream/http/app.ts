import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { fastify, type FastifyInstance } from 'fastify';
import { RunError } from '../../errors.ts';
import type { HttpEndpoints } from './endpoints.ts';
import { pathOf } from './paths.ts';

export interface AppOptions {
  /** One for each address; it has Fastify's own handler. */
  readonly createServer: (handler: (request: IncomingMessage, response: ServerResponse) => void) => Server;
  readonly endpoints: HttpEndpoints;
}

/** The Fastify application of `mcp-run serve`: MCP's endpoints, and 404 for any other path. */
export async function createApp({ createServer, endpoints }: AppOptions): Promise<FastifyInstance> {
  const servers = new Set<Server>();
  const app = fastify({
    serverFactory(handler) {
      const server = createServer(handler);
      servers.add(server);
      return server;
    },
    // The size of the head bounds it.
    routerOptions: { maxParamLength: Number.MAX_SAFE_INTEGER },
    // Draining is ours to announce, with a JSON-RPC body.
    return503OnClosing: false,
    frameworkErrors: (_error, request, reply) =>
      void endpoints.rejectUnroutable(request, reply, undecodablePath(request.raw)),
  });
  await app.register((scope) => endpoints.declare(scope));
  await app.register((scope) => endpoints.declareUnknown(scope));
  app.addHook('preClose', (done) => {
    for (const server of servers) server.closeAllConnections();
    done();
  });
  return app;
}

function undecodablePath({ url = '' }: IncomingMessage): RunError {
  return new RunError('INVALID_REQUEST', { detail: `the path ${pathOf(url)} cannot be decoded` });
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
