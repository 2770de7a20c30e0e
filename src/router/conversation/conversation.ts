import type { Clock } from '../../clock.ts';
import { RunError } from '../../errors.ts';
import type { Link } from '../../link/link.ts';
import type { Log } from '../../observe/log.ts';
import { cancellationFrame } from '../../protocol/cancellation.ts';
import { LISTEN } from '../../protocol/constants.ts';
import { faultFrame } from '../../protocol/fault.ts';
import { Exchanges, type Exchange } from '../exchanges.ts';
import { IdleWaiters } from '../idle-waiters.ts';
import { lastAnswer } from '../last-answer.ts';
import { reportTimeout } from '../report-timeout.ts';
import { UnmatchedAnswers } from '../unmatched-answers.ts';
import { FromClient } from './from-client.ts';
import { FromServer } from './from-server.ts';
import { OpenRequests } from './open-requests.ts';
import type { ConversationParts } from './parts.ts';
import { ServerConnection } from './server-connection.ts';

export interface ConversationOptions {
  /** Name of the server, for errors. */
  readonly server: string;
  /** Opens the server's link at once and lets anything pass; otherwise `initialize` opens it, and nothing goes before. */
  readonly eager: boolean;
  readonly initializeTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly maxRequestTimeMs: number;
  /** Observations since `time`, in ms since 1970, that may explain why the server does not answer. */
  readonly remarkSince?: (time: number) => string | undefined;
  /** Called before the server's link is opened for an `initialize`. @throws RunError if there is no room for it. */
  readonly reserve: () => void;
  /** Rejects with a RunError. `abandoned` aborts when the conversation ends before the link is open. */
  readonly openUpstream: (abandoned: AbortSignal) => Promise<Link>;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * One client joined to a server of its own. A message's way is `FromClient` → server and `FromServer` → client,
 * and it leaves as the bytes that it came in. A request that the conversation does not accept is thrown back at the
 * client's link as a RunError, which answers it in its transport's own form.
 */
export class Conversation {
  /** Resolves when both links are closed, with what ended the server's link or the conversation. Never rejects. */
  readonly closed: Promise<RunError>;
  readonly #client: Link;
  readonly #options: ConversationOptions;
  readonly #server: ServerConnection;
  readonly #exchanges: Exchanges;
  readonly #unmatched: UnmatchedAnswers;
  readonly #serverRequests = new OpenRequests();
  readonly #idle: IdleWaiters;
  readonly #fromClient: FromClient;
  readonly #fromServer: FromServer;
  #resolveClosed: (reason: RunError) => void = () => {};

  /** Nothing happens before `start`. */
  constructor(client: Link, options: ConversationOptions) {
    const { clock } = options;
    this.#client = client;
    this.#options = options;
    this.#exchanges = new Exchanges((exchange, limitMs) => this.#timedOut(exchange, limitMs), clock);
    this.#unmatched = new UnmatchedAnswers(options.log, clock);
    this.#idle = new IdleWaiters(this.#exchanges);
    this.#server = this.#createServer();
    const parts: ConversationParts = {
      client,
      server: this.#server,
      exchanges: this.#exchanges,
      serverRequests: this.#serverRequests,
      unmatched: this.#unmatched,
      idle: this.#idle,
    };
    this.#fromClient = this.#createFromClient(parts);
    this.#fromServer = new FromServer(parts);
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
  }

  /** Takes the client's link and, if `eager`, opens the server's. */
  start(): this {
    this.#client.onframe((frame) => this.#fromClient.receive(frame));
    this.#client.onend(() => this.#clientEnd());
    this.#client.onclose(() => void this.close(new RunError('CLIENT_GONE')));
    if (this.#options.eager) void this.#server.open();
    return this;
  }

  /** It takes no more messages, and its server is ending or has ended. */
  get isClosed(): boolean {
    return this.#server.phase === 'closed';
  }

  /** Client requests without an answer. */
  get pending(): number {
    return this.#exchanges.pending;
  }

  /** Resolves when nothing is pending. */
  idle(): Promise<void> {
    return new Promise((resolve) => this.#idle.add(resolve));
  }

  /** Answers pending requests with `reason`, then closes both links. Idempotent. */
  close(reason: RunError): Promise<void> {
    // Not twice: closing a link calls `close` back before `#shut` has returned.
    if (!this.isClosed) void this.#shut(reason);
    return this.closed.then(() => {});
  }

  #timedOut(exchange: Exchange, timeoutMs: number): void {
    const { id, method } = exchange;
    const error = reportTimeout(exchange, timeoutMs, { ...this.#options, unmatched: this.#unmatched });
    this.#unmatched.abandoned(id);
    void this.#client.send(faultFrame(error, id), id);
    if (method === 'initialize') void this.close(error);
    else void this.#server.send(cancellationFrame(id, 'timeout'));
    this.#idle.check();
  }

  /** The client still reads: the conversation ends with the last answer. */
  #clientEnd(): void {
    // The server's requests are answered now, or the calls that they belong to never end.
    for (const id of this.#serverRequests.settleAll())
      void this.#server.send(faultFrame(new RunError('CLIENT_GONE'), id));
    this.#idle.add(() => void this.close(new RunError('CLIENT_GONE')));
  }

  async #shut(reason: RunError): Promise<void> {
    this.#server.phase = 'closed';
    this.#server.abandonOpening();
    // A dead peer never answers: fail its callers now rather than at each one's own timeout.
    for (const { id, method } of this.#exchanges.settleAll())
      void this.#client.send(lastAnswer(id, method === LISTEN, reason), id);
    await Promise.all([this.#client.close(reason), this.#server.close(reason)]);
    this.#idle.check();
    this.#resolveClosed(this.#server.end ?? reason);
  }

  // The parts

  #createServer(): ServerConnection {
    const { server, eager, openUpstream } = this.#options;
    return new ServerConnection({
      server,
      eager,
      openUpstream,
      onFrame: (frame, relatedRequestId) => this.#fromServer.receive(frame, relatedRequestId),
      onEnd: (reason) => void this.close(reason),
    });
  }

  #createFromClient(parts: ConversationParts): FromClient {
    const { requestTimeoutMs, initializeTimeoutMs, maxRequestTimeMs: maxMs, reserve, log } = this.#options;
    return new FromClient({
      ...parts,
      callLimits: { timeoutMs: requestTimeoutMs, maxMs },
      initializeLimits: { timeoutMs: initializeTimeoutMs, maxMs },
      reserve,
      log,
    });
  }
}
