import { ForwardingLink } from './forward.ts';
import type { Link } from './link.ts';

class ReattachableLink extends ForwardingLink {
  readonly #onGone: (() => void) | undefined;

  constructor(link: Link, onGone: (() => void) | undefined) {
    super(link);
    this.#onGone = onGone;
  }

  protected override closed(error?: Error): void {
    this.#onGone?.();
    super.closed(error);
  }
}

/**
 * A link that passes from holder to holder: handlers that are set later replace the earlier ones, and a holder that comes
 * after the end is told of it at once.
 * @param onGone called at the end, before the holder is told
 */
export function reattachable(link: Link, onGone?: () => void): Link {
  return new ReattachableLink(link, onGone).watch();
}
