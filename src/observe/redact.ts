import type { Log } from './log.ts';

/** Keeps secrets out of what people read. Where a value is known, it is looked for; elsewhere its name gives it away. */

const MASK = '***';
/** Shorter values would be found everywhere, and hide more than themselves. */
const MIN_SECRET = 6;
/** Parts of a header's value that are shorter are words: `Bearer`, `charset`. */
const MIN_TOKEN = 10;

const NAME =
  '[\\w.-]*(?:api-?_?key|access-?_?key|private-?_?key|token|secret|passw(?:or)?d|passphrase|credentials?|authorization|bearer)[\\w.-]*';
const SECRET_NAME = new RegExp(`^-{0,2}(?:${NAME}|.*_(?:key|pat|pass|pwd|auth|dsn)|key|auth)$`, 'i');
const URL_PASSWORD = /\b([a-z][a-z\d+.-]*:\/\/)([^\s/?#@'"]*)@/gi;
const QUERY_VALUE = new RegExp(`([?&#]${NAME}=)([^&#\\s'"]+)`, 'gi');
const ASSIGNED = new RegExp(
  `((?:^|[\\s'"({[,])-{0,2}(?:${NAME})["']?=)(?!\\*\\*\\*)([^\\s'",;)}\\]]+)`,
  'gi',
);
const FLAG_VALUE = new RegExp(`((?:^|\\s)--?(?:${NAME})\\s+)(?!-)([^\\s'"]+)`, 'gi');
const SCHEME = /\b(bearer|basic)(\s+)([\w.~+/=-]{6,})/gi;

/** Masks what looks like a secret: passwords in URLs, `--api-key X`, `token=X`, `Bearer X`. */
export function redact(text: string): string {
  return text
    .replaceAll(URL_PASSWORD, (_, scheme: string) => `${scheme}${MASK}@`)
    .replaceAll(QUERY_VALUE, (_, name: string) => `${name}${MASK}`)
    .replaceAll(ASSIGNED, (_, name: string) => `${name}${MASK}`)
    .replaceAll(FLAG_VALUE, (_, flag: string) => `${flag}${MASK}`)
    .replaceAll(SCHEME, (_, scheme: string, space: string) => `${scheme}${space}${MASK}`);
}

/** What a server is started or reached with. */
export type Launched = LaunchedCommand | LaunchedUrl;

interface LaunchedCommand {
  readonly kind: 'stdio';
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

interface LaunchedUrl {
  readonly kind: 'remote';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly oauth:
    | { readonly clientSecret: string | undefined; readonly privateKey: string | undefined }
    | undefined;
}

/** The secrets in it: the log should not repeat them, also when the server does. */
export function secretsOf(launched: Launched): readonly string[] {
  const found = launched.kind === 'stdio' ? secretsOfCommand(launched) : secretsOfUrl(launched);
  // The longest first: one secret may begin with another.
  return [...found].filter(({ length }) => length >= MIN_SECRET).toSorted((a, b) => b.length - a.length);
}

function secretsOfCommand({ args, env }: LaunchedCommand): ReadonlySet<string> {
  const found = new Set<string>();
  for (const [name, value] of Object.entries(env)) {
    if (SECRET_NAME.test(name)) found.add(value);
    else collectFromUrls(value, found);
  }
  for (const [index, arg] of args.entries()) {
    const [flag = '', ...value] = arg.split('=');
    if (value.length > 0 && SECRET_NAME.test(flag)) found.add(value.join('='));
    else if (arg.startsWith('-') && SECRET_NAME.test(arg)) found.add(args[index + 1] ?? '');
    for (const [, , , token = ''] of arg.matchAll(SCHEME)) found.add(token);
    collectFromUrls(arg, found);
  }
  return found;
}

/** Headers that say nothing about who sends them. */
const HARMLESS_HEADER = /^(?:user-agent|accept-language|origin|referer)$/;

function secretsOfUrl({ url, headers, oauth }: LaunchedUrl): ReadonlySet<string> {
  const found = new Set<string>();
  for (const [name, value] of Object.entries(headers)) {
    if (HARMLESS_HEADER.test(name)) continue;
    found.add(value);
    for (const part of value.split(/[\s;=]+/)) if (part.length >= MIN_TOKEN) found.add(part);
  }
  for (const [, value = ''] of url.matchAll(/[?&][^=&#]*=([^&#]+)/g)) {
    found.add(value);
    found.add(decoded(value));
  }
  found.add(oauth?.clientSecret ?? '');
  // A line break may be written in another way where it is repeated.
  for (const line of oauth?.privateKey?.split(/\s*\n\s*/) ?? [])
    if (!line.startsWith('-----')) found.add(line);
  return found;
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

function collectFromUrls(text: string, found: Set<string>): void {
  for (const [, , user = ''] of text.matchAll(URL_PASSWORD)) found.add(user.slice(user.indexOf(':') + 1));
  for (const [, , value = ''] of text.matchAll(QUERY_VALUE)) found.add(value);
}

/** The text, in which these values are masked. */
export function maskSecrets(text: string, secrets: readonly string[]): string {
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, MASK), text);
}

/** The same log, in which these values are masked, in texts and in fields that are texts. */
export function withoutSecrets(log: Log, secrets: readonly string[]): Log {
  if (secrets.length === 0) return log;
  const clean = (text: string): string => maskSecrets(text, secrets);
  const write =
    (level: 'trace' | 'debug' | 'info' | 'warn' | 'error'): Log['info'] =>
    ({ event, ...fields }, text) => {
      const cleaned = Object.entries(fields).map(([name, value]) => [
        name,
        typeof value === 'string' ? clean(value) : value,
      ]);
      log[level]({ event, ...Object.fromEntries(cleaned) }, clean(text));
    };
  return {
    trace: write('trace'),
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (fields) => withoutSecrets(log.child(fields), secrets),
    isLevelEnabled: (level) => log.isLevelEnabled(level),
  };
}
