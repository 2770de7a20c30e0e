import type { ServerResponse } from 'node:http';
import { isRunError, RunError } from '../../../errors.ts';
import { faultFrame } from '../../../protocol/fault.ts';
import type { Frame, RequestId } from '../../../protocol/frame.ts';
import type { Link } from '../../../link/link.ts';
import { openSseResponse } from '../responses/sse-response.ts';
import { requireAnswerable } from '../admit/unanswered.ts';

export interface SseSessionOptions {
  readonly id: string;
  readonly server: string;
  readonly principal: string;
  /** Where the client POSTs to: a path with the session id in its query. */
  readonly endpoint: string;
  readonly response: ServerResponse;
  readonly keepAliveMs: number;
  /** The session is over, by whoever's doing; exactly once. */
  readonly onEnd: (session: SseSession) => void;
}

/** An HTTP+SSE session: it lives exactly as long as its stream (2024-11-05, basic/transports). */
export interface SseSession {
  readonly kind: 'sse';
  readonly id: string;
  readonly server: string;
  readonly principal: string;
  readonly isBusy: boolean;
  readonly hasStream: boolean;
  readonly lastMessageAt: number;
  /** This end of the conversation, for the router. */
  readonly link: Link;
  /** Takes one POSTed message. @throws RunError if it is not accepted. */
  receive(frame: Frame): Promise<void>;
  /** Sends the error response to a request that was not accepted. @returns false if the stream has ended */
  refuse(error: RunError, id: RequestId): Promise<boolean>;
  /** Sends the first event, `endpoint`; the conversation has to be able to take messages by then. */
  open(): void;
  /** Called about once a second, for keep-alives. */
  tick(now: number): void;
  close(): Promise<void>;
}

export function createSseSession(options: SseSessionOptions): SseSession {
  const { id } = options;
  let lastMessageAt = Date.now();
  let onframe: (frame: Frame) => void | Promise<void> = () => {};
  let onclose: () => void = () => {};
  let isClosed = false;
  /** Requests without an answer. */
  const unanswered = new Set<RequestId>();
  /** Messages that the server has not taken yet. */
  let waiting = 0;

  const sse = openSseResponse(options.response, {});
  sse.onclose(end);

  const session: SseSession = {
    kind: 'sse',
    id,
    server: options.server,
    principal: options.principal,
    isBusy: false,
    hasStream: true,
    get lastMessageAt() {
      return lastMessageAt;
    },
    link: {
      peer: 'client',
      era: 'legacy',
      principal: options.principal,
      supports: { notifications: true, requests: true },
      send(frame) {
        lastMessageAt = Date.now();
        if (frame.kind === 'response' && frame.id !== undefined) unanswered.delete(frame.id);
        return sse.message(frame.bytes);
      },
      onframe(handler) {
        onframe = handler;
      },
      onend() {},
      onclose(handler) {
        onclose = handler;
      },
      abandonResponse: (requestId) => void unanswered.delete(requestId),
      close: async (reason) => (isRunError(reason, 'CLIENT_TOO_SLOW') ? sse.cut() : sse.end()),
    },
    async receive(frame) {
      if (isClosed) throw new RunError('SESSION_NOT_FOUND');
      lastMessageAt = Date.now();
      if (frame.kind === 'request') return start(frame);
      requireAnswerable(waiting + 1);
      waiting += 1;
      try {
        await onframe(frame);
      } finally {
        waiting -= 1;
      }
    },
    async refuse(error, id) {
      if (isClosed) return false;
      await sse.message(faultFrame(error, id).bytes);
      return true;
    },
    tick: (now) => sse.tick(now, options.keepAliveMs),
    open: () => sse.event({ event: 'endpoint', data: options.endpoint }),
    close: async () => sse.end(),
  };
  return session;

  /** @throws RunError */
  async function start(request: Frame): Promise<void> {
    requireAnswerable(unanswered.size + 1);
    const { id: requestId } = request;
    const isNew = requestId !== undefined && !unanswered.has(requestId);
    if (isNew) unanswered.add(requestId);
    try {
      await onframe(request);
    } catch (error) {
      if (isNew) unanswered.delete(requestId);
      throw error;
    }
  }

  function end(): void {
    if (isClosed) return;
    isClosed = true;
    onclose();
    options.onEnd(session);
  }
}
