import { RunError } from '../../errors.ts';
import type { Frame } from '../../protocol/frame.ts';
import type { Clock } from '../../clock.ts';
import type { Connection } from './connection.ts';
import { discard } from './http-call.ts';
import { withId } from './messages.ts';
import { detailOf, isProcessed, readRejectionReason } from './rejection-reason.ts';
import type { SseReceiver } from './sse-receiver.ts';
import type { RemoteTransportOptions } from './transport.ts';

/** How long a notification, or a response, may take to be accepted. */
const ACCEPT_MS = 30_000;
const HEADERS = { 'content-type': 'application/json', accept: 'application/json' };

/** Posts messages to a server of HTTP+SSE. */
export class SseSender {
  readonly #options: RemoteTransportOptions;
  readonly #connection: Connection;
  readonly #receiver: SseReceiver;
  readonly #clock: Clock;

  constructor(options: RemoteTransportOptions, connection: Connection, receiver: SseReceiver, clock: Clock) {
    this.#options = options;
    this.#connection = connection;
    this.#receiver = receiver;
    this.#clock = clock;
  }

  /**
   * Resolves when the server has accepted the message.
   * @throws RunError `UPSTREAM_HTTP`, and as `Sending.response` does
   */
  async post(to: URL, frame: Frame): Promise<void> {
    const { kind, id, bytes } = frame;
    const receiver = this.#receiver;
    // The answer may have arrived on the stream already.
    const isAnswer = (body: Buffer): boolean =>
      kind === 'request' && id !== undefined && (receiver.isAnswered(id) || isProcessed(body, id));
    const request = { method: 'POST', url: to, headers: HEADERS, body: bytes, isAnswer } as const;
    const sending = this.#connection.send(request, false);
    const cancel = kind === 'request' ? undefined : this.#clock.after(ACCEPT_MS, () => sending.abort(), true);
    const response = await sending.response.finally(cancel);
    const { status } = response;
    if (status < 500) this.#options.reached(undefined);
    if (status < 300) return discard(response, this.#clock);
    const { server, maxBytes, mask } = this.#options;
    const reason = await readRejectionReason(response, maxBytes, id, this.#clock);
    const reply = reason.error ?? reason.result;
    const isOwn =
      kind === 'request' && id !== undefined && reply !== undefined && String(reply.id) === String(id);
    if (isOwn && receiver.settle(id) !== undefined) return void this.#options.deliver(withId(reply, id));
    throw new RunError('UPSTREAM_HTTP', { server, status, detail: mask(detailOf(reason)) });
  }
}
