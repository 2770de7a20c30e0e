import { RunError } from '../../errors.ts';
import type { Link } from '../../link/link.ts';
import { faultFrame } from '../../protocol/fault.ts';
import type { Frame } from '../../protocol/frame.ts';
import { isRequestId, type RequestId } from '../../protocol/request-id.ts';
import type { Exchanges } from '../exchanges.ts';
import type { IdleWaiters } from '../idle-waiters.ts';
import { MAX_OPEN_REQUESTS } from './open-requests.ts';
import type { ConversationParts } from './parts.ts';

type Wait = void | Promise<void>;

/** Messages of the server on their way to the client. */
export class FromServer {
  readonly #parts: ConversationParts;
  readonly #client: Link;
  readonly #exchanges: Exchanges;
  readonly #idle: IdleWaiters;

  constructor(parts: ConversationParts) {
    this.#parts = parts;
    this.#client = parts.client;
    this.#exchanges = parts.exchanges;
    this.#idle = parts.idle;
  }

  /** @param relatedRequestId the client's request that the frame belongs to, where the link knows */
  receive(frame: Frame, relatedRequestId?: RequestId): Wait {
    switch (frame.kind) {
      case 'request':
        return this.#request(frame, relatedRequestId);
      case 'response':
        return this.#answer(frame);
      case 'notification':
        return this.#notify(frame, relatedRequestId);
    }
  }

  #answer(frame: Frame): Wait {
    const exchange = this.#exchanges.settle(frame.id);
    if (exchange === undefined) {
      this.#parts.unmatched.report(frame);
      return undefined;
    }
    const answer = exchange.method === 'initialize' ? this.#initialized(frame) : frame;
    const wait = this.#client.send(answer, exchange.id);
    this.#idle.check();
    return wait;
  }

  /** Both sides read this answer, so it is the one that has to be sound throughout and not only at its ends. */
  #initialized(frame: Frame): Frame {
    const { server } = this.#parts;
    try {
      server.phase = frame.message.error === undefined ? 'ready' : 'new';
      return frame;
    } catch (error) {
      server.phase = 'new';
      return faultFrame(
        new RunError('MALFORMED_ANSWER', { server: server.name, method: 'initialize' }, { cause: error }),
        frame.id,
      );
    }
  }

  #request(frame: Frame, relatedRequestId: RequestId | undefined): Wait {
    const { id, method = '' } = frame;
    const { server, serverRequests } = this.#parts;
    if (id === undefined) return undefined;
    if (!this.#client.supports.requests)
      return server.send(faultFrame(new RunError('CLIENT_CANNOT', { method }), id));
    const oldest = serverRequests.add(id);
    if (oldest !== undefined)
      void server.send(faultFrame(new RunError('CLIENT_SILENT', { max: MAX_OPEN_REQUESTS }), oldest));
    return this.#client.send(frame, this.#ownerOf(relatedRequestId));
  }

  #notify(frame: Frame, relatedRequestId: RequestId | undefined): Wait {
    switch (frame.method) {
      case 'notifications/progress':
        return this.#client.send(frame, this.#exchanges.progressed(paramOf(frame, 'progressToken'))?.id);
      case 'notifications/tools/list_changed':
      case 'notifications/prompts/list_changed':
      case 'notifications/resources/list_changed':
      case 'notifications/resources/updated':
        return this.#client.send(frame);
      case 'notifications/cancelled': {
        const id = paramOf(frame, 'requestId');
        if (isRequestId(id)) this.#parts.serverRequests.settle(id);
        return this.#client.send(frame, this.#ownerOf(relatedRequestId));
      }
      default:
        return this.#client.send(frame, this.#ownerOf(relatedRequestId));
    }
  }

  /** A message that belongs to a call which is over goes with no other one. */
  #ownerOf(relatedRequestId: RequestId | undefined): RequestId | undefined {
    const exchange =
      relatedRequestId === undefined ? this.#exchanges.likely() : this.#exchanges.get(relatedRequestId);
    return exchange?.id;
  }
}

function paramOf(frame: Frame, name: string): unknown {
  try {
    return frame.message.params?.[name];
  } catch {
    // Its ends looked like a message, its middle is no JSON: pass it on as it came, without a guess.
    return undefined;
  }
}
