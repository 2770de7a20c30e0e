import { isRunError, RunError } from '../../../errors.ts';
import { parseClientBody } from '../../../protocol/client-message.ts';
import type { Frame } from '../../../protocol/frame.ts';
import { requireAccept } from '../admit/accept-header.ts';
import { createModernPosts } from '../modern/posts.ts';
import { isModern, isModernHead } from '../modern/request.ts';
import { requireRepeated } from '../admit/repeated-values.ts';
import { sendEmpty, sendFault } from '../responses/reply.ts';
import { requireBatch, requireRevision } from '../admit/revision.ts';
import type { HttpCall, Route, RouteContext } from '../route.ts';
import { createSessionId } from '../sessions.ts';
import { createStreamableSession, type StreamableSession } from './session.ts';
import { observeTools } from '../tool-lists.ts';

const JSON_ONLY = ['application/json'];
const POST_TYPES = ['application/json', 'text/event-stream'];

/** Streamable HTTP with sessions: one path for POST, GET and DELETE (2025-11-25, basic/transports). */
export function createStreamableRoutes(context: RouteContext): [path: string, route: Route][] {
  const { options, sessions, parameters, refuseWhenDraining } = context;
  const modern = createModernPosts(context);
  const { jsonResponse } = options;
  const types = jsonResponse ? JSON_ONLY : POST_TYPES;
  return [[options.httpPath, { POST: post, ...(jsonResponse ? {} : { GET: get }), DELETE: remove }]];

  function post(call: HttpCall): void | Promise<void> {
    const { request, response, body } = call;
    requireAccept(request, types);
    if (body === undefined) throw new RunError('PARSE_ERROR', { detail: 'the body is empty' });
    const parsed = parseClientBody(body);
    if (isModern(request, parsed)) return modern.post(call, parsed);
    if (Array.isArray(parsed)) {
      requireRevision(request);
      requireRepeated(call, parsed, context);
      if (parsed.some(({ kind }) => kind === 'request')) refuseWhenDraining();
      return batchSession(call, parsed).receive(parsed, true, response);
    }
    try {
      requireRevision(request);
      requireRepeated(call, [parsed], context);
      if (parsed.kind === 'request') refuseWhenDraining();
      return receive(call, parsed);
    } catch (error) {
      if (!isRunError(error)) throw error;
      sendFault(response, error, parsed.kind === 'request' ? parsed.id : undefined);
    }
  }

  function get(call: HttpCall): void {
    if (isModernHead(call.request)) return refuseMethod(call);
    requireAccept(call.request, ['text/event-stream']);
    requireRevision(call.request);
    const lastEventId = call.request.headers['last-event-id'];
    existingSession(call).openStream(
      call.response,
      typeof lastEventId === 'string' ? lastEventId : undefined,
    );
  }

  async function remove(call: HttpCall): Promise<void> {
    if (isModernHead(call.request)) return refuseMethod(call);
    requireRevision(call.request);
    const session = existingSession(call);
    sendEmpty(call.response, 204);
    await session.close();
  }

  /** Without sessions there is nothing to stream and nothing to end (2026-07-28, basic/transports/streamable-http). */
  function refuseMethod({ request, response }: HttpCall): void {
    const { method = '' } = request;
    sendFault(response, new RunError('METHOD_NOT_ALLOWED', { method }), undefined, { allow: 'POST' });
  }

  function receive(call: HttpCall, frame: Frame): void | Promise<void> {
    const isInitialize = frame.kind === 'request' && frame.method === 'initialize';
    const isNew = isInitialize && call.request.headers['mcp-session-id'] === undefined;
    const session = isNew ? newSession(call) : existingSession(call);
    try {
      return session.receive([frame], false, call.response);
    } catch (error) {
      // Nobody was told its id.
      if (isNew) void session.close();
      throw error;
    }
  }

  function batchSession(call: HttpCall, frames: readonly Frame[]): StreamableSession {
    const session = existingSession(call);
    requireBatch(frames, session.revision);
    return session;
  }

  function existingSession({ request, server, principal }: HttpCall): StreamableSession {
    const id = request.headers['mcp-session-id'];
    if (typeof id !== 'string' || id === '') throw new RunError('SESSION_REQUIRED');
    return sessions.find('streamable', id, server, principal);
  }

  function newSession({ server, principal }: HttpCall): StreamableSession {
    options.admit(server);
    sessions.makeRoom(principal);
    const session = createStreamableSession({
      id: createSessionId(),
      server,
      principal,
      resumeLimitBytes: options.resumeLimitBytes,
      keepAliveMs: options.keepAliveMs,
      jsonResponse,
      onEnd: sessions.remove,
    });
    const link = observeTools(session.link, (answer) => parameters.learn(principal, server, answer));
    options.accept(link, server, 'conversation');
    sessions.add(session);
    return session;
  }
}
