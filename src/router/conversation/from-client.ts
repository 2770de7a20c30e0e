import { RunError } from '../../errors.ts';
import type { Log } from '../../observe/log.ts';
import type { Frame } from '../../protocol/frame.ts';
import { isRequestId } from '../../protocol/request-id.ts';
import type { ExchangeLimits } from '../deadlines.ts';
import type { Exchanges } from '../exchanges.ts';
import type { ConversationParts } from './parts.ts';
import type { ServerConnection } from './server-connection.ts';

type Wait = void | Promise<void>;

export interface FromClientOptions extends ConversationParts {
  readonly callLimits: ExchangeLimits;
  readonly initializeLimits: ExchangeLimits;
  /** As `ConversationOptions` has it. */
  readonly reserve: () => void;
  readonly log: Log;
}

/** Messages of the client on their way to the server. */
export class FromClient {
  readonly #options: FromClientOptions;
  readonly #server: ServerConnection;
  readonly #exchanges: Exchanges;

  constructor(options: FromClientOptions) {
    this.#options = options;
    this.#server = options.server;
    this.#exchanges = options.exchanges;
  }

  /** @throws RunError for a request that is not accepted */
  receive(frame: Frame): Wait {
    switch (frame.kind) {
      case 'request':
        return this.#request(frame);
      case 'response':
        return this.#response(frame);
      case 'notification':
        if (frame.method === 'notifications/cancelled') this.#cancelled(frame);
        return this.#server.send(frame);
    }
  }

  #request(frame: Frame): Wait {
    const { id, method } = frame;
    if (id === undefined || method === undefined) return undefined;
    if (this.#server.phase === 'closed') throw new RunError('CLIENT_GONE');
    if (this.#exchanges.has(id)) throw new RunError('DUPLICATE_ID', { id: String(id) });
    if (method === 'initialize') return this.#initialize(frame);
    if (this.#server.phase === 'new' && !this.#server.eager)
      throw new RunError('NOT_INITIALIZED', { method });
    this.#exchanges.start(frame, this.#options.callLimits);
    return this.#server.send(frame);
  }

  #initialize(frame: Frame): Wait {
    if (this.#server.phase !== 'new') throw new RunError('ALREADY_INITIALIZED');
    if (!this.#server.isOpen) this.#options.reserve();
    this.#exchanges.start(frame, this.#options.initializeLimits);
    this.#server.phase = 'initializing';
    return this.#server.send(frame);
  }

  #response(frame: Frame): Wait {
    const { id } = frame;
    const { serverRequests, log } = this.#options;
    if (id !== undefined && serverRequests.settle(id)) return this.#server.send(frame);
    log.debug({ event: 'client.answer-dropped', id }, 'the client answered a request that is not open');
    return undefined;
  }

  /** Servers do not answer a cancelled request, and a client does not wait for the answer. */
  #cancelled(frame: Frame): void {
    const id = frame.message.params?.['requestId'];
    if (!isRequestId(id)) return;
    if (this.#exchanges.get(id)?.method === 'initialize') return;
    if (this.#exchanges.settle(id) === undefined) return;
    const { client, unmatched, idle } = this.#options;
    unmatched.abandoned(id);
    client.abandonResponse(id);
    idle.check();
  }
}
