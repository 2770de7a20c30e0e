import type { Clock } from '../clock.ts';
import type { Target } from '../config/types.ts';
import type { Link } from '../link/link.ts';
import type { UpstreamOptions } from './target.ts';

export interface OpenerOptions {
  readonly clock: Clock;
  /** Whether a handler on `process` may end what is left of the server processes. */
  readonly killsOnExit: boolean;
}

/** Opens conversations with servers of one kind, and holds what these have in common. */
export interface Opener<T extends Target> {
  /** @throws RunError */
  open(target: T, options: UpstreamOptions): Promise<Link>;
  /** Releases what is left once all conversations have been closed. Idempotent. */
  close(): void;
}
