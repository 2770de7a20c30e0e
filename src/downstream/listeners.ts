import type { FastifyRequest } from 'fastify';
import type { Log } from '../observe/log.ts';
import type { ClientExchange, ServerExchange } from '../link/client-exchange.ts';
import type { Link } from '../link/link.ts';
import type { Principal } from '../link/principal.ts';

/** What a link is for: a whole conversation, which starts with `initialize`, or any single request. */
export type LinkUse = 'conversation' | 'request';

/** Takes over a new client's link to the named server. @throws RunError `SHUTTING_DOWN` */
export type Accept = (link: Link, server: string, use: LinkUse) => void;

/** Sends a client's request of revision 2026-07-28 to the named server. @throws RunError for what is refused before that */
export type BeginExchange = (client: ClientExchange, server: string) => ServerExchange;

/** Whether new clients can count on the servers. */
export interface Readiness {
  /** Why they cannot, in words of a fixed vocabulary that name no server; empty = ready. */
  readonly codes: readonly string[];
  /** Server → the word for what it is in. */
  readonly servers: Readonly<Record<string, string>>;
  /** Server → what is wrong with it. */
  readonly problems: Readonly<Record<string, string>>;
}

/**
 * Proves the identity of a request's client; it may take its time for that.
 * @throws RunError `UNAUTHORIZED`
 */
export type Authenticate = (request: FastifyRequest) => Principal | Promise<Principal>;

/** What MCP's endpoints need, whichever HTTP server they belong to. */
export interface EndpointOptions {
  /** Which of the two HTTP transports to serve. */
  readonly sse: boolean;
  readonly http: boolean;
  readonly servers: readonly string[];
  readonly httpPath: string;
  readonly ssePath: string;
  readonly messagesPath: string;
  readonly baseUrl: string | undefined;
  readonly trustProxy: boolean;
  /** No sessions: every POST is a conversation of its own. */
  readonly stateless: boolean;
  /** JSON answers only, no streams. */
  readonly jsonResponse: boolean;
  readonly allowHost: readonly string[];
  readonly allowOrigin: readonly string[];
  readonly cors: readonly string[];
  /** SHA-256 of each bearer token; empty, and without `authenticate`: every client is let in. */
  readonly tokens: readonly Uint8Array[];
  /** Takes the place of the tokens. */
  readonly authenticate?: Authenticate | undefined;
  readonly keepAliveMs: number;
  readonly sessionIdleMs: number;
  readonly bodyLimitBytes: number;
  readonly resumeLimitBytes: number;
  readonly maxSessions: number;
  readonly maxConnections: number;
  /** Whether `/healthz` and `/readyz` are served as well. */
  readonly health: boolean;
  /** Called before anything is done for a new client. @throws RunError if the server takes none now. */
  readonly admit: (server: string) => void;
  readonly accept: Accept;
  readonly begin: BeginExchange;
  /** What `/readyz` shows. */
  readonly readiness: () => Readiness;
  readonly log: Log;
}

/** The endpoints, and the HTTP server that they are served by. */
export interface HttpOptions extends EndpointOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly receiveTimeoutMs: number;
  readonly headerLimitBytes: number;
}

/** A listener that turns connections into links. */
export interface Listener {
  /** Where it listens, as a client on this machine would write it: `http://127.0.0.1:3000`. Undefined if another application does. */
  readonly url: string | undefined;
  /** Ends the session that this principal left idle longest, without a call or an open stream; false if there is none. */
  evictIdle(principalId: string, server: string | undefined): boolean;
  /** Refuses new work with 503 and lets running calls finish. */
  drain(): void;
  /** Ends what is left and frees the port. */
  close(): Promise<void>;
}
