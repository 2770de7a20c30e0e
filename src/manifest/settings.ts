import type { RunError } from '../errors.ts';

/** What the rest of the program gets to see of a manifest and the command line: resolved, validated, in base units. */

export type Transport = 'stdio' | 'sse' | 'http';
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';
export type LogFormat = 'human' | 'json';

/** Who shares a child process: nobody, or all clients. */
export type Isolation = 'session' | 'shared';

/** Which revisions of the protocol a server speaks: those with a handshake, those without, or whatever it shows. */
export type EraSetting = 'auto' | 'legacy' | 'modern';

/** The `serve` block after defaults, environment variables and flags. */
export interface Settings {
  readonly transports: readonly Transport[];
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly httpPath: string;
  readonly ssePath: string;
  readonly messagesPath: string;
  /** The public URL of this listener; its path prefixes the SSE `endpoint`. */
  readonly baseUrl: string | undefined;
  /** Believe `X-Forwarded-Prefix`. */
  readonly trustProxy: boolean;
  readonly allowHost: readonly string[];
  readonly allowOrigin: readonly string[];
  readonly cors: readonly string[];
  readonly insecure: boolean;
  /** Absolute. */
  readonly tokenFile: string | undefined;
  readonly allowRoots: boolean;
  /** For servers that do not say it themselves. */
  readonly isolation: Isolation;
  /** For servers that do not say it themselves. */
  readonly era: EraSetting;
  /** Streamable HTTP without sessions: every POST is answered by itself. */
  readonly stateless: boolean;
  /** Never an SSE stream over Streamable HTTP. */
  readonly jsonResponse: boolean;
  readonly initializeTimeoutMs: number;
  /** Reset by progress. */
  readonly requestTimeoutMs: number;
  /** Not reset by progress. */
  readonly maxRequestTimeMs: number;
  readonly sessionIdleMs: number;
  /** For processes that serve clients without sessions. */
  readonly childIdleMs: number;
  /** How long a question to a modern client waits for its answer. */
  readonly inputTtlMs: number;
  /** Calls of one server that wait for a client's input. */
  readonly maxParked: number;
  readonly keepAliveMs: number;
  readonly drainTimeoutMs: number;
  /** For the head and the body of a request together. */
  readonly receiveTimeoutMs: number;
  readonly bodyLimitBytes: number;
  readonly headerLimitBytes: number;
  readonly lineLimitBytes: number;
  /** Bytes of events kept per session for `Last-Event-ID`. */
  readonly resumeLimitBytes: number;
  readonly maxSessions: number;
  readonly maxConnections: number;
  /** Server processes at once, of all servers. */
  readonly maxChildren: number;
  readonly childrenPerServer: number;
  readonly logLevel: LogLevel;
  /** Absent: human on a terminal, JSON elsewhere. */
  readonly logFormat: LogFormat | undefined;
  readonly quiet: boolean;
}

/** What an entry says to open. */
export type Target = StdioTarget | RemoteTarget;

export interface StdioTarget {
  readonly kind: 'stdio';
  /** Values of references to secrets, wherever they stand in the others. */
  readonly secrets?: readonly string[];
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string | undefined;
  /** The child's whole environment, ready to pass on. */
  readonly env: Readonly<Record<string, string>>;
}

/** How a remote server is spoken to; `auto` finds out. */
export type RemoteTransport = 'auto' | 'http' | 'sse';

export interface RemoteTarget {
  readonly kind: 'remote';
  /** Values of references to secrets, wherever they stand in the others. */
  readonly secrets?: readonly string[];
  readonly url: string;
  readonly transport: RemoteTransport;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Absolute paths of PEM files. */
  readonly tls: {
    readonly caFile: string | undefined;
    readonly certFile: string | undefined;
    readonly keyFile: string | undefined;
  };
  /** Undefined: a server that asks for authorization is refused. */
  readonly oauth: OAuthSettings | undefined;
  /** How long a server that is not reachable is tried again. */
  readonly patienceMs: number;
}

export type OAuthGrant = 'authorization-code' | 'client-credentials';

export interface OAuthSettings {
  readonly grant: OAuthGrant;
  readonly clientId: string | undefined;
  readonly clientSecret: string | undefined;
  /** PEM. */
  readonly privateKey: string | undefined;
  readonly clientMetadataUrl: string | undefined;
  readonly scope: string | undefined;
  /** Exactly as written. */
  readonly resource: string | false | undefined;
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  readonly assumePkce?: boolean | undefined;
  readonly browser: boolean;
  readonly callbackHost: string;
  readonly callbackPort: number | undefined;
  readonly timeoutMs: number;
  /** Absolute. */
  readonly storeDirectory: string;
}

/** What a client may declare that lets a server turn to its user. */
export type Capability = 'roots' | 'sampling' | 'elicitation';

/** Which tools clients see and call, by name; `*` stands for any text. */
export interface ToolFilter {
  /** A tool has to match one pattern of each of these lists. */
  readonly allow: readonly (readonly string[])[];
  /** And none of these. */
  readonly deny: readonly string[];
}

export interface ServerSpec {
  readonly name: string;
  readonly target: Target;
  /** Client capabilities passed through although they are withheld from network clients by default. */
  readonly allow: readonly Capability[];
  /** Undefined: all of them. */
  readonly tools: ToolFilter | undefined;
  /** Overrides `isolation` for this server. */
  readonly isolation: Isolation | undefined;
  /** Overrides `era` for this server. */
  readonly era: EraSetting | undefined;
  /** Overrides `requestTimeoutMs` for this server. */
  readonly requestTimeoutMs: number | undefined;
  /** Overrides `inputTtlMs` for this server. */
  readonly inputTtlMs: number | undefined;
  /** Whose call a question of the server belongs to, if several run: the newest one's, or one runs at a time. */
  readonly attribution: 'concurrent' | 'exact';
  /** Processes that are kept ready for clients of 2026-07-28. */
  readonly warm: number;
  /** What becomes of lines on its stdout that are not MCP messages. */
  readonly stdout: 'strict' | 'skip';
}

export interface RejectedServer {
  readonly name: string;
  readonly kind: Target['kind'];
  /** `MANIFEST_INVALID` or `PLAIN_HTTP_REFUSED`, with the places in the file. */
  readonly error: RunError;
}

export interface Manifest {
  /** For people: the file's path, `command line`, or `built-in demo`. */
  readonly source: string;
  readonly servers: readonly ServerSpec[];
  /** Entries that are not served because of an error in them. */
  readonly rejected?: readonly RejectedServer[];
  readonly settings: Settings;
  /** SHA-256 of the tokens that let a network client in; empty: nobody is asked for one. */
  readonly tokens: readonly Uint8Array[];
  /** One line each, with file:line:column. */
  readonly warnings: readonly string[];
}
