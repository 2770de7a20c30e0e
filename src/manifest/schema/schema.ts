import { z } from 'zod';
import {
  ATTRIBUTIONS,
  CAPABILITIES,
  ERA_SETTINGS,
  ISOLATIONS,
  LOG_FORMATS,
  LOG_LEVELS,
  STDOUT_MODES,
  TRANSPORTS,
} from '../../config/types.ts';
import { parseBaseUrl } from './checks.ts';
import { remoteKeys, remoteLaunchOptions, TYPES } from './remote-schema.ts';
import {
  choice,
  duration,
  entryTimeout,
  flag,
  integer,
  launch,
  list,
  option,
  parsed,
  path,
  record,
  scalar,
  size,
  stringOrList,
  text,
  toolRestriction,
} from './schema-parts.ts';

/**
 * The manifest's one description. Types, flags, variables, the JSON Schema and the tables in the docs all come from
 * here; `scripts/generate.js` writes them.
 */

/** The `serve` block. */
export const serveSchema = z
  .strictObject({
    transports: option('switches', z.array(choice(TRANSPORTS)), {
      setting: 'transports',
      flag: '--stdio --sse --http',
      env: 'MCP_RUN_TRANSPORTS',
      group: 'Listening',
      default: ['http', 'sse'],
      description: 'The transports to serve over; network ones share one port',
    }),
    host: option('string', text(), {
      setting: 'host',
      flag: '--host <address>',
      env: 'MCP_RUN_HOST',
      group: 'Listening',
      default: '127.0.0.1',
      description: 'The address to listen on',
    }),
    port: option('integer', integer(0, 65_535), {
      setting: 'port',
      flag: '--port <number>',
      env: 'MCP_RUN_PORT',
      group: 'Listening',
      default: 3000,
      min: 0,
      max: 65_535,
      description: 'The port to listen on; 0 takes a free one. The variable PORT works too',
    }),
    httpPath: option('path', path(), {
      setting: 'httpPath',
      flag: '--http-path <path>',
      env: 'MCP_RUN_HTTP_PATH',
      group: 'Listening',
      default: '/mcp',
      description: 'Where Streamable HTTP is served',
    }),
    ssePath: option('path', path(), {
      setting: 'ssePath',
      flag: '--sse-path <path>',
      env: 'MCP_RUN_SSE_PATH',
      group: 'Listening',
      default: '/sse',
      description: 'Where the stream of HTTP+SSE is served',
    }),
    messagesPath: option('path', path(), {
      setting: 'messagesPath',
      flag: '--messages-path <path>',
      env: 'MCP_RUN_MESSAGES_PATH',
      group: 'Listening',
      default: '/messages',
      description: 'Where clients of HTTP+SSE post their messages',
    }),
    baseUrl: option('url', parsed(text(), parseBaseUrl), {
      setting: 'baseUrl',
      flag: '--base-url <url>',
      env: 'MCP_RUN_BASE_URL',
      group: 'Listening',
      description:
        'The public URL of this listener behind a proxy; its path prefixes what SSE clients are told to post to',
    }),
    trustProxy: option('boolean', flag(), {
      setting: 'trustProxy',
      flag: '--trust-proxy',
      env: 'MCP_RUN_TRUST_PROXY',
      group: 'Listening',
      default: false,
      description: 'Believe the X-Forwarded-Prefix header of the proxy in front',
    }),
    allowHost: option('list', list(), {
      setting: 'allowHost',
      flag: '--allow-host <host>',
      env: 'MCP_RUN_ALLOW_HOST',
      group: 'Access',
      default: [],
      description: 'Accept requests for this host name too; repeatable',
    }),
    allowOrigin: option('list', list(), {
      setting: 'allowOrigin',
      flag: '--allow-origin <origin>',
      env: 'MCP_RUN_ALLOW_ORIGIN',
      group: 'Access',
      default: [],
      description: 'Accept requests from pages of this origin too; repeatable',
    }),
    cors: option('list', list(), {
      setting: 'cors',
      flag: '--cors <origin>',
      env: 'MCP_RUN_CORS',
      group: 'Access',
      default: [],
      description: 'Accept this origin and let its pages read the answers; repeatable',
    }),
    insecure: option('boolean', flag(), {
      setting: 'insecure',
      flag: '--insecure',
      env: 'MCP_RUN_INSECURE',
      group: 'Access',
      default: false,
      description:
        'Listen on an address that others can reach, although nothing here authenticates them; what asks the user is withheld',
    }),
    tokenFile: option('string', text(), {
      setting: 'tokenFile',
      flag: '--token-file <file>',
      env: 'MCP_RUN_TOKEN_FILE',
      group: 'Access',
      description: 'Let network clients in only with a bearer token from this file, one a line',
    }),
    allowRoots: option('boolean', flag(), {
      setting: 'allowRoots',
      flag: '--allow-roots',
      env: 'MCP_RUN_ALLOW_ROOTS',
      group: 'Access',
      default: false,
      description:
        "Pass network clients' roots to every server; some servers open those directories to the client",
    }),
    isolation: option('enum', choice(ISOLATIONS), {
      setting: 'isolation',
      flag: '--isolation <mode>',
      env: 'MCP_RUN_ISOLATION',
      group: 'Sharing',
      default: 'session',
      description: 'A process for each session, or one that all clients of a server share',
    }),
    era: option('enum', choice(ERA_SETTINGS), {
      setting: 'era',
      flag: '--era <era>',
      env: 'MCP_RUN_ERA',
      group: 'The server process',
      default: 'auto',
      description:
        'What the servers speak: legacy (revisions up to 2025-11-25), modern (2026-07-28), or auto, which finds out',
    }),
    stateless: option('boolean', flag(), {
      setting: 'stateless',
      flag: '--stateless',
      env: 'MCP_RUN_STATELESS',
      group: 'Sharing',
      default: false,
      description:
        'Streamable HTTP without sessions: every POST is answered by itself, from a shared process',
    }),
    jsonResponse: option('boolean', flag(), {
      setting: 'jsonResponse',
      flag: '--json-response',
      env: 'MCP_RUN_JSON_RESPONSE',
      group: 'Sharing',
      default: false,
      description:
        'Streamable HTTP answers with JSON only; progress, log lines and questions to the client are left out',
    }),
    initializeTimeout: option('duration', duration(), {
      setting: 'initializeTimeoutMs',
      flag: '--initialize-timeout <duration>',
      env: 'MCP_RUN_INITIALIZE_TIMEOUT',
      group: 'Limits',
      default: '60s',
      description:
        'How long a server may take to start and to answer initialize; five times that with npx, uvx and the like',
    }),
    requestTimeout: option('duration', duration(), {
      setting: 'requestTimeoutMs',
      flag: '--request-timeout <duration>',
      env: 'MCP_RUN_REQUEST_TIMEOUT',
      group: 'Limits',
      default: '5m',
      description: 'How long a request may take; progress starts the clock again',
    }),
    maxRequestTime: option('duration', duration(), {
      setting: 'maxRequestTimeMs',
      flag: '--max-request-time <duration>',
      env: 'MCP_RUN_MAX_REQUEST_TIME',
      group: 'Limits',
      default: '30m',
      description: 'How long a request may take with progress',
    }),
    sessionIdle: option('duration', duration(), {
      setting: 'sessionIdleMs',
      flag: '--session-idle <duration>',
      env: 'MCP_RUN_SESSION_IDLE',
      group: 'Limits',
      default: '30m',
      description: 'When a session without messages ends',
    }),
    childIdle: option('duration', duration(), {
      setting: 'childIdleMs',
      flag: '--child-idle <duration>',
      env: 'MCP_RUN_CHILD_IDLE',
      group: 'Limits',
      default: '15m',
      description: 'When a process that serves clients of 2026-07-28 ends, if none of them asks for anything',
    }),
    inputTtl: option('duration', duration(), {
      setting: 'inputTtlMs',
      flag: '--input-ttl <duration>',
      env: 'MCP_RUN_INPUT_TTL',
      group: 'Limits',
      default: '10m',
      description: 'How long a server of an older revision waits for the input of a client of 2026-07-28',
    }),
    maxParked: option('integer', integer(1, 100_000), {
      setting: 'maxParked',
      flag: '--max-parked <number>',
      env: 'MCP_RUN_MAX_PARKED',
      group: 'Limits',
      default: 256,
      min: 1,
      max: 100_000,
      description: 'How many calls of one server may wait for input at once',
    }),
    keepAlive: option('duration', duration(), {
      setting: 'keepAliveMs',
      flag: '--keep-alive <duration>',
      env: 'MCP_RUN_KEEP_ALIVE',
      group: 'Limits',
      default: '15s',
      description: 'How often a quiet stream carries a comment, so that proxies keep it open',
    }),
    drainTimeout: option('duration', duration(0), {
      setting: 'drainTimeoutMs',
      flag: '--drain-timeout <duration>',
      env: 'MCP_RUN_DRAIN_TIMEOUT',
      group: 'Limits',
      default: '10s',
      min: 0,
      description: 'How long requests in flight may finish after the first signal',
    }),
    receiveTimeout: option('duration', duration(), {
      setting: 'receiveTimeoutMs',
      flag: '--receive-timeout <duration>',
      env: 'MCP_RUN_RECEIVE_TIMEOUT',
      group: 'Limits',
      default: '30s',
      description: 'How long a client may take to send a request',
    }),
    bodyLimit: option('size', size(), {
      setting: 'bodyLimitBytes',
      flag: '--body-limit <size>',
      env: 'MCP_RUN_BODY_LIMIT',
      group: 'Limits',
      default: '4mb',
      description: 'The largest request body',
    }),
    headerLimit: option('size', size(1024), {
      setting: 'headerLimitBytes',
      flag: '--header-limit <size>',
      env: 'MCP_RUN_HEADER_LIMIT',
      group: 'Limits',
      default: '16kb',
      min: 1024,
      description: 'The largest head of a request',
    }),
    lineLimit: option('size', size(), {
      setting: 'lineLimitBytes',
      flag: '--line-limit <size>',
      env: 'MCP_RUN_LINE_LIMIT',
      group: 'Limits',
      default: '16mb',
      description: 'The largest message of a server',
    }),
    resumeLimit: option('size', size(0), {
      setting: 'resumeLimitBytes',
      flag: '--resume-limit <size>',
      env: 'MCP_RUN_RESUME_LIMIT',
      group: 'Limits',
      default: '1mb',
      min: 0,
      description: 'How much a session keeps for clients that reconnect with Last-Event-ID',
    }),
    maxSessions: option('integer', integer(1, 1_000_000), {
      setting: 'maxSessions',
      flag: '--max-sessions <number>',
      env: 'MCP_RUN_MAX_SESSIONS',
      group: 'Limits',
      default: 1000,
      min: 1,
      max: 1_000_000,
      description: 'How many sessions may be open at once',
    }),
    maxConnections: option('integer', integer(1, 1_000_000), {
      setting: 'maxConnections',
      flag: '--max-connections <number>',
      env: 'MCP_RUN_MAX_CONNECTIONS',
      group: 'Limits',
      default: 10_000,
      min: 1,
      max: 1_000_000,
      description: 'How many connections of network clients may be open at once',
    }),
    maxChildren: option('integer', integer(1, 100_000), {
      setting: 'maxChildren',
      flag: '--max-children <number>',
      env: 'MCP_RUN_MAX_CHILDREN',
      group: 'Limits',
      default: 128,
      min: 1,
      max: 100_000,
      description: 'How many server processes may run at once',
    }),
    childrenPerServer: option('integer', integer(1, 100_000), {
      setting: 'childrenPerServer',
      flag: '--children-per-server <number>',
      env: 'MCP_RUN_CHILDREN_PER_SERVER',
      group: 'Limits',
      default: 32,
      min: 1,
      max: 100_000,
      description: 'How many processes of one server may run at once',
    }),
    logLevel: option('enum', choice(LOG_LEVELS), {
      setting: 'logLevel',
      flag: '--log-level <level>',
      env: 'MCP_RUN_LOG_LEVEL',
      group: 'Log',
      default: 'info',
      description: 'The least level that is logged',
    }),
    logFormat: option('enum', choice(LOG_FORMATS), {
      setting: 'logFormat',
      flag: '--log-format <format>',
      env: 'MCP_RUN_LOG_FORMAT',
      group: 'Log',
      description: 'How log lines look on stderr; without it human on a terminal, json elsewhere',
    }),
    quiet: option('boolean', flag(), {
      setting: 'quiet',
      flag: '--quiet',
      env: 'MCP_RUN_QUIET',
      group: 'Log',
      default: false,
      description: 'No start screen, and nothing below warnings in the log',
    }),
  })
  .meta({ description: "mcp-run's own settings; every one has a flag and a variable too." });

/** What only the command line and the environment say: which server, and how it is started. */
export const launchSchema = z.object({
  config: launch('list', list(), {
    flag: '--config <file>',
    commands: ['serve', 'check', 'list', 'login', 'logout'],
    env: 'MCP_RUN_CONFIG',
    group: 'What to serve',
    description:
      'A manifest; repeatable, and a later file replaces servers and settings of an earlier one. The variable names one file',
  }),
  server: launch('list', list(), {
    flag: '--server <name>',
    commands: ['serve', 'check', 'list', 'login', 'logout'],
    env: 'MCP_RUN_SERVER',
    group: 'What to serve',
    description: 'Only this server of the manifest, also when it is disabled there; repeatable',
  }),
  strict: launch('boolean', flag(), {
    flag: '--strict',
    commands: ['serve', 'check', 'list', 'login', 'logout'],
    env: 'MCP_RUN_STRICT',
    group: 'What to serve',
    default: false,
    description: 'Fail for an error in any entry of the manifest, instead of leaving that entry out',
  }),
  demo: launch('boolean', flag(), {
    flag: '--demo',
    commands: ['serve', 'check'],
    env: 'MCP_RUN_DEMO',
    group: 'What to serve',
    default: false,
    description: 'The small server that comes with mcp-run',
  }),
  name: launch('string', text(), {
    flag: '--name <name>',
    commands: ['serve', 'check', 'login'],
    env: 'MCP_RUN_NAME',
    group: 'What to serve',
    description:
      'The name of the server that is a command or a URL on the command line; without it derived from that',
  }),
  env: launch('list', list(), {
    flag: '--env <name=value>',
    commands: ['serve', 'check'],
    env: 'MCP_RUN_ENV',
    group: 'The server process',
    description: 'Set a variable for the server; repeatable',
  }),
  envFile: launch('list', list(), {
    flag: '--env-file <file>',
    commands: ['serve', 'check'],
    env: 'MCP_RUN_ENV_FILE',
    group: 'The server process',
    description: 'Set the variables in this file for the server; repeatable',
  }),
  passEnv: launch('list', list(), {
    flag: '--pass-env <name>',
    commands: ['serve', 'check'],
    env: 'MCP_RUN_PASS_ENV',
    group: 'The server process',
    description: 'Pass a variable of our own on to the server: NAME, PREFIX_* or * for all; repeatable',
  }),
  token: launch('string', text(), {
    flag: null,
    env: 'MCP_RUN_TOKEN',
    group: 'Access',
    description:
      'A bearer token that lets network clients in; no flag, because arguments are public on a machine',
  }),
  cwd: launch('string', text(), {
    flag: '--cwd <directory>',
    commands: ['serve', 'check'],
    env: 'MCP_RUN_CWD',
    group: 'The server process',
    description: 'The directory the server is started in',
  }),
  ignoreTool: launch('list', list(), {
    flag: '--ignore-tool <pattern>',
    commands: ['serve', 'check'],
    env: 'MCP_RUN_IGNORE_TOOL',
    group: 'Access',
    description: 'Tool that clients neither see nor call; * stands for any text; repeatable',
  }),
  ...remoteLaunchOptions,
  color: launch('boolean', flag(), {
    flag: '--no-color',
    commands: ['serve', 'check', 'list', 'init', 'schema', 'login', 'logout', 'tokens'],
    env: null,
    group: 'Log',
    description: 'No colours; the variables NO_COLOR and FORCE_COLOR work too',
  }),
});

/** What only the companions of `serve` can be told. */
export const companionSchema = z.object({
  timeout: launch('duration', duration(), {
    flag: '--timeout <duration>',
    commands: ['check'],
    env: 'MCP_RUN_TIMEOUT',
    group: 'Limits',
    default: '60s',
    description: 'How long a server may take to start and to say what it offers',
  }),
  from: launch('string', text(), {
    flag: '--from <file>',
    commands: ['init'],
    env: null,
    group: 'What to serve',
    description:
      "Take the servers of another client's file; claude, cursor, vscode, codex, gemini and others find that client's own one",
  }),
  force: launch('boolean', flag(), {
    flag: '--force',
    commands: ['init'],
    env: null,
    group: 'Output',
    default: false,
    description: 'Overwrite the file if it is there',
  }),
  all: launch('boolean', flag(), {
    flag: '--all',
    commands: ['logout'],
    env: null,
    group: 'What to serve',
    default: false,
    description: 'Every server that tokens are stored for',
  }),
  json: launch('boolean', flag(), {
    flag: '--json',
    commands: ['check', 'list', 'init', 'schema', 'login', 'logout', 'tokens'],
    env: null,
    group: 'Output',
    default: false,
    description: 'One JSON document on stdout, for programs',
  }),
});

/** One server. Keys that it does not name are kept and warned about: other tools share the file. */
export const serverSchema = z
  .looseObject({
    type: choice(TYPES)
      .optional()
      .meta({ description: 'How the server is reached; inferred from command or url, which means auto.' }),
    transport: choice(TYPES).optional().meta({ description: 'Another name for type.' }),
    transportType: choice(TYPES).optional().meta({ description: 'Another name for type.' }),
    command: text().optional().meta({ description: 'The program to start. Never run through a shell.' }),
    args: z
      .array(scalar(), { error: 'must be an array of strings' })
      .optional()
      .meta({ description: 'Its arguments.' }),
    ...remoteKeys,
    cwd: text().optional().meta({
      description: "The directory to start it in, relative to the manifest's folder; that folder without it.",
    }),
    env: record('Variables to set for it.'),
    envFile: stringOrList()
      .optional()
      .meta({ description: 'Files of NAME=VALUE lines to set for it; env wins.' }),
    passEnv: stringOrList()
      .optional()
      .meta({ description: 'Variables of our own to pass on: NAME, PREFIX_* or * for all.' }),
    timeout: entryTimeout().optional().meta({
      description:
        'serve.requestTimeout for this server; a number below 1000 is seconds, any other is milliseconds.',
    }),
    isolation: choice(ISOLATIONS).optional().meta({ description: 'serve.isolation for this server.' }),
    era: choice(ERA_SETTINGS).optional().meta({ description: 'serve.era for this server.' }),
    protocolEra: choice(ERA_SETTINGS).optional().meta({ description: 'Another name for era.' }),
    inputTtl: duration().optional().meta({ description: 'serve.inputTtl for this server.' }),
    attribution: choice(ATTRIBUTIONS).optional().meta({
      description:
        'Which call of a client of 2026-07-28 a question of the server belongs to: the newest that runs, or exactly the one that runs (exact: one at a time).',
      default: 'concurrent',
    }),
    warm: integer(0, 32).optional().meta({
      description:
        'Processes kept ready for clients of 2026-07-28, in front of a server of an older revision.',
      default: 0,
    }),
    disabled: flag().optional().meta({ description: 'Leave this server out.', default: false }),
    enabled: flag().optional().meta({ description: 'false leaves this server out.', default: true }),
    allow: z.array(choice(CAPABILITIES), { error: 'must be an array' }).optional().meta({
      description: 'Client capabilities to pass on although network clients are not trusted with them.',
    }),
    tools: toolRestriction().optional().meta({
      description:
        'The tools that clients see and call: an array of names, or an object with allow and deny; * stands for any text.',
    }),
    ignoreTools: stringOrList().optional().meta({ description: 'Another name for tools.deny.' }),
    includeTools: stringOrList().optional().meta({ description: 'Another name for tools.allow.' }),
    enabledTools: stringOrList().optional().meta({ description: 'Another name for tools.allow.' }),
    excludeTools: stringOrList().optional().meta({ description: 'Another name for tools.deny.' }),
    disabledTools: stringOrList().optional().meta({ description: 'Another name for tools.deny.' }),
    stdout: choice(STDOUT_MODES).optional().meta({
      description:
        'Lines on its stdout that are not MCP messages: skip and count them, or end the server (strict).',
      default: 'skip',
    }),
  })
  .meta({ description: 'One MCP server.' });

/** One entry of VS Code's `inputs`. */
export const inputSchema = z.looseObject({
  type: choice(['promptString', 'pickString', 'command']).meta({
    description: 'How the value is asked for.',
  }),
  id: text().meta({
    description: 'The name in ${input:…}; the variable MCP_RUN_INPUT_<ID> holds the value.',
  }),
  description: text().optional().meta({ description: 'What is asked for.' }),
  default: text().optional().meta({ description: 'The value when none is given.' }),
  password: flag().optional().meta({ description: 'Do not show what is typed.' }),
  options: z
    .array(z.union([text(), z.looseObject({ value: text() })]), { error: 'must be an array of strings' })
    .optional()
    .meta({ description: 'The values to choose from.' }),
});

/** A whole file. */
export const manifestSchema = z
  .looseObject({
    mcpServers: z.record(z.string(), serverSchema).optional().meta({ description: 'Servers by name.' }),
    servers: z
      .record(z.string(), serverSchema)
      .optional()
      .meta({ description: "Servers by name, in VS Code's format." }),
    inputs: z.array(inputSchema).optional().meta({ description: 'Values that ${input:id} stands for.' }),
    serve: serveSchema.optional(),
  })
  .meta({ title: 'mcp-run manifest', description: 'MCP servers, and how mcp-run serves them.' });

export type ServeBlock = z.output<typeof serveSchema>;
export type ServerEntry = z.output<typeof serverSchema>;
export type InputEntry = z.output<typeof inputSchema>;
