import { isRunError, RunError } from '../../../errors.ts';
import { parseClientBody } from '../../../protocol/client-message.ts';
import { DEFAULT_REVISION } from '../../../protocol/constants.ts';
import type { Frame } from '../../../protocol/frame.ts';
import { requireAccept } from '../admit/accept-header.ts';
import { requireRepeated } from '../admit/repeated-values.ts';
import { requireBatch, requireRevision } from '../admit/revision.ts';
import { requireAnswerable } from '../admit/unanswered.ts';
import { createModernPosts, type ModernPosts } from '../modern/posts.ts';
import { isModern } from '../modern/request.ts';
import { onFinished } from '../responses/on-finished.ts';
import { sendEmpty, sendFault } from '../responses/reply.ts';
import type { HttpCall, Route, RouteContext } from '../route.ts';
import { observeTools } from '../../../link/observe-tools.ts';
import { StatelessExchange } from './stateless-exchange.ts';

class StatelessRoutes {
  readonly #context: RouteContext;
  readonly #modern: ModernPosts;
  readonly #canStream: boolean;
  /** What a client has to accept as the answer. */
  readonly #types: readonly string[];
  readonly #exchanges = new Set<StatelessExchange>();

  constructor(context: RouteContext) {
    this.#context = context;
    this.#modern = createModernPosts(context);
    this.#canStream = !context.options.jsonResponse;
    this.#types = this.#canStream ? ['application/json', 'text/event-stream'] : ['application/json'];
  }

  /** Called about once a second: keep-alives, and headers that were held back long enough. */
  tick(now: number): void {
    for (const exchange of this.#exchanges) exchange.tick(now, this.#context.options.keepAliveMs);
  }

  post(call: HttpCall): void {
    const { request, reply, body } = call;
    requireAccept(request, this.#types);
    if (body === undefined) throw new RunError('PARSE_ERROR', { detail: 'the body is empty' });
    const parsed = parseClientBody(body);
    if (isModern(request, parsed)) return this.#modern.post(call, parsed);
    const isBatch = Array.isArray(parsed);
    const frames = isBatch ? parsed : [parsed];
    try {
      const revision = requireRevision(request) ?? DEFAULT_REVISION;
      requireRepeated(call, frames, this.#context);
      if (isBatch) requireBatch(frames, revision);
      this.#receive(frames, isBatch, call);
    } catch (error) {
      if (!isRunError(error)) throw error;
      sendFault(
        reply,
        error,
        frames.length === 1 && frames[0]?.kind === 'request' ? frames[0].id : undefined,
      );
    }
  }

  #receive(frames: readonly Frame[], isBatch: boolean, call: HttpCall): void {
    const { options, parameters, refuseWhenDraining, clock } = this.#context;
    const { reply, server, principal } = call;
    const requests = frames.filter(({ kind }) => kind === 'request');
    // Without a session a notification has nothing to be about.
    if (requests.length === 0) return sendEmpty(reply, 202);
    refuseWhenDraining();
    // One for each connection, unless a client sends more before it is answered.
    requireAnswerable(this.#exchanges.size + 1, options.maxConnections);
    options.admit(server);
    const ids = new Set(requests.map(({ id }) => id));
    if (ids.size < requests.length) throw new RunError('INVALID_REQUEST', { detail: 'an id is there twice' });

    const exchange = new StatelessExchange({
      reply,
      principal,
      requests: requests.length,
      isBatch,
      canStream: this.#canStream,
      clock,
    });
    const link = observeTools(exchange, (list) => parameters.learn(principal.id, server, list));
    options.accept(link, server, 'request');
    this.#exchanges.add(exchange);
    onFinished(reply.raw, () => {
      this.#exchanges.delete(exchange);
      exchange.end();
    });
    for (const frame of requests) exchange.receive(frame);
  }
}

/**
 * Streamable HTTP without sessions: every POST is a conversation of its own, so any replica can answer it (2025-11-25,
 * basic/transports: a server MAY assign a session id). Servers cannot send requests, and nothing can be resumed.
 */
export function createStatelessRoutes(context: RouteContext): readonly Route[] {
  const routes = new StatelessRoutes(context);
  context.onTick((now) => routes.tick(now));
  return [{ path: context.options.httpPath, handlers: { POST: (call) => routes.post(call) } }];
}
