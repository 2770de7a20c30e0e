import { isRunError, RunError } from '../../../errors.ts';
import { isTooDeep } from '../../../protocol/depth.ts';
import type { Frame } from '../../../protocol/frame.ts';
import { ModernExchange } from './exchange.ts';
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
 * Streamable HTTP of revision 2026-07-28: every POST is one request that says all there is to know about it, and a
 * link of its own (2026-07-28, basic/transports/streamable-http).
 */
export function createModernPosts({
  options,
  parameters,
  refuseWhenDraining,
  onTick,
  onDrain,
}: RouteContext): ModernPosts {
  const exchanges = new Set<ModernExchange>();
  onTick((now) => {
    for (const exchange of exchanges) exchange.tick(now, options.keepAliveMs);
  });
  // The others are answered by their servers, which have until the end of the drain.
  onDrain(() => {
    for (const exchange of exchanges) exchange.endListening();
  });
  return { post };

  function post(call: HttpCall, body: Frame | readonly Frame[]): void {
    if (!('bytes' in body)) throw new RunError('INVALID_REQUEST', { detail: 'this revision has no batches' });
    try {
      receive(call, body);
    } catch (error) {
      if (!isRunError(error)) throw error;
      sendFault(call.response, error, body.kind === 'request' ? body.id : undefined);
    }
  }

  function receive(call: HttpCall, frame: Frame): void {
    const { request, response } = call;
    switch (frame.kind) {
      case 'response':
        throw new RunError('INVALID_REQUEST', { detail: 'in this revision a client answers nothing' });
      case 'notification':
        requireModernNotification(request, frame);
        // None is defined: to cancel is to close the stream, and without sessions there is nobody else to tell.
        return sendEmpty(response, 202);
      case 'request':
        if (isTooDeep(frame.bytes)) throw new RunError('INVALID_REQUEST', { detail: 'nested too deeply' });
        requireModernRequest(request, frame);
        return exchange(call, frame);
    }
  }

  function exchange({ request, response, server, principal }: HttpCall, frame: Frame): void {
    if (frame.method === 'tools/call') parameters.require(principal, server, frame, request.headers);
    if (frame.method === 'subscriptions/listen') requireListen(principal, server);
    refuseWhenDraining();
    // One for each connection, unless a client sends more before it is answered.
    requireAnswerable(exchanges.size + 1, options.maxConnections);
    options.admit(server);
    const opened = new ModernExchange({
      request: frame,
      response,
      server,
      principal,
      canStream: !options.jsonResponse,
      onTools: (answer) => parameters.learn(principal, server, answer),
      onEnd: () => exchanges.delete(opened),
    });
    options.accept(opened, server, 'request');
    exchanges.add(opened);
    opened.start();
  }

  function requireListen(principal: string, server: string): void {
    if (options.jsonResponse) {
      const why = ': it needs an event stream, and this listener answers in JSON only';
      throw new RunError('METHOD_NOT_FOUND', { method: 'subscriptions/listen', why });
    }
    const listens = [...exchanges].filter((open) => open.isListening && open.server === server);
    const own = listens.filter((open) => open.principal === principal);
    if (listens.length >= MAX_LISTENS) throw new RunError('TOO_MANY_LISTENS', { max: MAX_LISTENS });
    if (own.length >= MAX_LISTENS_EACH) throw new RunError('TOO_MANY_LISTENS', { max: MAX_LISTENS_EACH });
  }
}
