import type { Clock } from '../../clock.ts';
import { isJson } from '../../era/json.ts';
import { ownInitializeParams } from '../../era/own-client.ts';
import { RunError, timeoutError } from '../../errors.ts';
import type { Link } from '../../link/link.ts';
import { Requester } from '../../link/requester.ts';
import type { Log } from '../../observe/log.ts';
import { OWN_ID } from '../../protocol/constants.ts';
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
  readonly clock: Clock;
}

/** A process that has been initialized. */
export interface Running extends RunningProcess {
  /** Its answer to `initialize`. */
  readonly initialized: JsonRpcMessage;
}

/** A process of a revision with a handshake that several clients share: initialized once, by us and without capabilities. */
export class ManagedProcess extends ProcessLife<Running> {
  readonly #options: ManagedProcessOptions;
  readonly #clock: Clock;
  /** Of our own requests, whose ids are unique among all processes. */
  readonly #requester: Requester<string>;

  constructor(options: ManagedProcessOptions) {
    super(options);
    this.#options = options;
    this.#clock = options.clock;
    this.#requester = new Requester<string>({
      link: { send: (frame) => this.openLink.send(frame) },
      idOf: (count) => `${OWN_ID}${count}`,
      clock: this.#clock,
    });
  }

  /** A process that cannot be initialized is of no use to any client. */
  protected override async prepare(link: Link): Promise<Running> {
    const { server } = this;
    const { initializeParams, version } = this.#options;
    const initialized = await this.ask('initialize', initializeParams ?? ownInitializeParams(version));
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
    const { initializeTimeoutMs: timeoutMs } = this.#options;
    const startedAt = this.#clock.now();
    const request = frameOf({ id: this.#requester.nextId(), method, params: { ...params } });
    const timeoutError = (): RunError => this.#timeoutError(method, startedAt);
    return this.#messageOf(await this.#requester.request(request, { timeoutMs, timeoutError }), method);
  }

  protected override failOwnRequests(reason: RunError): void {
    this.#requester.failAll(reason);
  }

  protected override receive(frame: Frame, relatedRequestId?: RequestId): void {
    const onAnswer = frame.kind === 'response' ? this.#requester.take(frame.id) : undefined;
    if (onAnswer === undefined) super.receive(frame, relatedRequestId);
    else void onAnswer(frame);
  }

  #messageOf(answer: Frame, method: string): JsonRpcMessage {
    const { server } = this;
    // A failure of ours in the place of an answer differs between those that it may reach.
    if (forParent(answer) !== answer) throw upstreamError(server, method, answer);
    try {
      return answer.message;
    } catch (error) {
      throw new RunError('MALFORMED_ANSWER', { server, method: 'a request of ours' }, { cause: error });
    }
  }

  #timeoutError(method: string, startedAt: number): RunError {
    const { initializeTimeoutMs: timeoutMs, remarkSince } = this.#options;
    // A line that a server has written before it was asked may be the very reason why it does not start.
    const remark = remarkSince?.(method === 'initialize' ? 0 : startedAt);
    return timeoutError({ server: this.server, method, timeoutMs }, [remark]);
  }
}
