import type { RunError } from '../../errors.ts';
import type { ServerState } from './server-state.ts';

/** What is known about one server; plain data, for /readyz, logs and listings. */
export interface ServerSnapshot {
  readonly server: string;
  readonly state: ServerState;
  /** Conversations with it that have been opened and not ended. */
  readonly conversations: number;
  /** Starts that failed since one succeeded. */
  readonly failedStarts: number;
  /** Of the last start; absent if it succeeded. */
  readonly lastFailure?: {
    /** A code of the error catalogue. */
    readonly code: string;
    readonly message: string;
    /** The message for clients on the network. */
    readonly publicMessage: string;
    /** What to do about it; may be empty. */
    readonly hint: string;
  };
  /** Until the next start may be made, if it has to wait. */
  readonly retryInMs?: number;
}

/** A failure as the snapshot shows it. */
export function describeFailure(error: RunError): NonNullable<ServerSnapshot['lastFailure']> {
  const { code, message, publicMessage, hint } = error;
  return { code, message, publicMessage, hint };
}
