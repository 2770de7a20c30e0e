import type { Clock } from '../../clock.ts';
import { claimsModern } from '../../era/envelope.ts';
import { RunError, toRunError } from '../../errors.ts';
import { RelayLink } from '../../link/forward.ts';
import { createFrameQueue } from '../../link/frame-queue.ts';
import type { Era, Link } from '../../link/link.ts';
import type { Principal } from '../../link/principal.ts';
import { reattachable } from '../../link/reattachable.ts';
import { MODERN_REVISION } from '../../protocol/constants.ts';
import { faultFrame } from '../../protocol/fault.ts';
import type { Frame, RequestId } from '../../protocol/frame.ts';
import type { ModernBackend } from '../modern-backend.ts';
import { detectEra, isModernBy } from './detect-era.ts';
import type { EraCache } from './era-cache.ts';

export interface StdioClientOptions {
  /** Ours, for `clientInfo`. */
  readonly version: string;
  /** Silence after which a server is sent a ping. */
  readonly silenceMs?: number;
  /** How long a server may take to say what it is. */
  readonly longestMs?: number;
  readonly clock: Clock;
  readonly known: EraCache;
  /** Opens another process. Rejects with a RunError. */
  readonly openChild: () => Promise<Link>;
  /** A process for a client that sends `initialize`. @param wasProbed whether it has been sent `server/discover` */
  readonly toLegacyClient: (child: Link, wasProbed: boolean) => Promise<Link>;
  /** A server of a 2025 revision for a modern client. @param first a process that runs already and was not initialized */
  readonly toLegacyServer: (first: Link | undefined) => Promise<ModernBackend>;
}

type Wait = void | Promise<void>;

class StdioClientLink extends RelayLink {
  readonly peer = 'server';
  readonly era = 'legacy';
  readonly principal: Principal;
  readonly supports = { notifications: true, requests: true };
  readonly #options: StdioClientOptions;
  readonly #known: EraCache;
  readonly #inOrder = createFrameQueue((frame) => this.#route(frame));
  /** Undefined until a message says it. */
  #clientEra: Era | undefined;
  /** Of the latest process: `probed` can still serve a client of either era, `used` only a modern one. */
  #process: 'fresh' | 'probed' | 'used' = 'fresh';
  /** The process that nothing uses yet. */
  #spare: Link | undefined;
  /** Where messages go; undefined before the first one. */
  #target: Link | undefined;
  /** The translator of a legacy server for a modern client. */
  #backend: ModernBackend | undefined;
  #isClosed = false;

  constructor(first: Link, options: StdioClientOptions) {
    super();
    this.principal = first.principal;
    this.#options = options;
    this.#known = options.known;
    this.#spare = reattachable(first);
  }

  attach(): this {
    this.#spare?.onclose((error) => this.closed(error));
    return this;
  }

  send(frame: Frame): Wait {
    return this.#inOrder.pass(frame);
  }

  abandonResponse(id: RequestId): void {
    this.#target?.abandonResponse(id);
  }

  async close(reason?: Error): Promise<void> {
    this.#isClosed = true;
    const error = toRunError(reason ?? new RunError('CLIENT_GONE'));
    await Promise.all([this.#target?.close(reason), this.#spare?.close(reason), this.#backend?.close(error)]);
    if (this.#backend !== undefined) super.closed(reason);
  }

  /** While the link is being closed, the end of a backend's port is not the end of the server, and no reason for an exit code. */
  protected override closed(error?: Error): void {
    if (!this.#isClosed || this.#backend === undefined) super.closed(error);
  }

  #route(frame: Frame): Wait {
    if (this.#isClosed) return undefined;
    if (this.#target === undefined || this.#clientEra === undefined) return this.#choose(frame);
    const isChecked = this.#clientEra === 'modern' && frame.kind === 'request';
    const rejected = isChecked ? rejectionReason(frame) : undefined;
    return rejected === undefined ? this.#target.send(frame) : this.deliver(faultFrame(rejected, frame.id));
  }

  #choose(frame: Frame): Wait {
    if (frame.kind === 'request' && frame.method === 'initialize')
      return this.#wait(frame, this.#initialize(frame));
    if (frame.kind === 'request' && claimsModern(frame.message)) {
      const isDiscover = frame.method === 'server/discover';
      return this.#wait(frame, isDiscover ? this.#discover(frame) : this.#sendModern(frame));
    }
    // Whatever it is, it is for the server to make sense of; it does not say which era the client is of.
    if (this.#target === undefined)
      this.#spare?.onframe((answer, relatedRequestId) => this.deliver(answer, relatedRequestId));
    return (this.#target ?? this.#spare)?.send(frame);
  }

  /** Holds the next messages back until this one has been sent. */
  #wait(frame: Frame, sent: Promise<Wait>): Promise<void> {
    const done = sent
      .catch((error: unknown) => this.deliver(faultFrame(toRunError(error), frame.id)))
      .then(() => undefined);
    this.#inOrder.holdBack(done);
    return done;
  }

  async #initialize(frame: Frame): Promise<Wait> {
    this.#clientEra = 'legacy';
    if (this.#process === 'used') await discard(this.#takeSpare() ?? this.#target);
    const child = this.#takeSpare() ?? this.#reusableTarget() ?? (await this.#reopenUnprobed());
    const link = await this.#options.toLegacyClient(child, this.#process !== 'fresh');
    if (this.#isClosed) return link.close();
    return this.#use(link).send(frame);
  }

  /** What a probe has left is as good as new; what a modern client's requests have left is not. */
  #reusableTarget(): Link | undefined {
    return this.#process !== 'used' && this.#backend === undefined ? this.#target : undefined;
  }

  async #sendModern(frame: Frame): Promise<Wait> {
    this.#clientEra = 'modern';
    if (this.#known.modern === undefined) await this.#learn(undefined);
    return await this.#sendToModernTarget(frame);
  }

  /** The client's own question is the one that we would ask. */
  async #discover(frame: Frame): Promise<Wait> {
    const answer = this.#known.modern === undefined ? await this.#learn(frame) : undefined;
    return answer === undefined ? await this.#sendToModernTarget(frame) : this.deliver(answer);
  }

  /** @returns the answer, if the server is modern */
  async #learn(request: Frame | undefined): Promise<Frame | undefined> {
    // The first one may have ended without having said anything.
    const child = this.#takeSpare() ?? (await this.#reopen());
    this.#process = 'probed';
    const verdict = await detectEra(
      child,
      request === undefined ? this.#options : { ...this.#options, request },
    );
    this.#known.modern = isModernBy(verdict);
    if (verdict.era !== 'gone') {
      this.#spare = child;
      if (verdict.era === 'modern' && !verdict.isOpen) this.#process = 'used';
      child.onclose((error) => this.closed(error));
    }
    return verdict.era === 'modern' ? verdict.answer : undefined;
  }

  async #sendToModernTarget(frame: Frame): Promise<Wait> {
    const target = await this.#modernTarget();
    // Closed in the meantime: it has not seen what has been opened since.
    return this.#isClosed ? await this.close() : target.send(frame);
  }

  /** Where a modern client's requests go: as they are to a modern server, translated to any other. */
  async #modernTarget(): Promise<Link> {
    if (this.#known.modern === true) {
      const child = this.#takeSpare();
      if (child !== undefined) return this.#use(child);
    }
    if (this.#target !== undefined) return this.#target;
    const child = this.#takeSpare();
    // The backend starts another one if it ends.
    child?.onclose(() => {});
    this.#backend ??= await this.#options.toLegacyServer(child);
    return this.#use(this.#backend.open({ principalId: this.principal.id, withheld: new Set() }));
  }

  #use(link: Link): Link {
    this.#target = link;
    this.follow(link);
    return link;
  }

  #takeSpare(): Link | undefined {
    const taken = this.#spare;
    this.#spare = undefined;
    return taken;
  }

  async #reopenUnprobed(): Promise<Link> {
    this.#process = 'fresh';
    return await this.#reopen();
  }

  async #reopen(): Promise<Link> {
    return reattachable(await this.#options.openChild());
  }
}

/**
 * A server for the one client that started us, of whichever era that is: `initialize` says that it is of one, any
 * request with metadata that it is of the other. `server/discover` settles nothing, since clients of both eras may ask
 * (2026-07-28, basic/transports/stdio, backward compatibility).
 * @param first its process, started ahead of the first message
 */
export function createStdioClientRoute(first: Link, options: StdioClientOptions): Link {
  return new StdioClientLink(first, options).attach();
}

/** Ends a process that no client can use; the conversation goes on with another one. */
async function discard(link: Link | undefined): Promise<void> {
  link?.onclose(() => {});
  await link?.close();
}

/** Why a client that has chosen the modern era may not send a request; undefined if it may. */
function rejectionReason(frame: Frame): RunError | undefined {
  if (frame.method === 'initialize') {
    const requested = String(frame.message.params?.['protocolVersion']);
    return new RunError('UNSUPPORTED_REVISION', { requested, supported: MODERN_REVISION });
  }
  if (claimsModern(frame.message)) return undefined;
  return new RunError('INVALID_METADATA', { detail: '_meta names no protocol version' });
}
