import { RunError, toRunError } from '../../errors.ts';
import { claimsModern } from '../../era/envelope.ts';
import { MODERN_REVISION } from '../../protocol/constants.ts';
import { faultFrame } from '../../protocol/fault.ts';
import type { Frame, RequestId } from '../../protocol/frame.ts';
import type { Link } from '../../link/link.ts';
import type { ModernBackend } from '../modern-backend.ts';
import { reattachable } from '../../link/reattachable.ts';
import { createFrameQueue } from '../../link/frame-queue.ts';
import type { EraCache } from './era-cache.ts';
import { isModernBy, detectEra } from './detect-era.ts';

export interface StdioClientOptions {
  /** Ours, for `clientInfo`. */
  readonly version: string;
  /** Silence after which a server is sent a ping. */
  readonly silenceMs?: number;
  /** How long a server may take to say what it is. */
  readonly longestMs?: number;
  readonly known: EraCache;
  /** Opens another process. Rejects with a RunError. */
  readonly openChild: () => Promise<Link>;
  /** A process for a client that sends `initialize`. @param wasProbed whether it has been sent `server/discover` */
  readonly toLegacyClient: (child: Link, wasProbed: boolean) => Link;
  /** A server of a 2025 revision for a modern client. @param first a process that runs already and was not initialized */
  readonly toLegacyServer: (first: Link | undefined) => ModernBackend;
}

type Wait = void | Promise<void>;

/**
 * A server for the one client that started us, of whichever era that is: `initialize` says that it is of one, any
 * request with metadata that it is of the other. `server/discover` settles nothing, since clients of both eras may ask
 * (2026-07-28, basic/transports/stdio, backward compatibility).
 * @param first its process, started ahead of the first message
 */
export function createStdioClientRoute(first: Link, options: StdioClientOptions): Link {
  const { known } = options;
  /** The process that nobody has taken over yet. */
  let spare: Link | undefined = reattachable(first);
  /** Whether the process that was probed can still serve a client of either era. */
  let isOpen = true;
  /** Where messages go; undefined before the first one. */
  let target: Link | undefined;
  let face: ModernBackend | undefined;
  let pinned: 'legacy' | 'modern' | undefined;
  let wasProbed = false;
  const inOrder = createFrameQueue(route);
  let isClosed = false;
  let onframe: (frame: Frame, relatedRequestId?: RequestId) => Wait = () => {};
  let onclose: (error?: Error) => void = () => {};
  spare.onclose((error) => onclose(error));

  return {
    peer: 'server',
    era: 'legacy',
    principal: first.principal,
    supports: { notifications: true, requests: true },
    send: (frame) => inOrder.pass(frame),
    onframe(handler) {
      onframe = handler;
    },
    onend() {},
    onclose(handler) {
      onclose = handler;
      spare?.onclose(handler);
    },
    abandonResponse: (id) => target?.abandonResponse(id),
    close,
  };

  function route(frame: Frame): Wait {
    if (isClosed) return undefined;
    if (target === undefined || pinned === undefined) return choose(frame);
    const refusal = pinned === 'modern' && frame.kind === 'request' ? refusalOf(frame) : undefined;
    return refusal === undefined ? target.send(frame) : onframe(faultFrame(refusal, frame.id));
  }

  function choose(frame: Frame): Wait {
    if (frame.kind === 'request' && frame.method === 'initialize') return wait(frame, pinLegacy);
    if (frame.kind === 'request' && claimsModern(frame.message)) {
      if (frame.method === 'server/discover') return wait(frame, discover);
      return wait(frame, pinModern);
    }
    // Whatever it is, it is for the server to make sense of; it does not say which era the client is of.
    if (target === undefined) spare?.onframe((answer, relatedRequestId) => onframe(answer, relatedRequestId));
    return (target ?? spare)?.send(frame);
  }

  function wait(frame: Frame, act: (frame: Frame) => Promise<Wait>): Promise<void> {
    const done = act(frame)
      .catch((error: unknown) => onframe(faultFrame(toRunError(error), frame.id)))
      .then(() => undefined);
    inOrder.holdBack(done);
    return done;
  }

  async function pinLegacy(frame: Frame): Promise<Wait> {
    pinned = 'legacy';
    if (!isOpen) await discard(takeSpare() ?? target);
    // What a probe has left is as good as new; what a modern client's questions have left is not.
    const isUsable = isOpen && face === undefined && target !== undefined;
    const child = takeSpare() ?? (isUsable ? target : await reopenUnprobed());
    if (isClosed) return child?.close();
    if (child !== undefined) target = use(options.toLegacyClient(child, wasProbed));
    return target?.send(frame);
  }

  async function pinModern(frame: Frame): Promise<Wait> {
    pinned = 'modern';
    if (known.modern === undefined) await learn(undefined);
    return modern().send(frame);
  }

  /** The client's own question is the one that we would ask. */
  async function discover(frame: Frame): Promise<Wait> {
    if (known.modern !== undefined) return modern().send(frame);
    const answer = await learn(frame);
    return answer === undefined ? modern().send(frame) : onframe(answer);
  }

  /** @returns the answer, if the server is modern */
  async function learn(request: Frame | undefined): Promise<Frame | undefined> {
    // The first one may have ended without having said anything.
    const child = spare ?? (await reopen());
    spare = undefined;
    wasProbed = true;
    const verdict = await detectEra(child, request === undefined ? options : { ...options, request });
    known.modern = isModernBy(verdict);
    if (verdict.era !== 'gone') {
      spare = child;
      isOpen = verdict.era === 'legacy' || verdict.isOpen;
      child.onclose((error) => onclose(error));
    }
    return verdict.era === 'modern' ? verdict.answer : undefined;
  }

  /** Where a modern client's requests go: as they are to a modern server, translated to any other. */
  function modern(): Link {
    if (known.modern === true && spare !== undefined) target = use(takeSpare());
    if (target !== undefined) return target;
    const child = takeSpare();
    // The one that takes it over starts another if it ends.
    child?.onclose(() => {});
    face ??= options.toLegacyServer(child);
    return use(face.open({ principal: first.principal, withheld: new Set() }));
  }

  function use<L extends Link | undefined>(link: L): L {
    target = link;
    link?.onclose((error) => onclose(error));
    link?.onframe((frame, relatedRequestId) => onframe(frame, relatedRequestId));
    return link;
  }

  /** Ends a process that no client can use; the conversation goes on with another one. */
  async function discard(link: Link | undefined): Promise<void> {
    link?.onclose(() => {});
    await link?.close();
  }

  function takeSpare(): Link | undefined {
    const taken = spare;
    spare = undefined;
    return taken;
  }

  async function reopenUnprobed(): Promise<Link> {
    wasProbed = false;
    return await reopen();
  }

  async function reopen(): Promise<Link> {
    return reattachable(await options.openChild());
  }

  async function close(reason?: Error): Promise<void> {
    isClosed = true;
    const error = toRunError(reason ?? new RunError('CLIENT_GONE'));
    await Promise.all([target?.close(reason), spare?.close(reason), face?.close(error)]);
    if (face !== undefined) onclose(reason);
  }
}

/** What a client that speaks the modern era may not say any more. */
function refusalOf(frame: Frame): RunError | undefined {
  if (frame.method === 'initialize') {
    const requested = String(frame.message.params?.['protocolVersion']);
    return new RunError('UNSUPPORTED_REVISION', { requested, supported: MODERN_REVISION });
  }
  if (claimsModern(frame.message)) return undefined;
  return new RunError('INVALID_METADATA', { detail: '_meta names no protocol version' });
}
