import { isPlaceholder, type Span } from '../../observe/find-secrets.ts';
import { blot, blotSpans, maskSpans } from '../../observe/redact.ts';
import { secretParts } from '../../observe/secret-args.ts';
import { isSecretName } from '../../observe/secret-names.ts';
import type { Node, ScalarNode } from './node.ts';

/** What must not be shown: values that a person would call a secret, in places where we print what was written. */

const BLOT = '***';

/** A command's arguments for people: `--token abc` becomes `--token ***`. References (`${…}`) stay, they hold nothing. */
export function maskArgs(args: readonly string[]): readonly string[] {
  const parts = secretParts(args);
  return args.map((arg, index) => {
    const masked = maskSpans(arg, parts[index] ?? []);
    return /^[a-z][a-z\d+.-]*:\/\//i.test(masked) ? maskUrl(masked) : masked;
  });
}

/** A URL for people, without user, password and the values of its query and its fragment. */
export function maskUrl(text: string): string {
  return text
    .replace(/^([a-z][a-z\d+.-]*:\/\/)[^/?#]*@/i, `$1${BLOT}@`)
    .replaceAll(/([?&#][^=&#?]*=)([^&#]*)/g, (_, name: string, value: string) => `${name}${maskText(value)}`);
}

/**
 * The text of a manifest for people: values in `env` and `headers`, of keys that sound like secrets, and of arguments
 * that do are blotted out. Every other character stays where it is, so that a caret below a line still points right.
 * @param root undefined if the text does not parse; then keys are all there is to go by
 */
export function redactSource(text: string, root: Node | undefined): string {
  if (root === undefined) return redactQueries(blot(text, { isManifest: true }));
  const spans: Span[] = [];
  for (const { offset, source } of secretsIn(root, false)) {
    const quote = /^(?:"""|'''|["'])/.exec(text.slice(offset, offset + 3))?.[0] ?? '';
    const start = offset + quote.length;
    const end = quote === '' ? start + source.length : endOfQuoted(text, start, quote);
    if (start >= (spans.at(-1)?.end ?? 0)) spans.push({ start, end });
  }
  return redactQueries(blot(blotSpans(text, spans)));
}

/** Values of queries give themselves away wherever they stand: `https://host/?key=value`. */
function redactQueries(text: string): string {
  return text.replaceAll(/\bhttps?:\/\/[^\s"']*/gi, (url) =>
    url.replaceAll(/([?&#][^=&#?]*=)([^&#]+)/g, (_, name: string, value: string) =>
      isPlaceholder(value) ? name + value : name + value.replaceAll(/[^\n"']/g, '*'),
    ),
  );
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

function secretsIn(node: Node, isSecret: boolean): ScalarNode[] {
  if (node.kind === 'scalar') {
    return isSecret && node.value !== null && !isPlaceholder(String(node.value)) ? [node] : [];
  }
  if (node.kind === 'array') return node.items.flatMap((item) => secretsIn(item, isSecret));
  return node.entries.flatMap(({ key, value }) => {
    if (ARGUMENT_KEYS.has(key) && value.kind === 'array') return secretArgs(value.items);
    return secretsIn(value, isSecret || VALUE_KEYS.has(key) || isSecretName(key));
  });
}

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

function maskText(value: string): string {
  return value === '' || isPlaceholder(value) ? value : BLOT;
}
