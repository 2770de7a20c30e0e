import type { RunError } from '../errors.ts';
import type { Link } from '../link/link.ts';
import type { Capability } from '../config/types.ts';

/** The client that a link is opened for. */
export interface ModernClient {
  readonly principalId: string;
  /** Capabilities that are removed from its declarations. */
  readonly withheld: ReadonlySet<Capability>;
}

/** A server of any era as clients of revision 2026-07-28 see it. */
export interface ModernBackend {
  /** Requests without an answer, and calls that wait for a client's next request. */
  readonly pending: number;
  /** A link for one client: for one POST, or for a whole stdio conversation. Opening it starts nothing. */
  open(client: ModernClient): Link;
  /** Ends the process that this principal has left idle longest. @returns false if none is idle */
  evictIdle(principalId: string): boolean;
  /** Answers pending requests with `reason`, ends subscriptions with a result, and stops the processes. Idempotent. */
  close(reason: RunError): Promise<void>;
}
