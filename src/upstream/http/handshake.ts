import type { Frame, JsonRpcMessage } from '../../protocol/frame.ts';

/**
 * What a client has set up in its session, to be said again in the next one when the server has forgotten the session
 * (2025-11-25, basic/transports, session management).
 */
export interface Handshake {
  /** The client's `initialize`, once the server has accepted it. */
  readonly initialize: Frame | undefined;
  readonly initialized: Frame | undefined;
  /** Requests to send again after it: the log level and the subscriptions. */
  settings(): Frame[];
  /** Notes what the server has accepted. */
  accepted(request: Frame): void;
  notified(notification: Frame): void;
}

/** Of one session; the specification sets no bound. */
const MAX_SUBSCRIPTIONS = 10_000;

export function createHandshake(): Handshake {
  let initialize: Frame | undefined;
  let initialized: Frame | undefined;
  let level: Frame | undefined;
  const subscriptions = new Map<string, Frame>();

  return {
    get initialize() {
      return initialize;
    },
    get initialized() {
      return initialized;
    },
    settings: () => [...(level === undefined ? [] : [level]), ...subscriptions.values()],
    accepted(request) {
      switch (request.method) {
        case 'initialize':
          initialize = request;
          initialized = undefined;
          level = undefined;
          subscriptions.clear();
          return;
        case 'logging/setLevel':
          level = request;
          return;
        case 'resources/subscribe':
          if (subscriptions.size < MAX_SUBSCRIPTIONS) subscriptions.set(uriOf(request.message), request);
          return;
        case 'resources/unsubscribe':
          subscriptions.delete(uriOf(request.message));
          return;
        default:
      }
    },
    notified(notification) {
      if (notification.method === 'notifications/initialized') initialized = notification;
    },
  };
}

function uriOf({ params }: JsonRpcMessage): string {
  return String(params?.['uri']);
}
