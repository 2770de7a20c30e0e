import type { Clock } from '../../clock.ts';
import type { Json } from '../../era/json.ts';
import { RunError, toRunError } from '../../errors.ts';
import { ForwardingLink } from '../../link/forward.ts';
import type { Era, Link } from '../../link/link.ts';
import type { Log } from '../../observe/log.ts';
import { faultFrame } from '../../protocol/fault.ts';
import type { Frame, RequestId } from '../../protocol/frame.ts';
import { member } from '../../protocol/json-object.ts';
import { UnmatchedAnswers } from '../unmatched-answers.ts';
import { answerFrame, createCall, faultAnswer, type Call } from './call.ts';
import { Client } from './client.ts';
import { initializeAnswer, readDiscovered, type InitializeAnswer } from './initialize.ts';
import { Outgoing } from './outgoing.ts';
import { discoverRequest } from './request.ts';
import { Session } from './session.ts';

type Wait = void | Promise<void>;

export interface FacadeOptions {
  /** Name of the server, for errors, and for its client if the server does not name itself. */
  readonly server: string;
  /** Its answer to `server/discover`, if there is one already. */
  readonly discovered?: Json;
  /** Whether the client can be sent requests now; if not, the server does not see the capabilities for them. */
  readonly canAsk?: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** `discovering`: `initialize` waits for the answer to `server/discover`. */
type Phase = 'new' | 'discovering' | 'ready' | 'closed';

/**
 * `initialize` is answered from `server/discover`, every request carries the data that the client sends once, and input
 * that the server requires becomes requests to the client.
 */
class LegacyFacade extends ForwardingLink {
  override readonly era: Era = 'legacy';
  readonly #options: FacadeOptions;
  readonly #clock: Clock;
  readonly #unmatched: UnmatchedAnswers;
  readonly #outgoing: Outgoing;
  #phase: Phase = 'new';
  /** Past `initialize`. */
  #session: Session | undefined;
  /** Resolves when `discovering` is over. */
  #discovered = Promise.resolve();
  #resolveDiscovered: () => void = () => {};

  constructor(server: Link, options: FacadeOptions) {
    super(server);
    this.#options = options;
    this.#clock = options.clock;
    this.#unmatched = new UnmatchedAnswers(options.log, this.#clock);
    this.#outgoing = new Outgoing(server, (id) => this.#unmatched.abandoned(id), this.#clock);
  }

  override abandonResponse(): void {}

  override close(reason?: Error): Promise<void> {
    this.#release();
    return super.close(reason);
  }

  protected override closed(error?: Error): void {
    this.#release();
    super.closed(error);
  }

  // From the client

  protected override toPeer(frame: Frame): Wait {
    if (this.#phase === 'closed') return undefined;
    // Some clients go on before they have the answer to `initialize`.
    if (this.#phase === 'discovering' && frame.method !== 'ping')
      return this.#discovered.then(() => this.toPeer(frame));
    try {
      if (frame.kind === 'request' && frame.id !== undefined) return this.#request(frame, frame.id);
      return this.#session?.fromClient(frame);
    } catch (error) {
      // It was accepted, so it has to be answered.
      return frame.kind === 'request' ? this.deliver(faultFrame(toRunError(error), frame.id)) : undefined;
    }
  }

  #request(frame: Frame, id: RequestId): Wait {
    const call = createCall(frame, id);
    if (frame.method === 'ping') return this.deliver(answerFrame(call, member('result', {})), id);
    if (this.#session !== undefined) return this.#session.request(call, frame);
    if (frame.method === 'initialize') return this.#initialize(call, frame.message.params ?? {});
    return this.deliver(
      faultAnswer(call, new RunError('NOT_INITIALIZED', { method: call.request.method })),
      id,
    );
  }

  #initialize(call: Call, params: Json): Wait {
    const { discovered } = this.#options;
    if (discovered !== undefined) return this.#answerInitialize(call, params, () => discovered);
    this.#phase = 'discovering';
    this.#discovered = new Promise((resolve) => (this.#resolveDiscovered = resolve));
    const { envelope } = this.#client(params);
    return this.#outgoing.send(
      (id) => discoverRequest(id, envelope),
      (answer) => this.#answerInitialize(call, params, () => readDiscovered(this.#options.server, answer)),
    );
  }

  #answerInitialize(call: Call, params: Json, discovered: () => Json): Wait {
    const wait = this.deliver(this.#initializeAnswer(call, params, discovered), call.id);
    // Frames that the client sends while the answer is being delivered still wait for their turn.
    this.#leaveHandshake(this.#session === undefined ? 'new' : 'ready');
    return wait;
  }

  #initializeAnswer(call: Call, params: Json, discovered: () => Json): Frame {
    try {
      const initialized = initializeAnswer(this.#options.server, discovered(), params['protocolVersion']);
      this.#session = this.#startSession(params, initialized);
      return answerFrame(call, member('result', initialized.result));
    } catch (error) {
      return faultAnswer(call, toRunError(error));
    }
  }

  #startSession(params: Json, initialized: InitializeAnswer): Session {
    const { server, log } = this.#options;
    return new Session({
      server,
      client: this.#client(params),
      initialized,
      outgoing: this.#outgoing,
      toServer: (frame) => this.link.send(frame),
      toClient: (frame, relatedRequestId) => this.deliver(frame, relatedRequestId),
      clock: this.#clock,
      log,
    });
  }

  #client(initializeParams: Json): Client {
    return new Client(initializeParams, this.#options.canAsk ?? (() => true));
  }

  // From the server

  protected override fromPeer(frame: Frame, relatedRequestId?: RequestId): Wait {
    if (frame.kind !== 'response') return this.#session?.fromServer(frame, relatedRequestId);
    const onAnswer = this.#outgoing.take(frame.id);
    if (onAnswer !== undefined) return onAnswer(frame);
    this.#unmatched.report(frame);
    return undefined;
  }

  // Life cycle

  #leaveHandshake(next: Phase): void {
    if (this.#phase !== 'closed') this.#phase = next;
    this.#resolveDiscovered();
  }

  #release(): void {
    this.#leaveHandshake('closed');
    this.#outgoing.clear();
    this.#session?.clear();
  }
}

/** A server of revision 2026-07-28 as a link to a server of the legacy revisions, for one client. */
export function presentAsLegacy(server: Link, options: FacadeOptions): Link {
  return new LegacyFacade(server, options);
}
