import type { EraCache } from './era-cache.ts';
import { jsonOf } from '../../era/json.ts';
import type { Link } from '../../link/link.ts';
import type { Frame, RequestId } from '../../protocol/frame.ts';
import { isLateDiscovery, messageOf } from './detect-era.ts';

type Wait = void | Promise<void>;

/** The outcome of an `initialize`. */
export type AttemptOutcome =
  /** The response has been delivered. */
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused'; readonly answer: Frame }
  | { readonly kind: 'ended'; readonly error: Error | undefined };

export interface InitializeAttemptOptions {
  readonly link: Link;
  readonly request: Frame;
  readonly known: EraCache;
  readonly isAccepted: (answer: Frame) => boolean;
  /** Called before the accepting response is delivered. */
  readonly onAccepted: () => void;
  readonly deliver: (frame: Frame, relatedRequestId?: RequestId) => Wait;
  /** The link has ended after the server accepted. */
  readonly onEnd: (error?: Error) => void;
}

/** Sends a client's `initialize`. An accepting response is delivered at once, since other messages may be right behind it. */
export class InitializeAttempt {
  readonly #options: InitializeAttemptOptions;
  #stage: 'pending' | AttemptOutcome['kind'] = 'pending';
  #resolve: (outcome: AttemptOutcome) => void = () => {};

  constructor(options: InitializeAttemptOptions) {
    this.#options = options;
  }

  /** Takes the handlers of the link. */
  run(): Promise<AttemptOutcome> {
    const { link, request } = this.#options;
    return new Promise((resolve) => {
      this.#resolve = resolve;
      link.onclose((error) => this.#linkClosed(error));
      link.onframe((frame, relatedRequestId) => this.#receive(frame, relatedRequestId));
      void link.send(request);
    });
  }

  /** A link that ends after a refusal reports it to its next holder. */
  #linkClosed(error: Error | undefined): void {
    if (this.#stage === 'accepted') this.#options.onEnd(error);
    else this.#settle({ kind: 'ended', error });
  }

  #receive(frame: Frame, relatedRequestId: RequestId | undefined): Wait {
    const { request, known, deliver } = this.#options;
    if (isLateDiscovery(frame)) known.modern = true;
    if (frame.kind !== 'response' || frame.id !== request.id) return deliver(frame, relatedRequestId);
    return this.#stage === 'pending' ? this.#answered(frame, relatedRequestId) : undefined;
  }

  #answered(answer: Frame, relatedRequestId: RequestId | undefined): Wait {
    const { link, known, isAccepted, onAccepted, deliver } = this.#options;
    // An answer that could not be read is no refusal, and its caller does not wait for a probe.
    const isRead = !isUnread(answer);
    if (isRead && !isAccepted(answer)) return this.#settle({ kind: 'refused', answer });
    this.#settle({ kind: 'accepted' });
    if (isRead) known.legacy = true;
    onAccepted();
    // There is nothing to look for from here on.
    link.onframe(deliver);
    return deliver(answer, relatedRequestId);
  }

  #settle(outcome: AttemptOutcome): void {
    if (this.#stage === 'pending') this.#stage = outcome.kind;
    this.#resolve(outcome);
  }
}

/** Whether an error of our own stands in the place of an answer that the server has given. */
function isUnread(answer: Frame): boolean {
  const { reason } = jsonOf(messageOf(answer)?.error?.data);
  return reason === 'unreadable_answer' || reason === 'line_too_long';
}
