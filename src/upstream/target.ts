import type { RunError } from '../errors.ts';
import type { Log } from '../observe/log.ts';
import type { openDispatcher } from './http/dispatcher.ts';

/** What a stdio upstream runs. */
export interface StdioTarget {
  readonly kind: 'stdio';
  /** Values of references to secrets, wherever they stand in the others. */
  readonly secrets?: readonly string[];
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string | undefined;
  readonly env: Readonly<Record<string, string>>;
}

/** A remote server, and all that is needed to reach it. */
export interface RemoteTarget {
  readonly kind: 'remote';
  /** Values of references to secrets, wherever they stand in the others. */
  readonly secrets?: readonly string[];
  readonly url: string;
  /** `auto` tells Streamable HTTP and HTTP+SSE apart as the specification says. */
  readonly transport: 'auto' | 'http' | 'sse';
  /** Sent with every request; names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsSettings;
  /** Undefined: a server that asks for authorization is refused. */
  readonly oauth: OAuthSettings | undefined;
  /** How long a server that is not reachable is tried again before `initialize` has been answered. */
  readonly patienceMs: number;
}

/** Absolute paths of PEM files. */
export interface TlsSettings {
  /** Certificates of authorities to trust besides the usual ones. */
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
}

/** How a server's authorization is obtained (2025-11-25 and 2026-07-28, basic/authorization). */
export interface OAuthSettings {
  readonly grant: 'authorization-code' | 'client-credentials';
  /** A client that is registered already. */
  readonly clientId: string | undefined;
  readonly clientSecret: string | undefined;
  /** PEM, for `private_key_jwt`. */
  readonly privateKey: string | undefined;
  /** An https URL that serves as client id (Client ID Metadata Document). */
  readonly clientMetadataUrl: string | undefined;
  /** Asked for in place of what the server names. */
  readonly scope: string | undefined;
  /** RFC 8707, exactly as written; without it the server's own; false: none is sent. */
  readonly resource: string | false | undefined;
  /** The issuer that is accepted, also if its metadata is found with another URL. */
  readonly issuer?: string | undefined;
  /** Sent as `audience`, which Auth0 and others want. */
  readonly audience?: string | undefined;
  /** Whether an authorization server that does not mention PKCE is taken to support it. */
  readonly assumePkce?: boolean | undefined;
  /** Open a browser; otherwise the URL is only printed. */
  readonly browser: boolean;
  readonly callbackHost: string;
  /** Undefined: the one that was registered before, or a free one. */
  readonly callbackPort: number | undefined;
  /** How long the user may take. */
  readonly timeoutMs: number;
  /** Where tokens are kept. Absolute. */
  readonly storeDirectory: string;
}

export type UpstreamTarget = StdioTarget | RemoteTarget;

export interface UpstreamOptions {
  readonly server: string;
  readonly lineLimitBytes: number;
  /** What becomes of lines on its stdout that are not MCP: `skip` counts them, `strict` ends it. */
  readonly stdout: 'strict' | 'skip';
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
