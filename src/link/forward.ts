import type { Frame, RequestId } from '../protocol/frame.ts';
import type { Era, Link, PeerSupport } from './link.ts';
import type { Principal } from './principal.ts';

type Wait = void | Promise<void>;
type FrameHandler = (frame: Frame, relatedRequestId?: RequestId) => Wait;

/**
 * Keeps the handlers of a link's holder. Handlers that are set later replace the earlier ones, and a close handler that is
 * set after the end is called at once. Subclasses say where frames go, and which links they come from.
 */
export abstract class RelayLink implements Link {
  abstract readonly peer: 'client' | 'server';
  abstract readonly era: Era;
  abstract readonly principal: Principal;
  abstract readonly supports: PeerSupport;
  #onframe: FrameHandler = () => {};
  #onend: () => void = () => {};
  #onclose: (error?: Error) => void = () => {};
  #end: { readonly error: Error | undefined } | undefined;

  abstract send(frame: Frame, relatedRequestId?: RequestId): Wait;
  abstract abandonResponse(id: RequestId): void;
  abstract close(reason?: Error): Promise<void>;

  onframe(handler: FrameHandler): void {
    this.#onframe = handler;
  }

  onend(handler: () => void): void {
    this.#onend = handler;
  }

  onclose(handler: (error?: Error) => void): void {
    this.#onclose = handler;
    if (this.#end !== undefined) handler(this.#end.error);
  }

  /** Hands a frame to the holder. */
  protected deliver(frame: Frame, relatedRequestId?: RequestId): Wait {
    return this.#onframe(frame, relatedRequestId);
  }

  /** A frame from the peer. */
  protected fromPeer(frame: Frame, relatedRequestId?: RequestId): Wait {
    return this.#onframe(frame, relatedRequestId);
  }

  /** The peer has ended its input. */
  protected ended(): void {
    this.#onend();
  }

  /** The link is gone: the holder is told, once. */
  protected closed(error?: Error): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    this.#onclose(error);
  }

  /** Takes frames and the end of a link from now on. */
  protected follow(link: Link): void {
    link.onclose((error) => this.closed(error));
    link.onframe((frame, relatedRequestId) => this.fromPeer(frame, relatedRequestId));
  }
}

/**
 * A link that wraps another one and passes everything on. Subclasses override `toPeer`, `fromPeer`, `ended` and `closed`;
 * each passes on by calling `super`. Nothing is delivered before `onframe` is called, as the wrapped link has it.
 */
export class ForwardingLink extends RelayLink {
  readonly peer: Link['peer'];
  readonly era: Era;
  readonly principal: Principal;
  protected readonly link: Link;
  #isReading = false;
  #seesInputEnd = false;
  #seesEnd = false;

  constructor(link: Link) {
    super();
    this.peer = link.peer;
    this.era = link.era;
    this.principal = link.principal;
    this.link = link;
  }

  get supports(): PeerSupport {
    return this.link.supports;
  }

  /** Observes the end of the wrapped link from now on: a holder that comes later is told of an earlier end. */
  watch(): this {
    if (this.#seesEnd) return this;
    this.#seesEnd = true;
    this.link.onclose((error) => this.closed(error));
    return this;
  }

  send(frame: Frame, relatedRequestId?: RequestId): Wait {
    return this.toPeer(frame, relatedRequestId);
  }

  override onframe(handler: FrameHandler): void {
    super.onframe(handler);
    if (this.#isReading) return;
    this.#isReading = true;
    this.link.onframe((frame, relatedRequestId) => this.fromPeer(frame, relatedRequestId));
  }

  override onend(handler: () => void): void {
    super.onend(handler);
    if (this.#seesInputEnd) return;
    this.#seesInputEnd = true;
    this.link.onend(() => this.ended());
  }

  override onclose(handler: (error?: Error) => void): void {
    super.onclose(handler);
    this.watch();
  }

  abandonResponse(id: RequestId): void {
    this.link.abandonResponse(id);
  }

  close(reason?: Error): Promise<void> {
    return this.link.close(reason);
  }

  /** A frame for the peer. */
  protected toPeer(frame: Frame, relatedRequestId?: RequestId): Wait {
    return this.link.send(frame, relatedRequestId);
  }
}
