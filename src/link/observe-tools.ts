import type { Frame, RequestId } from '../protocol/frame.ts';
import { ForwardingLink } from './forward.ts';
import type { Link } from './link.ts';

/** Requests without an answer that are remembered for each link. */
const MAX_LISTING = 1_000;

class ToolsObserver extends ForwardingLink {
  readonly #onTools: (answer: Frame) => void;
  readonly #listing = new Set<RequestId>();

  constructor(link: Link, onTools: (answer: Frame) => void) {
    super(link);
    this.#onTools = onTools;
  }

  override abandonResponse(id: RequestId): void {
    this.#listing.delete(id);
    super.abandonResponse(id);
  }

  protected override toPeer(frame: Frame, relatedRequestId?: RequestId): void | Promise<void> {
    if (frame.kind === 'response' && frame.id !== undefined && this.#listing.delete(frame.id))
      this.#onTools(frame);
    return super.toPeer(frame, relatedRequestId);
  }

  protected override fromPeer(frame: Frame, relatedRequestId?: RequestId): void | Promise<void> {
    if (frame.method === 'tools/list' && frame.id !== undefined && this.#listing.size < MAX_LISTING)
      this.#listing.add(frame.id);
    return super.fromPeer(frame, relatedRequestId);
  }
}

/** The same link of a client. @param onTools called with each answer to `tools/list`, before it is sent */
export function observeTools(link: Link, onTools: (answer: Frame) => void): Link {
  return new ToolsObserver(link, onTools);
}
