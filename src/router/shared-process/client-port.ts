import { toRunError, type RunError } from '../../errors.ts';
import { faultFrame } from '../../protocol/fault.ts';
import type { Frame } from '../../protocol/frame.ts';
import type { Era, Link } from '../../link/link.ts';

/** One client of a shared child. */
export interface ClientPort {
  /** The client's end, for the router. */
  readonly link: Link;
  /** False once it has left. */
  readonly isOpen: boolean;
  /** Bytes that it was sent and did not take. */
  readonly unread: number;
  /** Least severity that it wants to hear; undefined = whatever comes. */
  level: number | undefined;
  isInitialized: boolean;
  /** It has sent the child a request. */
  hasCalled: boolean;
  deliver(frame: Frame): void;
  end(reason: RunError): void;
}

export interface ClientPortOptions {
  /** Of the client; legacy by default. */
  readonly era?: Era;
  /** What a client that leaves is told; one for all, since a stack trace would cost more than a short stay. */
  readonly closed: RunError;
  readonly send: (port: ClientPort, frame: Frame) => void | Promise<void>;
  readonly onUnread: (bytes: number) => void;
  readonly onLeave: (port: ClientPort) => void;
}

export function createClientPort({
  era = 'legacy',
  closed,
  send,
  onUnread,
  onLeave,
}: ClientPortOptions): ClientPort {
  let onframe: (frame: Frame) => void | Promise<void> = () => {};
  let onclose: (error?: Error) => void = () => {};
  let isOpen = true;
  let unread = 0;

  const port: ClientPort = {
    link: {
      peer: 'server',
      era,
      principal: 'child',
      supports: { notifications: true, requests: true },
      send: fromRouter,
      onframe(handler) {
        onframe = handler;
      },
      onend() {},
      onclose(handler) {
        onclose = handler;
      },
      abandonResponse() {},
      close: async () => end(closed),
    },
    get isOpen() {
      return isOpen;
    },
    get unread() {
      return unread;
    },
    level: undefined,
    isInitialized: false,
    hasCalled: false,
    deliver,
    end,
  };
  return port;

  /** Whatever is wrong with one message is the trouble of its sender alone. */
  function fromRouter(frame: Frame): void | Promise<void> {
    try {
      return send(port, frame)?.catch((error: unknown) => refuse(frame, error));
    } catch (error) {
      return refuse(frame, error);
    }
  }

  function refuse({ kind, id }: Frame, error: unknown): void {
    if (kind === 'request') deliver(faultFrame(toRunError(error), id));
  }

  /** A client that does not read makes nobody wait but itself: what it leaves unread is counted. */
  function deliver(frame: Frame): void {
    const wait = isOpen ? onframe(frame) : undefined;
    if (wait === undefined) return;
    const { length } = frame.bytes;
    count(length);
    void wait.then(() => count(-length));
  }

  function count(bytes: number): void {
    if (!isOpen) return;
    unread += bytes;
    onUnread(bytes);
  }

  function end(reason: RunError): void {
    if (!isOpen) return;
    count(-unread);
    isOpen = false;
    onLeave(port);
    onclose(reason);
  }
}
