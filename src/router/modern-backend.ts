import type { RunError } from '../errors.ts';
import type { Link } from '../link/link.ts';
import type { Capability } from '../config/types.ts';

/** Whom a link is opened for. */
export interface ModernClient {
  readonly principal: string;
  /** What it may declare and the server does not get to see. */
  readonly withheld: ReadonlySet<Capability>;
}

/** A server as clients of revision 2026-07-28 see it, whatever its own era. */
export interface ModernBackend {
  /** Clients' requests without an answer, and what is held for a client's next request. */
  readonly pending: number;
  /** A link for one client: for one POST, or for a whole stdio conversation. Opening it starts nothing. */
  open(client: ModernClient): Link;
  /** Ends the process that this principal left idle longest; false if it has none to spare. */
  evictIdle(principal: string): boolean;
  /** Answers what is pending with `reason`, ends what listens in good order, and stops its processes. Idempotent. */
  close(reason: RunError): Promise<void>;
}
