import type { Clock } from '../../../clock.ts';
import { isRunError, RunError } from '../../../errors.ts';
import type { ServerExchange } from '../../../link/client-exchange.ts';
import { LISTEN } from '../../../protocol/constants.ts';
import { isTooDeep } from '../../../protocol/depth.ts';
import type { Frame } from '../../../protocol/frame.ts';
import { TransientMap } from '../../../protocol/transient-map.ts';
import { ModernExchange, type ModernExchangeHost } from './exchange.ts';
import { requireModernNotification, requireModernRequest } from './request.ts';
import { sendEmpty, sendFault } from '../responses/reply.ts';
import type { HttpCall, RouteContext } from '../route.ts';
import { requireAnswerable } from '../admit/unanswered.ts';

/** Open `subscriptions/listen` streams of one server, and of one principal on it: they last as long as their clients like. */
const MAX_LISTENS = 1_024;
const MAX_LISTENS_EACH = 256;

/** POSTs of revision 2026-07-28, whichever routes they came by. */
export interface ModernPosts {
  post(call: HttpCall, body: Frame | readonly Frame[]): void;
}

/**
 * Streamable HTTP of revision 2026-07-28: every POST is one request that says all there is to know about it, and is
 * answered by itself (2026-07-28, basic/transports/streamable-http).
 */
class OpenPosts implements ModernPosts, ModernExchangeHost {
  readonly clock: Clock;
  readonly canStream: boolean;
  readonly #context: RouteContext;
  readonly #exchanges = new TransientMap<ModernExchange, ModernExchange>();

  constructor(context: RouteContext) {
    this.#context = context;
    this.clock = context.clock;
    this.canStream = !context.options.jsonResponse;
  }

  post(call: HttpCall, body: Frame | readonly Frame[]): void {
    if (!('bytes' in body)) throw new RunError('INVALID_REQUEST', { detail: 'this revision has no batches' });
    try {
      this.#receive(call, body);
    } catch (error) {
      if (!isRunError(error)) throw error;
      sendFault(call.reply, error, body.kind === 'request' ? body.id : undefined);
    }
  }

  tick(now: number): void {
    const { keepAliveMs } = this.#context.options;
    for (const exchange of this.#exchanges.values()) exchange.tick(now, keepAliveMs);
  }

  endListening(): void {
    for (const exchange of [...this.#exchanges.values()]) exchange.endListening();
  }

  // For its exchanges

  begin(exchange: ModernExchange): ServerExchange {
    return this.#context.options.begin(exchange, exchange.server);
  }

  onTools({ principal, server }: ModernExchange, response: Frame): void {
    this.#context.parameters.learn(principal.id, server, response);
  }

  onEnd(exchange: ModernExchange): void {
    this.#exchanges.delete(exchange);
  }

  #receive(call: HttpCall, frame: Frame): void {
    const { request, reply } = call;
    switch (frame.kind) {
      case 'response':
        throw new RunError('INVALID_REQUEST', { detail: 'in this revision a client answers nothing' });
      case 'notification':
        requireModernNotification(request, frame);
        // None is defined: to cancel is to close the stream, and without sessions there is nobody else to tell.
        return sendEmpty(reply, 202);
      case 'request':
        if (isTooDeep(frame.bytes)) throw new RunError('INVALID_REQUEST', { detail: 'nested too deeply' });
        requireModernRequest(request, frame);
        return this.#exchange(call, frame);
    }
  }

  #exchange(call: HttpCall, frame: Frame): void {
    const { request, server, principal } = call;
    const { options, parameters, refuseWhenDraining } = this.#context;
    if (frame.method === 'tools/call') parameters.require(principal.id, server, frame, request.headers);
    if (frame.method === LISTEN) this.#requireListen(principal.id, server);
    refuseWhenDraining();
    // One for each connection, unless a client sends more before it is answered.
    requireAnswerable(this.#exchanges.size + 1, options.maxConnections);
    options.admit(server);
    const opened = new ModernExchange(this, call, frame);
    this.#exchanges.set(opened, opened);
    opened.start();
  }

  #requireListen(principalId: string, server: string): void {
    if (!this.canStream) {
      const why = ': it needs an event stream, and this listener answers in JSON only';
      throw new RunError('METHOD_NOT_FOUND', { method: LISTEN, why });
    }
    const listens = [...this.#exchanges.values()].filter(
      (open) => open.isListening && open.server === server,
    );
    const own = listens.filter((open) => open.principal.id === principalId);
    if (listens.length >= MAX_LISTENS) throw new RunError('TOO_MANY_LISTENS', { max: MAX_LISTENS });
    if (own.length >= MAX_LISTENS_EACH) throw new RunError('TOO_MANY_LISTENS', { max: MAX_LISTENS_EACH });
  }
}

export function createModernPosts(context: RouteContext): ModernPosts {
  const exchanges = new OpenPosts(context);
  context.onTick((now) => exchanges.tick(now));
  // The others are answered by their servers, which have until the end of the drain.
  context.onDrain(() => exchanges.endListening());
  return exchanges;
}
