import { RunError } from '../../errors.ts';
import { claimedRevision } from '../../era/envelope.ts';
import { isLegacyRevision } from '../../protocol/constants.ts';
import type { Frame } from '../../protocol/frame.ts';
import { HEADER } from '../../protocol/mirrored-headers.ts';
import type { Clock } from '../../clock.ts';
import { createScope, type ConnectionScope } from './connection.ts';
import { DroppedMessages } from './dropped-messages.ts';
import { logFailure } from './failure.ts';
import { discard, type HttpRequest, type HttpResponse } from './http-call.ts';
import { isFull, readRejectionReason } from './rejection-reason.ts';
import { HttpSession, type SessionKey, type SessionOptions } from './session.ts';
import type { RemoteTransportOptions } from './transport.ts';

const JSON_HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
const DELETE_MS = 2_000;

/** A server of Streamable HTTP as all parts of one conversation see it: the way to it, and its session. */
export class StreamablePeer {
  readonly options: RemoteTransportOptions;
  readonly connection: ConnectionScope;
  readonly session: HttpSession;
  readonly dropped: DroppedMessages;
  readonly clock: Clock;
  /** The server has answered a request. */
  hasWorked = false;
  /** The conversation is being closed, or is closed. */
  isClosing = false;
  /** Sessions that were ended because there is another one. */
  readonly #replaced = new WeakSet<SessionKey>();

  constructor(options: RemoteTransportOptions, onSession: Omit<SessionOptions, 'server'>) {
    const { clock } = options;
    this.options = options;
    this.connection = createScope(options.connection);
    this.session = new HttpSession({ server: options.server, ...onSession });
    this.dropped = new DroppedMessages(options.log, clock);
    this.clock = clock;
  }

  postOf(frame: Frame, isModern: boolean): HttpRequest {
    const isInitialize = frame.method === 'initialize';
    const { requestHeaders, url } = this.options;
    const own = isModern
      ? requestHeaders.headersOf(frame)
      : isInitialize
        ? claimedHeaders(frame)
        : this.session.headers();
    const post: HttpRequest = {
      method: 'POST',
      url,
      headers: { ...JSON_HEADERS, ...own },
      body: frame.bytes,
    };
    if (!isInitialize || this.options.makeRoom === undefined) return post;
    return { ...post, makeRoom: (response) => this.#makeRoom(response) };
  }

  noteStatus({ status }: HttpResponse): void {
    const { server } = this.options;
    if (status < 500) this.options.reached(undefined);
    else if (status > 501)
      this.options.reached(new RunError('UPSTREAM_HTTP', { server, status, detail: '' }));
  }

  report(error: RunError): void {
    logFailure(this.options.log, error);
    if (error.code === 'UPSTREAM_UNREACHABLE') this.options.reached(error);
  }

  lost({ method = '' }: Frame): RunError {
    return new RunError('UPSTREAM_STREAM_LOST', { server: this.options.server, method });
  }

  /**
   * Begins another session. A server that has not said so with 404 may still keep the one before.
   * @param status of the response that says that the session is forgotten
   * @returns whether there is another one
   */
  async replaceSession(used: SessionKey, status: number): Promise<boolean> {
    const { session } = this;
    const isRenewed = await session.renew(used);
    if (isRenewed && status !== 404 && session.key.id !== used.id && !this.#replaced.has(used)) {
      this.#replaced.add(used);
      void this.#endSession(used);
    }
    return isRenewed;
  }

  /** Ends all that is under way, and the session. */
  async close(): Promise<void> {
    this.connection.abort();
    const { key } = this.session;
    // The server may keep a session for as long as it likes unless it is ended.
    if (key.id !== undefined) await this.#endSession(key);
  }

  /** Never rejects. */
  async #endSession(key: SessionKey): Promise<void> {
    const { url } = this.options;
    const headers = this.session.headers(key);
    const sending = this.connection.send({ method: 'DELETE', url, headers }, true);
    const cancel = this.clock.after(DELETE_MS, () => sending.abort(), true);
    await sending.response.then(
      (response) => discard(response, this.clock),
      () => {},
    );
    cancel();
  }

  /** A session that its client left without ending it keeps a place at the server until it is idle for long enough here. */
  async #makeRoom(response: HttpResponse): Promise<boolean> {
    const reason = await readRejectionReason(response, this.options.maxBytes, undefined, this.clock);
    return isFull(reason) && (await this.options.makeRoom?.()) === true;
  }
}

/** An `initialize` with metadata repeats it in headers, as all requests to a modern server do. */
function claimedHeaders({ message }: Frame): Readonly<Record<string, string>> {
  const version = claimedRevision(message);
  if (!isLegacyRevision(version)) return {};
  return { [HEADER.protocolVersion]: version, [HEADER.method]: 'initialize' };
}
