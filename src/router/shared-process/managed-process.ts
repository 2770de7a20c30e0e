import { systemClock, type Clock } from '../../clock.ts';
import { isJson } from '../../era/json.ts';
import { RunError, timeoutError } from '../../errors.ts';
import type { Link } from '../../link/link.ts';
import type { Log } from '../../observe/log.ts';
import { LEGACY_REVISIONS, OWN_ID } from '../../protocol/constants.ts';
import { forParent, upstreamError } from '../../protocol/fault.ts';
import { frameOf, type Frame, type JsonRpcMessage, type RequestId } from '../../protocol/frame.ts';
import { ProcessLife, type ProcessLifeOptions, type RunningProcess } from './process-life.ts';

export interface ManagedProcessOptions extends ProcessLifeOptions {
  /** Ours, for `clientInfo`. */
  readonly version: string;
  /** What the server is told of its clients; nothing but our own name by default. */
  readonly initializeParams?: Readonly<Record<string, unknown>>;
  readonly initializeTimeoutMs: number;
  /** As `ConversationOptions` has it. */
  readonly remarkSince?: (time: number) => string | undefined;
  readonly log: Log;
  readonly clock?: Clock;
}

/** A process that has been initialized. */
export interface Running extends RunningProcess {
  /** Its answer to `initialize`. */
  readonly initialized: JsonRpcMessage;
}

/** A request of our own. */
interface OwnRequest {
  readonly method: string;
  readonly resolve: (answer: JsonRpcMessage) => void;
  readonly reject: (error: RunError) => void;
}

/** A process of a revision with a handshake that several clients share: initialized once, by us and without capabilities. */
export class ManagedProcess extends ProcessLife<Running> {
  readonly #options: ManagedProcessOptions;
  readonly #clock: Clock;
  readonly #ownRequests = new Map<string, OwnRequest>();
  #nextId = 1;

  constructor(options: ManagedProcessOptions) {
    super(options);
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** A process that cannot be initialized is of no use to any client. */
  protected override async prepare(link: Link): Promise<Running> {
    const { server } = this;
    const params = this.#options.initializeParams ?? this.#paramsWithoutClient();
    const initialized = await this.#request(link, 'initialize', params);
    if (initialized.error !== undefined)
      throw new RunError('UPSTREAM_ERROR', {
        server,
        method: 'initialize',
        detail: initialized.error.message,
      });
    this.#requireReplayable(initialized);
    void link.send(frameOf({ method: 'notifications/initialized' }));
    return { link, initialized };
  }

  /** Without capabilities a server has no reason to send requests: nothing would tell which client they are for. */
  #paramsWithoutClient(): Readonly<Record<string, unknown>> {
    const clientInfo = { name: 'mcp-run', version: this.#options.version };
    return { protocolVersion: LEGACY_REVISIONS[0], capabilities: {}, clientInfo };
  }

  /** The answer is replayed to every client. */
  #requireReplayable({ result }: JsonRpcMessage): void {
    const { server } = this;
    if (!isJson(result)) throw new RunError('MALFORMED_ANSWER', { server, method: 'initialize' });
    try {
      frameOf({ result });
    } catch (error) {
      throw new RunError('MALFORMED_ANSWER', { server, method: 'initialize' }, { cause: error });
    }
  }

  // Requests of our own

  /** Sends a request of our own. Rejects with a RunError when the process ends first, or does not answer in time. */
  async ask(method: string, params: Readonly<Record<string, unknown>>): Promise<JsonRpcMessage> {
    return await this.#request(this.openLink, method, params);
  }

  protected override failOwnRequests(reason: RunError): void {
    for (const { reject } of this.#ownRequests.values()) reject(reason);
  }

  protected override receive(frame: Frame, relatedRequestId?: RequestId): void {
    const own = this.#ownRequestOf(frame);
    if (own === undefined) super.receive(frame, relatedRequestId);
    else this.#answerOwn(own, frame);
  }

  #ownRequestOf({ kind, id }: Frame): OwnRequest | undefined {
    return kind === 'response' && typeof id === 'string' ? this.#ownRequests.get(id) : undefined;
  }

  #answerOwn({ method, resolve, reject }: OwnRequest, frame: Frame): void {
    const { server } = this;
    try {
      // A failure of ours in the place of an answer differs between those that it may reach.
      if (forParent(frame) === frame) resolve(frame.message);
      else reject(upstreamError(server, method, frame));
    } catch (error) {
      reject(new RunError('MALFORMED_ANSWER', { server, method: 'a request of ours' }, { cause: error }));
    }
  }

  async #request(
    link: Link,
    method: string,
    params: Readonly<Record<string, unknown>>,
  ): Promise<JsonRpcMessage> {
    const id = `${OWN_ID}${this.#nextId}`;
    this.#nextId += 1;
    const answer = new Promise<JsonRpcMessage>((resolve, reject) =>
      this.#ownRequests.set(id, { method, resolve, reject }),
    );
    const startedAt = this.#clock.now();
    const stopTimer = this.#clock.after(this.#options.initializeTimeoutMs, () =>
      this.#timeOut(id, startedAt),
    );
    void link.send(frameOf({ id, method, params: { ...params } }));
    try {
      return await answer;
    } finally {
      stopTimer();
      this.#ownRequests.delete(id);
    }
  }

  #timeOut(id: string, startedAt: number): void {
    const request = this.#ownRequests.get(id);
    if (request === undefined) return;
    const { server } = this;
    const { method, reject } = request;
    const { initializeTimeoutMs: timeoutMs, remarkSince } = this.#options;
    // A line that a server has written before it was asked may be the very reason why it does not start.
    const remark = remarkSince?.(method === 'initialize' ? 0 : startedAt);
    reject(timeoutError({ server, method, timeoutMs }, [remark]));
  }
}
