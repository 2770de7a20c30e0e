import { isRunError, RunError, toRunError } from '../errors.ts';
import { OFFER_ID } from '../protocol/constants.ts';
import type { Frame, RequestId } from '../protocol/frame.ts';
import type { LinkFilter } from './compose.ts';
import { ForwardingLink } from './forward.ts';
import type { Link } from './link.ts';

export interface HealthObserver {
  /** The first answer, which is that to `initialize`. */
  answered(): void;
  /** The first answer after that: the server has started. */
  proved(): void;
  /** Whether a process that ends at `server/discover` has not failed to start: some do at what they do not know. */
  forgives(): boolean;
  /** The link is gone. `isFailedStart`: it died, or was too slow, before it had proved itself. */
  gone(error: RunError, isFailedStart: boolean): void;
}

class ObservedLink extends ForwardingLink {
  readonly #observer: HealthObserver;
  #answers = 0;
  /** The method of the latest request. */
  #asked: string | undefined;
  #isOffer = false;
  /** The reason of our own `close`, if the link was closed by us. */
  #reason: { readonly error: Error | undefined } | undefined;

  constructor(link: Link, observer: HealthObserver) {
    super(link);
    this.#observer = observer;
  }

  override close(error?: Error): Promise<void> {
    this.#reason ??= { error };
    return super.close(error);
  }

  protected override toPeer(frame: Frame, relatedRequestId?: RequestId): void | Promise<void> {
    if (this.#answers < 2 && frame.kind === 'request') {
      this.#asked = frame.method;
      this.#isOffer = frame.id === OFFER_ID;
    }
    return super.toPeer(frame, relatedRequestId);
  }

  protected override fromPeer(frame: Frame, relatedRequestId?: RequestId): void | Promise<void> {
    if (this.#answers < 2 && frame.kind === 'response') this.#countAnswer();
    return super.fromPeer(frame, relatedRequestId);
  }

  protected override closed(error?: Error): void {
    const cause = error === undefined ? new RunError('UPSTREAM_CLOSED', { server: '' }) : toRunError(error);
    if (this.#hasDeclined(cause)) this.#observer.gone(new RunError('UPSTREAM_CLOSED', { server: '' }), false);
    else if (this.#isUseless()) this.#observer.gone(toRunError(this.#reason?.error), true);
    else this.#observer.gone(cause, this.#hasFailed(cause));
    super.closed(error);
  }

  /** An answer to `server/discover` after the first is no proof that the server works: it may have refused `initialize` before. */
  #countAnswer(): void {
    if (this.#answers > 0 && this.#asked === 'server/discover') return;
    this.#answers += 1;
    if (this.#answers === 1) this.#observer.answered();
    else this.#observer.proved();
  }

  /** A server that ends at a request of the other era has given an answer of a kind: its next process is not sent one. */
  #hasFailed({ code }: RunError): boolean {
    if (this.#reason !== undefined || this.#answers > 1 || code === 'UPSTREAM_CLOSED') return false;
    return this.#asked !== 'server/discover' || code !== 'UPSTREAM_EXITED' || !this.#observer.forgives();
  }

  /** A remote server without handshake may refuse our offer of one by a status alone: it answers, and has shown its era. */
  #hasDeclined({ code, fields }: RunError): boolean {
    return this.#isOffer && code === 'UPSTREAM_HTTP' && Number(fields['status']) < 500;
  }

  /** The server did not answer `initialize` in time, or refused what every client would send, and was ended for that. */
  #isUseless(): boolean {
    const error = this.#reason?.error;
    if (this.#answers > 1) return false;
    if (isRunError(error, 'REQUEST_TIMEOUT')) return this.#answers === 0;
    return isRunError(error, 'UPSTREAM_ERROR') || isRunError(error, 'MALFORMED_ANSWER');
  }
}

/** A filter around a link to a server that passes everything on and reports the server's health to `observer`. */
export function observeHealth(observer: HealthObserver): LinkFilter {
  return (link) => new ObservedLink(link, observer).watch();
}
