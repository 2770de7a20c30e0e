import { printableLines } from './observe/printable.ts';

/** The catalogue of everything that can go wrong, and the one error class that carries it. */

interface Entry {
  /** What happened. `{name}` is filled in from the error's fields. */
  readonly message: string;
  /**
   * The same for clients on the network, where the message may hold a path of this machine or of a remote server's URL,
   * or a text that a remote server has sent in no message of MCP. Such fields are filled in shortened, or not at all.
   */
  readonly forNetwork?: string;
  /** Whether those clients get the hint of a field as well: it has been chosen from texts of ours. */
  readonly isHintPublic?: boolean;
  /** What to do about it; empty when the message says it all. */
  readonly hint: string;
  /** Process exit code when the error ends a command. */
  readonly exitCode: 1 | 2 | 3 | 4 | 5;
  /** HTTP status when the error is the answer to an HTTP request. */
  readonly httpStatus: number;
  /** JSON-RPC error code when the error is the answer to a request. */
  readonly rpcCode: number;
}

const INTERNAL = { httpStatus: 500, rpcCode: -32603 } as const;

/** Code → message, hint, exit code, HTTP status, JSON-RPC code. `docs/errors.md` is generated from it. */
export const ERRORS = {
  // Command line and manifest
  USAGE: {
    message: '{detail}',
    forNetwork: 'The configuration of mcp-run has an error',
    hint: 'Run `mcp-run --help`.',
    exitCode: 2,
    ...INTERNAL,
  },
  MANIFEST_NOT_FOUND: {
    message: 'No manifest found. Looked for: {tried}',
    forNetwork: 'The configuration of mcp-run has an error',
    hint: 'Name a file, or a command after `--`, or try `mcp-run serve --demo`.',
    exitCode: 2,
    ...INTERNAL,
  },
  MANIFEST_UNREADABLE: {
    message: 'Cannot read {file}: {detail}',
    forNetwork: 'The configuration of mcp-run has an error',
    hint: '',
    exitCode: 2,
    ...INTERNAL,
  },
  MANIFEST_INVALID: {
    message: '{problems}',
    forNetwork: 'The configuration of mcp-run has an error',
    hint: '`mcp-run schema` prints what a manifest may hold.',
    exitCode: 2,
    ...INTERNAL,
  },
  SERVER_UNKNOWN: {
    message: 'There is no server "{server}" in {source}. It has: {available}',
    forNetwork: 'The configuration of mcp-run has an error',
    hint: '',
    exitCode: 2,
    ...INTERNAL,
  },
  SERVER_AMBIGUOUS: {
    message: '--stdio serves one server, and {source} has {count}: {available}',
    forNetwork: 'The configuration of mcp-run has an error',
    hint: 'Choose one with --server NAME.',
    exitCode: 2,
    ...INTERNAL,
  },
  NO_SERVERS: {
    message: '{source} has no enabled server',
    forNetwork: 'The configuration of mcp-run has an error',
    hint: 'Add one under "mcpServers", or remove "disabled": true.',
    exitCode: 2,
    ...INTERNAL,
  },
  BIND_REFUSED: {
    message: 'Refusing to listen on {host}: anyone who reaches that address could use your servers',
    hint: 'Give clients a token (--token-file), or pass --insecure if something in front of mcp-run authenticates.',
    exitCode: 2,
    ...INTERNAL,
  },
  TOKENS_INVALID: {
    message: 'Cannot use the bearer tokens: {detail}',
    forNetwork: 'The configuration of mcp-run has an error',
    hint: 'One token a line, for example from `openssl rand -hex 32`; lines with # are comments.',
    exitCode: 2,
    ...INTERNAL,
  },
  FILE_EXISTS: {
    message: '{file} is there already',
    forNetwork: 'mcp-run cannot write a file',
    hint: 'Name another file, or overwrite it with --force.',
    exitCode: 2,
    ...INTERNAL,
  },
  FILE_UNWRITABLE: {
    message: 'Cannot write {file}: {detail}',
    forNetwork: 'mcp-run cannot write a file',
    hint: '',
    exitCode: 2,
    ...INTERNAL,
  },
  IMPORT_NOT_FOUND: {
    message: 'No file of {client} with servers found. Looked for: {tried}',
    forNetwork: 'The configuration of mcp-run has an error',
    hint: 'Name the file: `mcp-run init --from FILE`.',
    exitCode: 2,
    ...INTERNAL,
  },
  INTERRUPTED: { message: 'Interrupted', hint: '', exitCode: 1, ...INTERNAL },
  // Listener
  PORT_IN_USE: {
    message: 'Port {port} on {host} is in use',
    hint: 'Choose another with --port, or --port 0 for a free one.',
    exitCode: 4,
    ...INTERNAL,
  },
  LISTEN_FAILED: {
    message: 'Cannot listen on {host}:{port}: {detail}',
    forNetwork: 'mcp-run cannot listen',
    hint: '',
    exitCode: 4,
    ...INTERNAL,
  },
  // Upstream
  COMMAND_NOT_FOUND: {
    message: 'Server "{server}": command not found: {command}',
    forNetwork: 'Server "{server}": command not found: {command}',
    isHintPublic: true,
    hint: 'Install it, or give its full path; PATH is the one mcp-run was started with.',
    exitCode: 4,
    ...INTERNAL,
  },
  SPAWN_FAILED: {
    message: 'Server "{server}" cannot be started: {detail}',
    forNetwork: 'Server "{server}" cannot be started',
    hint: '',
    exitCode: 4,
    ...INTERNAL,
  },
  UPSTREAM_EXITED: {
    message: 'Server "{server}" exited ({status})',
    isHintPublic: true,
    hint: 'Its last stderr lines are in the log.',
    exitCode: 4,
    ...INTERNAL,
  },
  UPSTREAM_HUNG_UP: {
    message: 'Server "{server}" closed its {stream} and went on running; it is stopped',
    hint: 'A stdio server keeps stdin and stdout open for as long as it serves.',
    exitCode: 4,
    ...INTERNAL,
  },
  STDOUT_NOT_MCP: {
    message: 'Server "{server}" wrote a line to stdout that is not an MCP message, and its stdout is strict',
    hint: 'Have it log to stderr, or set "stdout": "skip" for it.',
    exitCode: 4,
    ...INTERNAL,
  },
  CRASH_LOOP: {
    message: 'Server "{server}" keeps failing to start ({reason}); the next try is in {retryAfter} s',
    forNetwork: 'Server "{server}" keeps failing to start{reason}; the next try is in {retryAfter} s',
    hint: 'Why it fails is in the log.',
    exitCode: 4,
    httpStatus: 503,
    rpcCode: -32603,
  },
  // A remote server
  UPSTREAM_UNREACHABLE: {
    message: 'Server "{server}" cannot be reached at {url}: {detail}',
    forNetwork: 'Server "{server}" cannot be reached at {url}{failure}',
    hint: 'Check the URL, the network and the proxy variables.',
    exitCode: 4,
    ...INTERNAL,
  },
  UPSTREAM_HTTP: {
    message: 'Server "{server}" answered with HTTP status {status}{detail}',
    forNetwork: 'Server "{server}" answered with HTTP status {status}{own}',
    hint: 'Check that the URL is that of an MCP server.',
    exitCode: 4,
    ...INTERNAL,
  },
  UPSTREAM_REDIRECT: {
    message: 'Server "{server}" {action} another origin, {origin}, which is not followed',
    isHintPublic: true,
    hint: 'Use the URL of that origin if you trust it.',
    exitCode: 4,
    ...INTERNAL,
  },
  UPSTREAM_STREAM_LOST: {
    message: 'Server "{server}" ended its answer to {method} before it was complete',
    hint: 'The request may have been carried out.',
    exitCode: 4,
    ...INTERNAL,
  },
  TOOL_IGNORED: {
    message: 'Invalid params: there is no tool {tool} here',
    hint: '',
    exitCode: 1,
    httpStatus: 200,
    rpcCode: -32602,
  },
  TLS_FILE_UNREADABLE: {
    message: 'Server "{server}": cannot read {file}: {detail}',
    forNetwork: 'Server "{server}": a certificate or key that it is reached with cannot be read',
    hint: '',
    exitCode: 2,
    ...INTERNAL,
  },
  PLAIN_HTTP_REFUSED: {
    message: 'Server "{server}": {url} is not encrypted, and not on this machine{place}',
    forNetwork: 'Server "{server}" is not encrypted, and not on this machine',
    hint: 'Use https, or pass --allow-http ("allowHttp": true in the entry) if the network in between is trusted.',
    exitCode: 2,
    ...INTERNAL,
  },
  AUTHORIZATION_REQUIRED: {
    message: 'Server "{server}" wants authorization{detail}',
    hint: 'Run `mcp-run login`, or set an Authorization header.',
    exitCode: 3,
    ...INTERNAL,
  },
  AUTHORIZATION_FAILED: {
    message: 'Server "{server}": authorization failed: {detail}',
    forNetwork: 'Server "{server}": authorization failed',
    hint: 'Try `mcp-run login` again; `mcp-run logout` forgets what is stored.',
    exitCode: 3,
    ...INTERNAL,
  },
  UPSTREAM_CLOSED: { message: 'Server "{server}" is being stopped', hint: '', exitCode: 4, ...INTERNAL },
  LINE_TOO_LONG: {
    message: 'Server "{server}" sent a line over {maxBytes} bytes',
    hint: 'Raise --line-limit if such messages are expected.',
    exitCode: 4,
    ...INTERNAL,
  },
  MALFORMED_ANSWER: {
    message: 'Server "{server}" answered {method} with something that is not JSON-RPC',
    hint: '',
    exitCode: 4,
    ...INTERNAL,
  },
  UNREADABLE_ANSWER: {
    message: 'Server "{server}" answered with something that is not JSON-RPC: {detail}',
    hint: 'Servers may write nothing but whole JSON-RPC messages, in UTF-8 and one a line.',
    exitCode: 4,
    ...INTERNAL,
  },
  UPSTREAM_ERROR: {
    message: 'Server "{server}" answered {method} with an error: {detail}',
    forNetwork: 'Server "{server}" answered {method} with an error: {said}',
    hint: '',
    exitCode: 5,
    ...INTERNAL,
  },
  NOT_MCP: {
    message: 'Server "{server}" answered {method} with something that is not MCP: {detail}',
    hint: '',
    exitCode: 5,
    ...INTERNAL,
  },
  PROBE_TIMEOUT: {
    message: 'Server "{server}" did not answer {method} within {timeoutMs} ms',
    hint: 'Allow more with --timeout.',
    exitCode: 4,
    ...INTERNAL,
  },
  NOT_SHARED: {
    message: '{method} is not available where several clients share a server',
    hint: 'Use --isolation session.',
    exitCode: 1,
    httpStatus: 200,
    rpcCode: -32601,
  },
  REQUEST_TIMEOUT: {
    message: 'Server "{server}" did not answer {method} within {timeoutMs} ms',
    isHintPublic: true,
    hint: 'Raise --request-timeout, or have the server report progress.',
    exitCode: 4,
    ...INTERNAL,
  },
  INPUT_UNSUPPORTED: {
    message: 'Server "{server}" needs the client for {method}, and the client has not declared {missing}',
    hint: '',
    exitCode: 1,
    ...INTERNAL,
  },
  INPUT_ENDLESS: {
    message: 'Server "{server}" still wants more input for {method} after {max} rounds',
    hint: '',
    exitCode: 1,
    ...INTERNAL,
  },
  SUBSCRIPTION_REFUSED: {
    message: 'Server "{server}": no subscription to {uri}: {detail}',
    hint: '',
    exitCode: 1,
    httpStatus: 200,
    rpcCode: -32602,
  },
  // What a client did
  INPUT_REFUSED: {
    message: 'The client did not answer {method}: {detail}',
    hint: '',
    exitCode: 1,
    ...INTERNAL,
  },
  INPUT_STATE_INVALID: {
    message: 'Invalid params: requestState does not belong to this request, or not any more',
    hint: '',
    exitCode: 1,
    httpStatus: 200,
    rpcCode: -32602,
  },
  INPUT_EXPIRED: {
    message: 'The client did not answer {method} in time',
    hint: '',
    exitCode: 1,
    ...INTERNAL,
  },
  INPUT_UNRELATED: {
    message: 'There is no request of a client that {method} could belong to',
    hint: '',
    exitCode: 1,
    ...INTERNAL,
  },
  INPUT_TOO_MUCH: {
    message: 'The client is asked too much at once: more than {max} questions or rounds',
    hint: '',
    exitCode: 1,
    ...INTERNAL,
  },
  INVALID_PARAMS: {
    message: 'Invalid params: {detail}',
    hint: '',
    exitCode: 1,
    httpStatus: 200,
    rpcCode: -32602,
  },
  CLIENT_CANNOT: {
    message: 'The client cannot be asked: {method}',
    hint: '',
    exitCode: 1,
    httpStatus: 200,
    rpcCode: -32601,
  },
  CLIENT_SILENT: {
    message: 'The client has left {max} requests unanswered',
    hint: '',
    exitCode: 1,
    ...INTERNAL,
  },
  CLIENT_TOO_SLOW: {
    message: 'The client does not read its messages',
    hint: '',
    exitCode: 1,
    ...INTERNAL,
  },
  CLIENT_GONE: { message: 'The client is gone', hint: '', exitCode: 1, ...INTERNAL },
  PARSE_ERROR: {
    message: 'Parse error: {detail}',
    hint: '',
    exitCode: 1,
    httpStatus: 400,
    rpcCode: -32700,
  },
  INVALID_REQUEST: {
    message: 'Invalid request: {detail}',
    hint: '',
    exitCode: 1,
    httpStatus: 400,
    rpcCode: -32600,
  },
  DUPLICATE_ID: {
    message: 'Invalid request: a request with id {id} is in flight',
    hint: '',
    exitCode: 1,
    httpStatus: 400,
    rpcCode: -32600,
  },
  NOT_INITIALIZED: {
    message: 'Invalid request: {method} before initialize',
    hint: '',
    exitCode: 1,
    httpStatus: 400,
    rpcCode: -32600,
  },
  ALREADY_INITIALIZED: {
    message: 'Invalid request: the session is initialized',
    hint: '',
    exitCode: 1,
    httpStatus: 400,
    rpcCode: -32600,
  },
  // HTTP
  FORBIDDEN_HOST: {
    message: 'Forbidden: host {host} is not allowed',
    hint: 'Allow it with --allow-host.',
    exitCode: 1,
    httpStatus: 403,
    rpcCode: -32600,
  },
  UNAUTHORIZED: {
    message: 'Unauthorized: {detail}',
    hint: 'Send Authorization: Bearer TOKEN with a token that --token-file or MCP_RUN_TOKEN names.',
    exitCode: 3,
    httpStatus: 401,
    rpcCode: -32600,
  },
  FORBIDDEN_ORIGIN: {
    message: 'Forbidden: origin {origin} is not allowed',
    hint: 'Allow it with --allow-origin.',
    exitCode: 1,
    httpStatus: 403,
    rpcCode: -32600,
  },
  NOT_FOUND: {
    message: 'Not found: {path}',
    hint: '',
    exitCode: 1,
    httpStatus: 404,
    rpcCode: -32600,
  },
  METHOD_NOT_ALLOWED: {
    message: 'Method {method} is not allowed here',
    hint: '',
    exitCode: 1,
    httpStatus: 405,
    rpcCode: -32600,
  },
  NOT_ACCEPTABLE: {
    message: 'Not acceptable: the client must accept {types}',
    hint: '',
    exitCode: 1,
    httpStatus: 406,
    rpcCode: -32600,
  },
  UNSUPPORTED_MEDIA_TYPE: {
    message: 'Unsupported media type: {detail}',
    hint: '',
    exitCode: 1,
    httpStatus: 415,
    rpcCode: -32600,
  },
  BODY_TOO_LARGE: {
    message: 'The body is over {maxBytes} bytes',
    hint: 'Raise --body-limit.',
    exitCode: 1,
    httpStatus: 413,
    rpcCode: -32600,
  },
  SESSION_REQUIRED: {
    message: 'Invalid request: the Mcp-Session-Id header is required',
    hint: '',
    exitCode: 1,
    httpStatus: 400,
    rpcCode: -32600,
  },
  SESSION_NOT_FOUND: {
    message: 'Session not found',
    hint: '',
    exitCode: 1,
    httpStatus: 404,
    rpcCode: -32001,
  },
  UNSUPPORTED_PROTOCOL_VERSION: {
    message: 'Unsupported MCP-Protocol-Version: {requested} (supported: {supported})',
    hint: '',
    exitCode: 1,
    httpStatus: 400,
    rpcCode: -32600,
  },
  // Revision 2026-07-28
  INVALID_METADATA: {
    message: 'Invalid params: {detail}',
    hint: "Every request of revision 2026-07-28 carries its protocol version and the client's capabilities in params._meta.",
    exitCode: 1,
    httpStatus: 400,
    rpcCode: -32602,
  },
  HEADER_MISMATCH: {
    message: 'Header mismatch: {detail}',
    hint: '',
    exitCode: 1,
    httpStatus: 400,
    rpcCode: -32020,
  },
  UNSUPPORTED_REVISION: {
    message: 'Unsupported protocol version: {requested} (supported: {supported})',
    hint: '',
    exitCode: 1,
    httpStatus: 400,
    rpcCode: -32022,
  },
  METHOD_NOT_FOUND: {
    message: 'Method not found: {method}{why}',
    hint: '',
    exitCode: 1,
    httpStatus: 404,
    rpcCode: -32601,
  },
  UPSTREAM_RESTARTED: {
    message: 'Server "{server}" was restarted while it waited for input',
    hint: 'Send the request anew.',
    exitCode: 4,
    ...INTERNAL,
  },
  TOO_MANY_VARIANTS: {
    message:
      'Too many kinds of clients ({max}): each combination of capabilities and clientInfo has a process',
    hint: '',
    exitCode: 4,
    httpStatus: 503,
    rpcCode: -32603,
  },
  TOO_MANY_LISTENS: {
    message: 'Too many open subscriptions ({max})',
    hint: '',
    exitCode: 4,
    httpStatus: 503,
    rpcCode: -32603,
  },
  TOO_MANY_REQUESTS: {
    message: 'Too many requests without an answer ({max})',
    hint: '',
    exitCode: 4,
    httpStatus: 503,
    rpcCode: -32603,
  },
  TOO_MANY_SESSIONS: {
    message: 'Too many sessions ({max})',
    hint: 'Raise --max-sessions.',
    exitCode: 4,
    httpStatus: 503,
    rpcCode: -32603,
  },
  TOO_MANY_CHILDREN: {
    message: 'Too many processes of {what} ({max})',
    hint: 'Raise --children-per-server or --max-children.',
    exitCode: 4,
    httpStatus: 503,
    rpcCode: -32603,
  },
  SHUTTING_DOWN: {
    message: 'mcp-run is shutting down',
    hint: '',
    exitCode: 1,
    httpStatus: 503,
    rpcCode: -32603,
  },
  INTERNAL: {
    message: 'Internal error: {detail}',
    forNetwork: 'Internal error',
    hint: 'This is a bug in mcp-run; please report it.',
    exitCode: 1,
    ...INTERNAL,
  },
} as const satisfies Record<string, Entry>;

export type ErrorCode = keyof typeof ERRORS;
export type ErrorFields = Readonly<Record<string, string | number>>;

/** A place in a file that an error is about. */
export interface Diagnostic {
  readonly file: string;
  /** Both count from 1. */
  readonly line: number | undefined;
  readonly column: number | undefined;
  /** From the root of the file; empty for the whole of it. */
  readonly key: string;
  readonly detail: string;
  /** That line of the file, with secrets blotted out; for a person's eyes, not for logs. */
  readonly sourceLine: string | undefined;
}

export interface RunErrorOptions extends ErrorOptions {
  readonly culprits?: readonly Diagnostic[];
  readonly requestId?: string | number | bigint | undefined;
}

/** The only error this project throws. Branch on `code`, never on the text. */
export class RunError extends Error {
  override readonly name = 'RunError';
  readonly code: ErrorCode;
  readonly fields: ErrorFields;
  /** Everything that is wrong with a manifest; empty for other errors. */
  readonly culprits: readonly Diagnostic[];
  /** Of the request that could not be read, where at least its id could. */
  readonly requestId: string | number | bigint | undefined;

  constructor(code: ErrorCode, fields: ErrorFields = {}, options?: RunErrorOptions) {
    // They quote clients, servers and files, and are read in terminals by all of these.
    const texts = escapeAll(fields);
    super(fillIn(ERRORS[code].message, texts), options);
    this.code = code;
    this.fields = texts;
    this.culprits = options?.culprits ?? [];
    this.requestId = options?.requestId;
  }

  /** The message for clients on the network. */
  get publicMessage(): string {
    const { forNetwork, message }: Entry = ERRORS[this.code];
    return fillIn(forNetwork ?? message, publicFields(this));
  }

  /** The hint that was found for this very failure, if such clients may have it. */
  get publicHint(): string | undefined {
    // That of the failure behind it.
    if (this.code === 'CRASH_LOOP') return this.cause instanceof RunError ? this.cause.publicHint : undefined;
    const { isHintPublic = false }: Entry = ERRORS[this.code];
    const { hint } = this.fields;
    return isHintPublic && typeof hint === 'string' ? hint : undefined;
  }

  /** What the reader can do about it; empty when there is nothing to add. A field of that name says it better. */
  get hint(): string {
    const { hint } = this.fields;
    return typeof hint === 'string' ? hint : ERRORS[this.code].hint;
  }

  get exitCode(): number {
    return ERRORS[this.code].exitCode;
  }

  get httpStatus(): number {
    return ERRORS[this.code].httpStatus;
  }

  get rpcCode(): number {
    return ERRORS[this.code].rpcCode;
  }
}

/** Whether `error` is ours, and, with `code`, that one. */
export function isRunError(error: unknown, code?: ErrorCode): error is RunError {
  return error instanceof RunError && (code === undefined || error.code === code);
}

/** Any thrown value as a catalogued error; what is not ours becomes `INTERNAL` with the original as cause. */
export function toRunError(error: unknown): RunError {
  if (error instanceof RunError) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new RunError('INTERNAL', { detail }, { cause: error });
}

/**
 * A request that was not answered in time.
 * @param remarks what else is known and may be the reason
 */
export function timeoutError(
  fields: { readonly server: string; readonly method: string; readonly timeoutMs: number },
  remarks: readonly (string | undefined)[] = [],
): RunError {
  // It reports no progress, and has an option of its own.
  const advice =
    fields.method === 'initialize' ? ['raise --initialize-timeout if the server needs longer to start'] : [];
  const text = [...remarks, ...advice].filter((remark) => remark !== undefined).join('; ');
  const hint = `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
  return new RunError('REQUEST_TIMEOUT', hint === '' ? fields : { ...fields, hint });
}

/** Of a command its name, of a URL its origin; of the rest what is not left out by the texts for the network. */
function publicFields({ fields, cause }: RunError): ErrorFields {
  const { command, url, detail } = fields;
  return {
    ...fields,
    ...(command !== undefined && { command: nameOfCommand(String(command)) }),
    ...(url !== undefined && { url: originOf(String(url)) }),
    reason: cause instanceof RunError ? ` (${cause.publicMessage})` : '',
    failure: typeof fields['failure'] === 'string' ? `: ${fields['failure']}` : '',
    // What we say ourselves goes on with the sentence; what the server has said comes behind a colon.
    // Of a failure of ours in the place of an answer, the text for the network; else the server's own.
    said: fields['said'] ?? detail ?? '',
    own: typeof detail === 'string' && detail.startsWith(', but not') ? detail : '',
  };
}

/** `C:\tools\npx.cmd` → `npx.cmd`, also where the separators are encoded. */
function nameOfCommand(command: string): string {
  const parts = command.split(/[\\/]|%2f|%5c/i).filter((part) => part !== '');
  return parts.at(-1) ?? 'of no name';
}

function originOf(url: string): string {
  if (!URL.canParse(url)) return 'its URL';
  const { origin, protocol } = new URL(url);
  return origin === 'null' ? protocol : origin;
}

function escapeAll(fields: ErrorFields): ErrorFields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'string' ? printableLines(value) : value,
    ]),
  );
}

function fillIn(template: string, fields: ErrorFields): string {
  return template.replaceAll(/\{(\w+)\}/g, (whole, key: string) =>
    Object.hasOwn(fields, key) ? String(fields[key]) : whole,
  );
}
