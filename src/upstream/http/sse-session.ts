import { RunError, timeoutError, toRunError } from '../../errors.ts';
import type { Frame } from '../../protocol/frame.ts';
import type { Clock } from '../../clock.ts';
import type { Connection } from './connection.ts';
import { shown } from './failure.ts';
import { isDown, isError } from './rejection-reason.ts';
import type { SseReceiver } from './sse-receiver.ts';
import type { SseSender } from './sse-sender.ts';
import { openSseStream, type SseEnd, type SseStream } from './sse-stream.ts';
import type { RemoteTransportOptions } from './transport.ts';

/**
 * - open: the stream is open, or was not needed yet
 * - paused: the stream was lost, and is opened again after a pause
 * - doubtful: it could not be opened again, and is tried again after a pause, or when there is a message
 * - replaying: it is opened again, and the client's session is begun in it
 */
type SseState = 'open' | 'paused' | 'doubtful' | 'replaying' | 'closed';

export interface SseSessionOptions {
  readonly transport: RemoteTransportOptions;
  readonly connection: Connection;
  readonly receiver: SseReceiver;
  readonly sender: SseSender;
  readonly clock: Clock;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;

/** The stream of a server of HTTP+SSE, which is opened again whenever it is lost, with the client's session. */
export class SseSession {
  readonly #options: RemoteTransportOptions;
  readonly #connection: Connection;
  readonly #receiver: SseReceiver;
  readonly #sender: SseSender;
  readonly #clock: Clock;
  #state: SseState = 'open';
  /** Where messages go, of the stream that is open, or is about to be. */
  #endpoint: Promise<URL> | undefined;
  #stream: SseStream | undefined;
  /** Ends the pause. */
  #wake: () => void = () => {};

  constructor({ transport, connection, receiver, sender, clock }: SseSessionOptions) {
    this.#options = transport;
    this.#connection = connection;
    this.#receiver = receiver;
    this.#sender = sender;
    this.#clock = clock;
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /**
   * Where messages go. Opens the stream if there has been none.
   * @throws RunError if the server has none
   */
  endpoint(): Promise<URL> {
    // A client waits for the outcome, even if that is a failure.
    if (this.#state === 'doubtful') this.#wake();
    this.#endpoint ??= this.#open();
    return this.#endpoint;
  }

  close(): void {
    this.#state = 'closed';
    this.#wake();
  }

  /** Before the server has ever been reached, it is tried again for as long as the options allow. */
  async #open(): Promise<URL> {
    const { patienceMs, log } = this.#options;
    const start = this.#clock.now();
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = longer(pauseMs)) {
      try {
        return await this.#connect();
      } catch (thrown) {
        const error = toRunError(thrown);
        const isWorthIt = this.#clock.now() - start + pauseMs < patienceMs;
        if (this.isClosed || !isWorthIt || !isDown(error)) throw error;
        log.info({ event: 'remote.waiting' }, `${error.message}; trying again`);
        await this.#pause(pauseMs);
        if (this.isClosed) throw error;
      }
    }
  }

  async #connect(): Promise<URL> {
    const { server, url, initializeTimeoutMs: timeoutMs, maxBytes } = this.#options;
    // Stands for the stream that is about to be opened.
    const opened = {};
    this.#stream = await openSseStream({
      server,
      url,
      connection: this.#connection,
      clock: this.#clock,
      timeoutMs,
      maxBytes,
      message: (data) => this.#receiver.receive(data, opened),
    });
    this.#options.reached(undefined);
    const { endpoint } = this.#stream;
    this.#stream.onend((end) => this.#onLost(end));
    return endpoint;
  }

  /** Requests will not be answered any more: the only way of their answers is gone. */
  #onLost({ error, retryMs }: SseEnd): void {
    const { url, log, fail } = this.#options;
    const receiver = this.#receiver;
    this.#stream = undefined;
    if (this.isClosed) return undefined;
    if (!receiver.hasWorked) return fail(error ?? receiver.streamLost('initialize'));
    receiver.replayed?.reject(error ?? receiver.streamLost('initialize'));
    log.info({ event: 'remote.stream-lost' }, `the stream of ${shown(url)} has ended: it is opened again`);
    receiver.failAll(error);
    // The replay finds out by itself.
    if (this.#state !== 'replaying') this.#reopen('paused', longest(Math.max(FIRST_PAUSE_MS, retryMs)));
    return undefined;
  }

  /** Again and again, with growing pauses; a message that is sent meanwhile fails with each attempt. */
  #reopen(state: 'paused' | 'doubtful', pauseMs: number): void {
    this.#state = state;
    const next = this.#pause(pauseMs).then(() => this.#replay());
    this.#endpoint = next;
    next.catch((thrown: unknown) => {
      if (this.isClosed) return;
      const error = toRunError(thrown);
      this.#options.log.debug({ event: 'remote.failed', reason: error.code.toLowerCase() }, error.message);
      if (isDown(error)) this.#options.reached(error);
      this.#reopen('doubtful', longer(pauseMs));
    });
  }

  /** Begins another session as the client began its first. */
  async #replay(): Promise<URL> {
    if (this.isClosed) throw new RunError('UPSTREAM_CLOSED', { server: this.#options.server });
    this.#state = 'replaying';
    const { handshake } = this.#receiver;
    const { initialize, initialized } = handshake;
    const settings = handshake.settings();
    try {
      const to = await this.#connect();
      if (initialize !== undefined) await this.#request(to, initialize);
      if (initialized !== undefined) await this.#sender.post(to, initialized);
      for (const setting of settings) await this.#request(to, setting);
      if (this.#stream === undefined) throw this.#receiver.streamLost('initialize');
      return to;
    } catch (error) {
      this.#stream?.close();
      throw error;
    } finally {
      if (this.#state === 'replaying') this.#state = 'open';
    }
  }

  /** @throws RunError if the server rejects the request that begins a session, or its stream is lost */
  async #request(to: URL, request: Frame): Promise<void> {
    const { id, method = '' } = request;
    if (id === undefined) return;
    if (this.#stream === undefined) throw this.#receiver.streamLost(method);
    const { server, initializeTimeoutMs: timeoutMs, mask } = this.#options;
    let cancel: () => void = () => {};
    const answered = new Promise<Frame>((resolve, reject) => {
      this.#receiver.replayed = { id, method, resolve, reject };
      cancel = this.#clock.after(timeoutMs, () => reject(timeoutError({ server, method, timeoutMs })), true);
    });
    const [answer] = await Promise.all([answered, this.#sender.post(to, request)]).finally(() => {
      cancel();
      this.#receiver.replayed = undefined;
    });
    if (method === 'initialize' && isError(answer)) {
      const detail = mask(answer.message.error?.message ?? '');
      throw new RunError('UPSTREAM_ERROR', { server, method, detail });
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(ms, resolve, true);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}

function longer(pauseMs: number): number {
  return longest(pauseMs * 2);
}

function longest(pauseMs: number): number {
  return Math.min(LONGEST_PAUSE_MS, pauseMs);
}
