import type { RunError } from '../errors.ts';
import type { Frame } from '../protocol/frame.ts';
import type { Principal } from './principal.ts';

/**
 * One request of a client of revision 2026-07-28 over HTTP, with the way back to that client: what `Link` is for a
 * session. It carries notifications of the request and one response, and never a request of the server.
 */
export interface ClientExchange {
  readonly principal: Principal;
  /** Has an id and a method. */
  readonly request: Frame;
  /** Sends a notification that belongs to the request. A promise means backpressure. Never rejects. */
  notify(frame: Frame): void | Promise<void>;
  /** Sends the response; called once. A promise resolves when the client has taken it, or its connection has closed. */
  respond(frame: Frame): void | Promise<void>;
  /** Ends the exchange without a response, if it has none. `CLIENT_TOO_SLOW` closes the client's connection. Idempotent. */
  close(reason?: RunError): void;
}

/** The server's side of such a request. */
export interface ServerExchange {
  /** The client has closed its connection, or no longer waits for a response. Idempotent. */
  cancel(): void;
}
