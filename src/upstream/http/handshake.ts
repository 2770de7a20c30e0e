import type { Frame, JsonRpcMessage } from '../../protocol/frame.ts';

/** Of one session; the specification sets no bound. */
const MAX_SUBSCRIPTIONS = 10_000;

/**
 * The state that a client has set up in its session, to be set up again in the next one when the server has forgotten the
 * session (2025-11-25, basic/transports, session management).
 */
export class Handshake {
  #initialize: Frame | undefined;
  #initialized: Frame | undefined;
  #level: Frame | undefined;
  readonly #subscriptions = new Map<string, Frame>();

  /** The client's `initialize`, once the server has accepted it. */
  get initialize(): Frame | undefined {
    return this.#initialize;
  }

  get initialized(): Frame | undefined {
    return this.#initialized;
  }

  /** Requests to send again after it: the log level and the subscriptions. */
  settings(): Frame[] {
    return [...(this.#level === undefined ? [] : [this.#level]), ...this.#subscriptions.values()];
  }

  /** Notes a request that the server has accepted. */
  accepted(request: Frame): void {
    switch (request.method) {
      case 'initialize':
        this.#initialize = request;
        this.#initialized = undefined;
        this.#level = undefined;
        this.#subscriptions.clear();
        return;
      case 'logging/setLevel':
        this.#level = request;
        return;
      case 'resources/subscribe':
        if (this.#subscriptions.size < MAX_SUBSCRIPTIONS)
          this.#subscriptions.set(uriOf(request.message), request);
        return;
      case 'resources/unsubscribe':
        this.#subscriptions.delete(uriOf(request.message));
        return;
      default:
    }
  }

  notified(notification: Frame): void {
    if (notification.method === 'notifications/initialized') this.#initialized = notification;
  }
}

function uriOf({ params }: JsonRpcMessage): string {
  return String(params?.['uri']);
}
