import type {
  AttributionMode,
  Capability,
  EraSetting,
  Isolation,
  LogFormat,
  LogLevel,
  StdoutMode,
  Target,
  ToolPatterns,
  Transport,
} from '../config/types.ts';
import type { RunError } from '../errors.ts';

/** What the rest of the program gets to see of a manifest and the command line: resolved, validated, in base units. */

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

export interface ServerSpec {
  readonly name: string;
  readonly target: Target;
  /** Client capabilities passed through although they are withheld from network clients by default. */
  readonly allow: readonly Capability[];
  /** Undefined: all of them. */
  readonly tools: ToolPatterns | undefined;
  /** Overrides `isolation` for this server. */
  readonly isolation: Isolation | undefined;
  /** Overrides `era` for this server. */
  readonly era: EraSetting | undefined;
  /** Overrides `requestTimeoutMs` for this server. */
  readonly requestTimeoutMs: number | undefined;
  /** Overrides `inputTtlMs` for this server. */
  readonly inputTtlMs: number | undefined;
  /** Whose call a question of the server belongs to, if several run: the newest one's, or one runs at a time. */
  readonly attribution: AttributionMode;
  /** Processes that are kept ready for clients of 2026-07-28. */
  readonly warm: number;
  /** What becomes of lines on its stdout that are not MCP messages. */
  readonly stdout: StdoutMode;
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
