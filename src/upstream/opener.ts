import type { Target } from '../config/types.ts';
import type { Link } from '../link/link.ts';
import type { UpstreamOptions } from './target.ts';

/** Opens conversations with servers of one kind, and holds what these have in common. */
export interface Opener<T extends Target> {
  /** @throws RunError */
  open(target: T, options: UpstreamOptions): Promise<Link>;
  /** Releases what is left once all conversations have been closed. Idempotent. */
  close(): void;
}
