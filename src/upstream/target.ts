import type { StdoutMode } from '../config/types.ts';
import type { RunError } from '../errors.ts';
import type { Log } from '../observe/log.ts';
import type { openDispatcher } from './http/dispatcher.ts';

export interface UpstreamOptions {
  readonly server: string;
  readonly lineLimitBytes: number;
  /** What becomes of lines on its stdout that are not MCP: `skip` counts them, `strict` ends it. */
  readonly stdout: StdoutMode;
  readonly log: Log;
  /** A line of its stdout was no message and has been skipped. */
  readonly onSkipped?: () => void;
  /** How long a remote server may take to begin a session again; a minute by default. */
  readonly initializeTimeoutMs?: number;
  /** A remote server has been reached, or could not be, whatever became of what it was asked. */
  readonly onReachabilityChange?: (failure: RunError | undefined) => void;
  /** Ends an idle conversation of the same principal with the server, for the one that is opened. @returns false if there is none */
  readonly makeRoom?: () => Promise<boolean>;
  /** How connections to a remote server are made; the real thing by default. */
  readonly openDispatcher?: typeof openDispatcher;
}
