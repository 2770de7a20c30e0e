import type { RunError } from '../../errors.ts';
import type { Log } from '../../observe/log.ts';
import type { Frame, RequestId } from '../../protocol/frame.ts';
import type { Clock } from '../../clock.ts';
import type { Connection } from './connection.ts';
import type { RequestHeaders } from './request-headers.ts';

/** A way of speaking with a remote server. */
export interface RemoteTransport {
  /** A promise means backpressure. Never rejects. */
  send(frame: Frame): void | Promise<void>;
  /** Idempotent. Ends all that is under way, and the session. */
  close(): Promise<void>;
}

export interface RemoteTransportOptions {
  readonly server: string;
  readonly url: URL;
  readonly connection: Connection;
  /** Longest message of the server. */
  readonly maxBytes: number;
  /** How long the first request is tried again. */
  readonly patienceMs: number;
  /** How long a session may take to be begun again. */
  readonly initializeTimeoutMs: number;
  readonly requestHeaders: RequestHeaders;
  /** Masks the secrets that the server is reached with: it may repeat them in an error, which clients get. */
  mask(text: string): string;
  readonly log: Log;
  readonly clock: Clock;
  /** @param relatedRequestId the request that the frame belongs to, where that is known */
  deliver(frame: Frame, relatedRequestId?: RequestId): void | Promise<void>;
  /** The server does not even answer the first request. */
  fail(error: RunError): void;
  /** Ends an idle session of ours for a new one. @returns false if there is none */
  makeRoom?(): Promise<boolean>;
  /** The server has been reached, or could not be. */
  reached(failure: RunError | undefined): void;
}
