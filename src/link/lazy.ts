import { toRunError } from '../errors.ts';
import { faultFrame } from '../protocol/fault.ts';
import type { Frame, RequestId } from '../protocol/frame.ts';
import { RelayLink } from './forward.ts';
import type { Era, Link } from './link.ts';
import { CHILD } from './principal.ts';

class LazyLink extends RelayLink {
  readonly peer = 'server';
  readonly era: Era;
  readonly principal = CHILD;
  readonly supports = { notifications: true, requests: true };
  readonly #open: () => Promise<Link>;
  #target: Link | undefined;
  #opening: Promise<void> | undefined;
  #isClosed = false;

  constructor(era: Era, open: () => Promise<Link>) {
    super();
    this.era = era;
    this.#open = open;
  }

  send(frame: Frame, relatedRequestId?: RequestId): void | Promise<void> {
    if (this.#target !== undefined) return this.#target.send(frame, relatedRequestId);
    this.#opening ??= this.#openTarget();
    return this.#opening.then(
      () => this.#target?.send(frame, relatedRequestId),
      (error: unknown) =>
        frame.kind === 'request' ? this.deliver(faultFrame(toRunError(error), frame.id)) : undefined,
    );
  }

  abandonResponse(id: RequestId): void {
    this.#target?.abandonResponse(id);
  }

  async close(reason?: Error): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#target === undefined) this.closed();
    else await this.#target.close(reason);
  }

  async #openTarget(): Promise<void> {
    try {
      const link = await this.#open();
      if (this.#isClosed) return await link.close();
      this.follow(link);
      this.#target = link;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }
}

/**
 * A link that opens another one when the first frame is sent. When that fails, the request is answered with the error, and the
 * next frame tries again.
 */
export function lazyLink(era: Era, open: () => Promise<Link>): Link {
  return new LazyLink(era, open);
}
