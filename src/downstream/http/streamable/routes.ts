import { isRunError, RunError } from '../../../errors.ts';
import { parseClientBody } from '../../../protocol/client-message.ts';
import type { Frame } from '../../../protocol/frame.ts';
import { requireAccept } from '../admit/accept-header.ts';
import { requireRepeated } from '../admit/repeated-values.ts';
import { requireBatch, requireRevision } from '../admit/revision.ts';
import { createModernPosts, type ModernPosts } from '../modern/posts.ts';
import { isModern, isModernHead } from '../modern/request.ts';
import { sendEmpty, sendFault } from '../responses/reply.ts';
import type { Handler, HttpCall, Route, RouteContext } from '../route.ts';
import { createSessionId } from '../sessions.ts';
import { observeTools } from '../../../link/observe-tools.ts';
import { StreamableSession } from './session.ts';

const JSON_ONLY = ['application/json'];
const POST_TYPES = ['application/json', 'text/event-stream'];

class StreamableRoutes {
  readonly #context: RouteContext;
  readonly #modern: ModernPosts;
  /** What a client has to accept as the answer to a POST. */
  readonly #types: readonly string[];

  constructor(context: RouteContext) {
    this.#context = context;
    this.#modern = createModernPosts(context);
    this.#types = context.options.jsonResponse ? JSON_ONLY : POST_TYPES;
  }

  post(call: HttpCall): void | Promise<void> {
    const { request, reply, body } = call;
    requireAccept(request, this.#types);
    if (body === undefined) throw new RunError('PARSE_ERROR', { detail: 'the body is empty' });
    const parsed = parseClientBody(body);
    if (isModern(request, parsed)) return this.#modern.post(call, parsed);
    if (Array.isArray(parsed)) return this.#receiveBatch(call, parsed);
    try {
      requireRevision(request);
      requireRepeated(call, [parsed], this.#context);
      if (parsed.kind === 'request') this.#context.refuseWhenDraining();
      return this.#receive(call, parsed);
    } catch (error) {
      if (!isRunError(error)) throw error;
      sendFault(reply, error, parsed.kind === 'request' ? parsed.id : undefined);
    }
  }

  get(call: HttpCall): void {
    if (isModernHead(call.request)) return refuseMethod(call);
    requireAccept(call.request, ['text/event-stream']);
    requireRevision(call.request);
    const lastEventId = call.request.headers['last-event-id'];
    this.#existingSession(call).openStream(
      call.reply,
      typeof lastEventId === 'string' ? lastEventId : undefined,
    );
  }

  async remove(call: HttpCall): Promise<void> {
    if (isModernHead(call.request)) return refuseMethod(call);
    requireRevision(call.request);
    const session = this.#existingSession(call);
    sendEmpty(call.reply, 204);
    await session.close();
  }

  #receive(call: HttpCall, frame: Frame): void | Promise<void> {
    const isInitialize = frame.kind === 'request' && frame.method === 'initialize';
    const isNew = isInitialize && call.request.headers['mcp-session-id'] === undefined;
    const session = isNew ? this.#newSession(call) : this.#existingSession(call);
    try {
      return session.receive([frame], false, call.reply);
    } catch (error) {
      // No client knows its id.
      if (isNew) void session.close();
      throw error;
    }
  }

  #receiveBatch(call: HttpCall, frames: readonly Frame[]): void | Promise<void> {
    requireRevision(call.request);
    requireRepeated(call, frames, this.#context);
    if (frames.some(({ kind }) => kind === 'request')) this.#context.refuseWhenDraining();
    const session = this.#existingSession(call);
    requireBatch(frames, session.revision);
    return session.receive(frames, true, call.reply);
  }

  #existingSession({ request, server, principal }: HttpCall): StreamableSession {
    const id = request.headers['mcp-session-id'];
    if (typeof id !== 'string' || id === '') throw new RunError('SESSION_REQUIRED');
    return this.#context.sessions.find('streamable', id, server, principal.id);
  }

  #newSession({ server, principal }: HttpCall): StreamableSession {
    const { options, sessions, parameters, clock } = this.#context;
    options.admit(server);
    sessions.makeRoom(principal.id);
    const session = new StreamableSession({
      id: createSessionId(),
      server,
      principal,
      resumeLimitBytes: options.resumeLimitBytes,
      keepAliveMs: options.keepAliveMs,
      jsonResponse: options.jsonResponse,
      onEnd: (ended) => sessions.remove(ended),
      clock,
    });
    const link = observeTools(session, (answer) => parameters.learn(principal.id, server, answer));
    options.accept(link, server, 'conversation');
    sessions.add(session);
    return session;
  }
}

/** Streamable HTTP with sessions: one path for POST, GET and DELETE (2025-11-25, basic/transports). */
export function createStreamableRoutes(context: RouteContext): readonly Route[] {
  const { httpPath, jsonResponse } = context.options;
  const routes = new StreamableRoutes(context);
  const get: Handler = (call) => routes.get(call);
  const handlers = {
    ...(!jsonResponse && { GET: get }),
    POST: (call: HttpCall) => routes.post(call),
    DELETE: (call: HttpCall) => routes.remove(call),
  };
  return [{ path: httpPath, handlers }];
}

/** Without sessions there is nothing to stream and nothing to end (2026-07-28, basic/transports/streamable-http). */
function refuseMethod({ request, reply }: HttpCall): void {
  const { method = '' } = request;
  sendFault(reply, new RunError('METHOD_NOT_ALLOWED', { method }), undefined, { allow: 'POST' });
}
