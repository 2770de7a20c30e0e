import type { IncomingMessage } from 'node:http';
import { RunError, toRunError } from '../../../errors.ts';
import { parseClientMessage } from '../../../protocol/client-message.ts';
import { refusedId } from '../../../protocol/outline.ts';
import { requireAccept } from '../admit/accept-header.ts';
import { requireRepeated } from '../admit/repeated-values.ts';
import { prefixOf } from '../paths.ts';
import { sendEmpty, sendFault } from '../responses/reply.ts';
import type { HttpCall, Route, RouteContext } from '../route.ts';
import { createSessionId } from '../sessions.ts';
import { observeTools } from '../../../link/observe-tools.ts';
import { SseSession } from './session.ts';

class SseRoutes {
  readonly #context: RouteContext;

  constructor(context: RouteContext) {
    this.#context = context;
  }

  open({ request, reply, server, principal }: HttpCall): void {
    const { options, sessions, parameters, refuseWhenDraining, clock } = this.#context;
    requireAccept(request, ['text/event-stream']);
    refuseWhenDraining();
    options.admit(server);
    sessions.makeRoom(principal.id);
    const id = createSessionId();
    const session = new SseSession({
      id,
      server,
      principal,
      endpoint: `${this.#publicPath(request)}${this.#messagesPathOf(request, server)}?sessionId=${id}`,
      reply,
      keepAliveMs: options.keepAliveMs,
      onEnd: (ended) => sessions.remove(ended),
      clock,
    });
    session.open();
    const link = observeTools(session, (answer) => parameters.learn(principal.id, server, answer));
    options.accept(link, server, 'conversation');
    sessions.add(session);
    session.announce();
  }

  async post({ request, reply, body, server, principal }: HttpCall): Promise<void> {
    const { sessions, parameters, refuseWhenDraining } = this.#context;
    const id = new URLSearchParams(request.url?.split('?', 2)[1]).get('sessionId');
    const session = sessions.find('sse', id ?? '', server, principal.id);
    if (body === undefined) throw new RunError('PARSE_ERROR', { detail: 'the body is empty' });
    try {
      const frame = parseClientMessage(body);
      requireRepeated({ request, server, principal }, [frame], { parameters });
      if (frame.kind === 'request') refuseWhenDraining();
      await session.receive(frame);
    } catch (error) {
      const failure = toRunError(error);
      if (failure.code === 'INTERNAL') throw error;
      const refused = refusedId(body);
      // A body that is not JSON contains no request. The response to a request belongs on the stream: clients take a
      // status for a broken connection, and do not fall back.
      const isOnStream =
        failure.code !== 'PARSE_ERROR' && refused !== undefined && (await session.refuse(failure, refused));
      if (!isOnStream) return sendFault(reply, failure, refused);
    }
    sendEmpty(reply, 202);
  }

  /**
   * The messages path beside the SSE path that was requested: with the server's name if that had it, in the same
   * spelling, which a proxy in between is known to let through.
   */
  #messagesPathOf(request: IncomingMessage, server: string): string {
    const { ssePath, messagesPath } = this.#context.options;
    const prefix = prefixOf(request.url ?? '', ssePath);
    // Two slashes in front would name another host.
    const named = prefix.startsWith('//') ? `/${encodeURIComponent(server)}` : prefix;
    return (named + messagesPath).replace(/^\/+/, '/');
  }

  /** The prefix that a proxy in front of us puts before our paths. */
  #publicPath(request: IncomingMessage): string {
    const { baseUrl, trustProxy } = this.#context.options;
    if (baseUrl !== undefined) return new URL(baseUrl).pathname.replace(/\/$/, '');
    const prefix = trustProxy ? request.headers['x-forwarded-prefix'] : undefined;
    // A second slash in front would name another host.
    return typeof prefix === 'string' && /^\/[\w\-.~%]+(?:\/[\w\-.~%]+)*\/?$/.test(prefix)
      ? prefix.replace(/\/$/, '')
      : '';
  }
}

/** HTTP+SSE: a GET that streams, and POSTs that it names (2024-11-05, basic/transports). */
export function createSseRoutes(context: RouteContext): readonly Route[] {
  const { ssePath, messagesPath } = context.options;
  const routes = new SseRoutes(context);
  return [
    { path: ssePath, handlers: { GET: (call) => routes.open(call) } },
    { path: messagesPath, handlers: { POST: (call) => routes.post(call) } },
  ];
}
