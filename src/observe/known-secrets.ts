import { findSecrets, isPlaceholder } from './find-secrets.ts';
import { secretParts } from './secret-args.ts';
import { isSecretName } from './secret-names.ts';

/** Values that a server is started or reached with. */
export type Launched = LaunchedCommand | LaunchedUrl;

interface Launch {
  /** Values of references to secrets, wherever they stand in it. */
  readonly secrets?: readonly string[];
}

interface LaunchedCommand extends Launch {
  readonly kind: 'stdio';
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

interface LaunchedUrl extends Launch {
  readonly kind: 'remote';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly oauth:
    | { readonly clientSecret: string | undefined; readonly privateKey: string | undefined }
    | undefined;
}

/** Values without a secret name are words if they are shorter. */
const MIN_UNNAMED = 6;
/** Parts of a header's value that are shorter are words: `Bearer`, `charset`. */
const MIN_TOKEN = 10;
/** Lines and members of a secret that are shorter are not looked for by themselves. */
const MIN_PART = 8;
/** Headers that do not identify their sender. */
const HARMLESS_HEADER =
  /^(?:user-agent|accept(?:-\w+)?|origin|referer|content-type|cache-control|connection|host|mcp-[\w-]+)$/;
/** Values that many texts hold, and that keep nothing secret. */
const TRIVIAL =
  /^(?:true|false|yes|no|on|off|null|none|nil|undefined|auto|default|debug|info|warn|error|trace|test|dev|prod|development|production|local|localhost|enabled?|disabled?|required|optional|basic|bearer|oauth2?|jwt|\d{1,2}|\d+00|1024|2048|4096|8192|16384|32768|65536)$/i;
const SCHEME = /^(?:bearer|basic|token|digest|apikey|negotiate)[ \t]+(?=\S)/i;

/** The secrets in it: the log should not repeat them, also when the server does. */
export function secretsOf(launched: Launched): readonly string[] {
  const found = new Set<string>();
  for (const secret of launched.secrets ?? []) addSecret(secret, found);
  if (launched.kind === 'stdio') collectFromCommand(launched, found);
  else collectFromUrl(launched, found);
  return [...found].filter((value) => value !== '' && !TRIVIAL.test(value) && !isPlaceholder(value));
}

function collectFromCommand({ args, env }: LaunchedCommand, found: Set<string>): void {
  for (const [name, value] of Object.entries(env)) {
    if (isSecretName(name)) addSecret(value, found);
    else addParts(value, found);
  }
  for (const [index, parts] of secretParts(args).entries()) {
    const arg = args[index] ?? '';
    for (const { start, end } of parts) {
      addSecret(arg.slice(start, end), found);
      if (arg[end] === '@') addUser(arg.slice(start, end), found);
    }
  }
}

function collectFromUrl({ url, headers, oauth }: LaunchedUrl, found: Set<string>): void {
  for (const [name, value] of Object.entries(headers)) {
    if (HARMLESS_HEADER.test(name)) continue;
    if (isSecretName(name)) addSecret(value, found);
    if (value.length >= MIN_UNNAMED) found.add(value);
    for (const part of value.split(/[\s;,=]+/)) if (part.length >= MIN_TOKEN) found.add(part);
  }
  for (const [, name = '', value = ''] of url.matchAll(/[?&#]([^=&#?]*)=([^&#]+)/g)) {
    const isNamed = isSecretName(name);
    for (const form of [value, decoded(value)])
      if (isNamed || form.length >= MIN_UNNAMED) addSecret(form, found);
  }
  addParts(url, found);
  addSecret(oauth?.clientSecret ?? '', found);
  addSecret(oauth?.privateKey ?? '', found);
}

/** A value under the name of a secret, and its parts. */
function addSecret(value: string, found: Set<string>): void {
  const text = value.trim();
  if (text === '') return;
  const scheme = SCHEME.exec(text)?.[0] ?? '';
  const own = text.slice(scheme.length);
  found.add(own);
  if (/^basic/i.test(scheme)) addUser(Buffer.from(own, 'base64').toString(), found);
  if (text.includes('\\')) found.add(unescaped(text));
  if (text.includes('%')) found.add(decoded(text));
  addLines(text, found);
  if (/^[[{]/.test(text)) addMembers(text, found);
  addParts(text, found);
}

/** A line break may be written in another way where a text is repeated, and lines are logged one by one. */
function addLines(text: string, found: Set<string>): void {
  const lines = text.split(/\s*(?:\r?\n|\\r?\\n|\\n)\s*/);
  if (lines.length === 1) return;
  for (const line of lines) if (line.length >= MIN_PART && !line.startsWith('-----')) found.add(line);
}

/** A document under the name of a secret: its texts that are no words. */
function addMembers(text: string, found: Set<string>): void {
  const value = parsed(text);
  const visit = (node: unknown, name: string): void => {
    if (typeof node === 'string' && isSecretName(name)) addSecret(node, found);
    else if (typeof node === 'object' && node !== null)
      for (const [key, child] of Object.entries(node)) visit(child, Array.isArray(node) ? name : key);
  };
  visit(value, '');
}

/** The parts of a text that look like secrets. */
function addParts(text: string, found: Set<string>): void {
  for (const { start, end } of findSecrets(text)) {
    const part = text.slice(start, end);
    found.add(part);
    if (part.includes('\\')) found.add(unescaped(part));
    if (part.includes('%')) found.add(decoded(part));
    if (text[end] === '@') addUser(part, found);
    addLines(part, found);
  }
}

/** `user:password` */
function addUser(text: string, found: Set<string>): void {
  const password = text.slice(text.indexOf(':') + 1);
  found.add(password);
  found.add(decoded(password));
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

/** As JSON reads it. */
function unescaped(text: string): string {
  const value = parsed(`"${text}"`);
  return typeof value === 'string' ? value : text;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
