/** A link whose peer is the test. */
import {
  frameOf,
  parseFrame,
  type Frame,
  type JsonRpcMessage,
  type RequestId,
} from '../../src/protocol/frame.ts';
import type { Link } from '../../src/link/link.ts';
import { principalOf } from './principal.ts';

export interface Sent {
  readonly frame: Frame;
  readonly message: JsonRpcMessage;
  readonly relatedRequestId: RequestId | undefined;
}

export interface MemoryLink extends Link {
  /** What the program sent to this peer, oldest first. */
  readonly sent: readonly Sent[];
  readonly forgotten: readonly RequestId[];
  readonly isClosed: boolean;
  readonly closeReason: Error | undefined;
  /** What `send` returns from now on. */
  holdWith(wait: Promise<void> | undefined): void;
  setAsk(ask: boolean): void;
  /** The peer says something: a frame, or the members of a message. @throws what the program's handler throws */
  deliver(
    message: Frame | Omit<JsonRpcMessage, 'jsonrpc'>,
    relatedRequestId?: RequestId,
  ): void | Promise<void>;
  /** The peer will say nothing more. */
  end(): void;
  /** The link breaks. */
  drop(error?: Error): void;
  /** The first sent message that matches, once there is one. */
  waitFor(matches: (sent: Sent) => boolean): Promise<Sent>;
  /** All answers with this id. */
  answersTo(id: RequestId): JsonRpcMessage[];
}

export function createMemoryLink(peer: Link['peer'], onsend?: (sent: Sent) => void): MemoryLink {
  const sent: Sent[] = [];
  const forgotten: RequestId[] = [];
  const watchers = new Set<(one: Sent) => void>();
  let onframe: (frame: Frame, relatedRequestId?: RequestId) => void | Promise<void> = () => {};
  let onend = (): void => {};
  let onclose: (error?: Error) => void = () => {};
  let wait: Promise<void> | undefined;
  let ask = true;
  let isClosed = false;
  let closeReason: Error | undefined;

  return {
    peer,
    era: 'legacy',
    principal: principalOf('test'),
    supports: {
      notifications: true,
      get requests() {
        return ask;
      },
    },
    sent,
    forgotten,
    get isClosed() {
      return isClosed;
    },
    get closeReason() {
      return closeReason;
    },
    send(frame, relatedRequestId) {
      // Parsed anew: what the peer sees are bytes.
      const one = { frame, message: parseFrame(frame.bytes).message, relatedRequestId };
      sent.push(one);
      for (const watch of watchers) watch(one);
      onsend?.(one);
      return wait;
    },
    onframe: (handler) => void (onframe = handler),
    onend: (handler) => void (onend = handler),
    onclose: (handler) => void (onclose = handler),
    abandonResponse: (id) => void forgotten.push(id),
    async close(reason) {
      closeReason ??= reason;
      breakOff();
    },
    holdWith: (next) => void (wait = next),
    setAsk: (next) => void (ask = next),
    deliver: (message, relatedRequestId) =>
      onframe(isFrame(message) ? message : frameOf(message), relatedRequestId),
    end: () => onend(),
    drop: breakOff,
    waitFor(matches) {
      const known = sent.find(matches);
      if (known !== undefined) return Promise.resolve(known);
      return new Promise((resolve) => {
        const watch = (one: Sent): void => {
          if (!matches(one)) return;
          watchers.delete(watch);
          resolve(one);
        };
        watchers.add(watch);
      });
    },
    answersTo: (id) =>
      sent
        .map(({ message }) => message)
        .filter((message) => message.id === id && message.method === undefined),
  };

  function breakOff(error?: Error): void {
    if (isClosed) return;
    isClosed = true;
    onclose(error);
  }
}

function isFrame(message: Frame | Omit<JsonRpcMessage, 'jsonrpc'>): message is Frame {
  return 'bytes' in message;
}
