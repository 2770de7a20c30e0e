/**
 * The words that settings, targets and capabilities are made of. This module imports nothing, and every other one may
 * import it: a list of choices is written here once, for the schema, the command line and their consumers.
 */

/** Transports that clients are served over. */
export const TRANSPORTS = ['stdio', 'sse', 'http'] as const;
export type Transport = (typeof TRANSPORTS)[number];

/** Levels of a log line, the least important one first. */
export const LINE_LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const;
export type LineLevel = (typeof LINE_LEVELS)[number];

/** Thresholds of the log: a level, or `silent` for no line at all. */
export const LOG_LEVELS = [...LINE_LEVELS, 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const LOG_FORMATS = ['human', 'json'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** Which clients share a server process: those of one session, or all of them. */
export const ISOLATIONS = ['session', 'shared'] as const;

/** Revisions of the protocol that a server speaks: those with a handshake, those without; `auto` detects them. */
export const ERA_SETTINGS = ['auto', 'legacy', 'modern'] as const;

/** Which call a request of the server belongs to: the newest running call, or the only one, as calls run one at a time. */
export const ATTRIBUTIONS = ['concurrent', 'exact'] as const;
export type AttributionMode = (typeof ATTRIBUTIONS)[number];

/** Lines on a server's stdout that are not MCP messages end the server (`strict`), or are skipped and counted. */
export const STDOUT_MODES = ['strict', 'skip'] as const;
export type StdoutMode = (typeof STDOUT_MODES)[number];

/** Client capabilities that let a server send requests to the client's user. */
export const CAPABILITIES = ['roots', 'sampling', 'elicitation'] as const;
export type Capability = (typeof CAPABILITIES)[number];

/** Transports of a remote server; `auto` tells Streamable HTTP and HTTP+SSE apart as the specification says. */
export const REMOTE_TRANSPORTS = ['auto', 'http', 'sse'] as const;
export type RemoteTransport = (typeof REMOTE_TRANSPORTS)[number];

export const OAUTH_GRANTS = ['authorization-code', 'client-credentials'] as const;
export type OAuthGrant = (typeof OAUTH_GRANTS)[number];

/** Names of tools; `*` stands for any text. */
export interface ToolPatterns {
  /** A tool has to match one pattern of each of these lists. */
  readonly allow: readonly (readonly string[])[];
  /** And none of these. */
  readonly deny: readonly string[];
}

/** The server of an entry: a command, or a URL. */
export type Target = StdioTarget | RemoteTarget;

/** A server process that speaks MCP over its stdin and stdout. */
export interface StdioTarget {
  readonly kind: 'stdio';
  /** Values of references to secrets, wherever they occur in the other members. */
  readonly secrets?: readonly string[];
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string | undefined;
  /** The whole environment of the process. */
  readonly env: Readonly<Record<string, string>>;
}

/** A remote server, and all that is needed to reach it. */
export interface RemoteTarget {
  readonly kind: 'remote';
  /** Values of references to secrets, wherever they occur in the other members. */
  readonly secrets?: readonly string[];
  readonly url: string;
  readonly transport: RemoteTransport;
  /** Sent with every request; names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsSettings;
  /** Undefined: a server that requires authorization is refused. */
  readonly oauth: OAuthSettings | undefined;
  /** How long connections to an unreachable server are retried before `initialize` has been answered. */
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
  readonly grant: OAuthGrant;
  /** A client that is registered already. */
  readonly clientId: string | undefined;
  readonly clientSecret: string | undefined;
  /** PEM, for `private_key_jwt`. */
  readonly privateKey: string | undefined;
  /** An https URL that serves as client id (Client ID Metadata Document). */
  readonly clientMetadataUrl: string | undefined;
  /** Requested in place of the scopes that the server names. */
  readonly scope: string | undefined;
  /** RFC 8707, exactly as written; without it the server's own; false: none is sent. */
  readonly resource: string | false | undefined;
  /** The issuer that is accepted, also if its metadata is found with another URL. */
  readonly issuer?: string | undefined;
  /** Sent as `audience`, which Auth0 and others require. */
  readonly audience?: string | undefined;
  /** Whether an authorization server that does not mention PKCE is taken to support it. */
  readonly assumePkce?: boolean | undefined;
  /** Open a browser; otherwise the URL is only printed. */
  readonly browser: boolean;
  readonly callbackHost: string;
  /** Undefined: the port that was registered before, or a free one. */
  readonly callbackPort: number | undefined;
  /** How long the user may take. */
  readonly timeoutMs: number;
  /** The folder of the stored tokens. Absolute. */
  readonly storeDirectory: string;
}
