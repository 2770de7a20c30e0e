import type { FastifyInstance, FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify';
import { RunError } from '../../errors.ts';
import { prepareBody } from './admit/body.ts';
import type { Failures } from './failures.ts';
import { pathOf } from './paths.ts';
import { hasClosed } from './responses/on-finished.ts';
import { sendEmpty } from './responses/reply.ts';
import type { Handler, HttpCall, Route } from './route.ts';

/** The server that a request is for; undefined if its path names none. */
export type FindServer = (request: FastifyRequest) => string | undefined;

/** Declares one path with all methods: those without a handler are answered with 405. */
export function declareRoute(
  scope: FastifyInstance,
  url: string,
  { handlers }: Route,
  findServer: FindServer,
  failures: Failures,
): void {
  const byMethod = new Map(Object.entries(handlers));
  const allow = [...byMethod.keys()].join(', ');

  scope.route({
    method: scope.supportedMethods,
    url,
    exposeHeadRoute: false,
    // After admission, and before the body is read.
    preParsing(request, reply, _body, done) {
      const { method = '', url: target = '' } = request.raw;
      const server = findServer(request);
      if (server === undefined || hasFragment(target))
        return done(new RunError('NOT_FOUND', { path: pathOf(target) }));
      if (!byMethod.has(method)) return refuseMethod(method, reply, allow, done);
      if (request.mcpRun !== null) request.mcpRun.server = server;
      prepareBody(request.raw);
      done();
    },
    handler: handlerOf(byMethod, failures),
  });
}

/** Fastify takes a fragment off, and no target has one (RFC 9112, section 3.2). */
function hasFragment(target: string): boolean {
  return target.includes('#') && pathOf(target).includes('#');
}

function refuseMethod(
  method: string,
  reply: FastifyReply,
  allow: string,
  done: (error: Error) => void,
): void {
  void reply.header('allow', allow);
  if (method === 'OPTIONS') sendEmpty(reply, 204);
  else done(new RunError('METHOD_NOT_ALLOWED', { method }));
}

function handlerOf(byMethod: ReadonlyMap<string, Handler>, failures: Failures): RouteHandlerMethod {
  return (request, reply) => {
    // Its client has left while a hook or the proof of its identity took time.
    if (hasClosed(reply.raw)) return;
    try {
      const handle = byMethod.get(request.raw.method ?? '');
      handle?.(callOf(request, reply))?.catch((error: unknown) => failures.fail(reply, error));
    } catch (error) {
      failures.fail(reply, error);
    }
  };
}

function callOf({ mcpRun, body, raw }: FastifyRequest, reply: FastifyReply): HttpCall {
  const { principal, server } = mcpRun ?? {};
  if (principal === undefined || server === undefined)
    throw new RunError('INTERNAL', { detail: 'the request has not been admitted' });
  return {
    request: raw,
    reply,
    body: body instanceof Buffer && body.length > 0 ? body : undefined,
    server,
    principal,
  };
}
