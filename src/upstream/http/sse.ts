import { RunError, toRunError } from '../../errors.ts';
import { claimsModern } from '../../era/envelope.ts';
import type { Frame } from '../../protocol/frame.ts';
import { createScope, type ConnectionScope } from './connection.ts';
import { SseReceiver } from './sse-receiver.ts';
import { SseSender } from './sse-sender.ts';
import { SseSession } from './sse-session.ts';
import type { RemoteTransport, RemoteTransportOptions } from './transport.ts';

/** Speaks HTTP+SSE (2024-11-05, basic/transports): one stream for all messages of the server, and a POST for each message to it. */
export class Sse implements RemoteTransport {
  readonly #options: RemoteTransportOptions;
  readonly #connection: ConnectionScope;
  readonly #receiver: SseReceiver;
  readonly #sender: SseSender;
  readonly #session: SseSession;
  /** Messages that have to leave before the next one does: requests may overtake each other, and nothing else. */
  #sent: Promise<void> = Promise.resolve();

  constructor(options: RemoteTransportOptions) {
    const { clock } = options;
    const connection = createScope(options.connection);
    const receiver = new SseReceiver(options, clock);
    const sender = new SseSender(options, connection, receiver, clock);
    this.#options = options;
    this.#connection = connection;
    this.#receiver = receiver;
    this.#sender = sender;
    this.#session = new SseSession({ transport: options, connection, receiver, sender, clock });
  }

  send(frame: Frame): void {
    if (this.#session.isClosed) return;
    const { id, method = '' } = frame;
    if (method === 'notifications/cancelled') this.#receiver.cancelled(frame);
    if (frame.kind === 'request' && id !== undefined) {
      if (claimsModern(frame.message))
        return this.#receiver.fail(id, new RunError('METHOD_NOT_FOUND', { method }));
      this.#receiver.expect(id, frame);
    }
    const posted = this.#sent.then(() => this.#post(frame));
    if (frame.kind !== 'request' || method === 'initialize') this.#sent = posted;
  }

  /** Opens the stream. @throws RunError if the server has none */
  async ready(): Promise<void> {
    await this.#session.endpoint();
  }

  async close(): Promise<void> {
    this.#session.close();
    this.#connection.abort();
  }

  /** Never rejects: a request that cannot be sent is answered with the error. */
  async #post(frame: Frame): Promise<void> {
    if (this.#session.isClosed) return;
    try {
      const to = await this.#session.endpoint();
      // The stream that would carry its answer may have been lost meanwhile.
      if (frame.kind === 'request' && frame.id !== undefined && !this.#receiver.isPending(frame.id, frame))
        return;
      await this.#sender.post(to, frame);
      if (frame.kind === 'notification') this.#receiver.handshake.notified(frame);
    } catch (error) {
      if (!this.#session.isClosed) this.#onFailed(frame, toRunError(error));
    }
  }

  #onFailed({ id }: Frame, error: RunError): void {
    if (error.code === 'UPSTREAM_UNREACHABLE') this.#options.reached(error);
    if (!this.#receiver.hasWorked) return this.#options.fail(error);
    if (id !== undefined && this.#receiver.settle(id) !== undefined) this.#receiver.fail(id, error);
  }
}
