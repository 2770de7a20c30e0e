import type { Node, ScalarNode } from './tree.ts';

/** What must not be shown: values that a person would call a secret, in places where we print what was written. */

const BLOT = '***';
const SECRET_NAME =
  /(api|access|private|secret|auth|license|signing|encryption)[-_]?key|token|secret|passw|passphrase|pwd|credential|authorization|bearer|(^|[-_])(key|auth|pat|pass)$/i;
/** The shapes of well-known tokens, wherever they stand. */
const SECRET_SHAPE =
  /^(sk|pk|rk)[-_]|^gh[opsur]_|^github_pat_|^glpat-|^xox[a-z]-|^AKIA[0-9A-Z]{16}$|^eyJ[\w-]+\.|^AIza|^npm_[A-Za-z0-9]{20}|^Bearer /;

/** Whether what a variable, a flag or a header of this name holds is probably a secret. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

/** A command's arguments for people: `--token abc` becomes `--token ***`. References (`${…}`) stay, they hold nothing. */
export function maskArgs(args: readonly string[]): readonly string[] {
  return args.map((arg, index) => {
    const before = args[index - 1] ?? '';
    const isValue = /^--?[A-Za-z]/.test(before) && !before.includes('=') && !arg.startsWith('-');
    return isValue && isSecretName(before) ? maskText(arg) : maskArg(arg);
  });
}

/** A URL for people, without user, password and the values of its query. */
export function maskUrl(text: string): string {
  return text
    .replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#@]*@/i, `$1${BLOT}@`)
    .replaceAll(/([?&][^=&#]+=)([^&#]*)/g, (_, name: string, value: string) => `${name}${maskText(value)}`);
}

/**
 * The text of a manifest for people: values in `env` and `headers`, of keys that sound like secrets, and of arguments
 * that do are blotted out. Every other character stays where it is, so that a caret below a line still points right.
 * @param root undefined if the text does not parse; then keys are all there is to go by
 */
export function blotSecrets(text: string, root: Node | undefined): string {
  if (root === undefined)
    return blotCredentials(text.replaceAll(ASSIGNMENT, blotAssignment).replaceAll(FLAG, blotAssignment));
  let blotted = text;
  for (const { offset, source } of secretsIn(root, false)) {
    const quote = /^(?:"""|'''|["'])/.exec(text.slice(offset, offset + 3))?.[0] ?? '';
    const start = offset + quote.length;
    const end = quote === '' ? start + source.length : endOfQuoted(text, start, quote);
    blotted = blotted.slice(0, start) + blot(text.slice(start, end)) + blotted.slice(end);
  }
  return blotCredentials(blotted);
}

/** They give themselves away wherever they stand: `https://user:password@host/?key=value`, `Bearer token`. */
function blotCredentials(text: string): string {
  return text
    .replaceAll(
      /([a-z][a-z\d+.-]*:\/\/)([^\s/?#@'"]*)(?=@)/gi,
      (_, scheme: string, user: string) => scheme + blot(user),
    )
    .replaceAll(/https?:\/\/[^\s"']*/gi, blotQuery)
    .replaceAll(
      /\b((?:bearer|basic) +)([\w.~+/=-]{6,})/gi,
      (_, scheme: string, token: string) => scheme + blot(token),
    );
}

function blotQuery(url: string): string {
  return url.replaceAll(/([?&][^=&#]+=)([^&#]+)/g, (_, name: string, value: string) =>
    isReference(value) ? name + value : name + blot(value),
  );
}

function secretsIn(node: Node, isSecret: boolean): ScalarNode[] {
  if (node.kind === 'scalar') {
    return isSecret && node.value !== null && !isReference(String(node.value)) ? [node] : [];
  }
  if (node.kind === 'array') return node.items.flatMap((item) => secretsIn(item, isSecret));
  return node.entries.flatMap(({ key, value }) => {
    if (ARGUMENT_KEYS.has(key) && value.kind === 'array') return secretArgs(value.items);
    return secretsIn(value, isSecret || VALUE_KEYS.has(key) || isSecretName(key));
  });
}

/** What clients call arguments, and what they call variables and headers. */
const ARGUMENT_KEYS = new Set(['args', 'arguments', 'command', 'cmd']);
const VALUE_KEYS = new Set([
  'env',
  'envs',
  'environment',
  'headers',
  'http_headers',
  'httpHeaders',
  'requestHeaders',
  'customHeaders',
]);

function secretArgs(items: readonly Node[]): ScalarNode[] {
  const texts = items.map((item) => (item.kind === 'scalar' ? String(item.value) : ''));
  const masked = maskArgs(texts);
  return items.flatMap((item, index) =>
    item.kind === 'scalar' && masked[index] !== texts[index] ? [item] : [],
  );
}

function endOfQuoted(text: string, start: number, quote: string): number {
  let at = start;
  while (at < text.length && !text.startsWith(quote, at)) {
    const isEscape = quote.startsWith('"') && text[at] === '\\';
    at += isEscape ? 2 : 1;
    // YAML doubles a single quote that belongs to the text.
    while (quote === "'" && text.startsWith("''", at)) at += 2;
  }
  return at;
}

// "KEY": "value", KEY: value and KEY=value
const ASSIGNMENT =
  /([\w-]+)(["']?\s*[:=]\s*)("""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'[^'\n]*'?|[^\s"',{}[\]]+)/g;

// "--key", "value"
const FLAG = /(--?[A-Za-z][\w-]*)(["']\s*,\s*)("(?:\\.|[^"\\\n])*"?|'[^'\n]*'?)/g;

function blotAssignment(whole: string, name: string, between: string, value: string): string {
  // Names of variables are in capitals.
  const isSecret = isSecretName(name) || /^[A-Z][A-Z0-9_]+$/.test(name);
  return isSecret && !isReference(value) ? name + between + blot(value) : whole;
}

function blot(text: string): string {
  return text.replaceAll(/[^\n"']/g, '*');
}

function maskArg(arg: string): string {
  const assignment = /^(-{0,2}[A-Za-z][\w.-]*)=([^]*)$/.exec(arg);
  const [, name = '', value = ''] = assignment ?? [];
  if (assignment !== null && (isSecretName(name) || SECRET_SHAPE.test(value)))
    return `${name}=${maskText(value)}`;
  const header = /^([A-Za-z][\w-]*): ?([^]+)$/.exec(arg);
  if (header?.[1] !== undefined && isSecretName(header[1])) return `${header[1]}: ${BLOT}`;
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(arg)) return maskUrl(arg);
  return SECRET_SHAPE.test(arg) ? BLOT : arg;
}

function maskText(value: string): string {
  return value === '' || isReference(value) ? value : BLOT;
}

function isReference(text: string): boolean {
  return /^["']?(?:Bearer )?\$\{[^{}]*\}["']?$/.test(text) && !text.includes(':-');
}
