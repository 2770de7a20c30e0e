import { findSecrets, type FindOptions, type Span } from './find-secrets.ts';

/** Keeps what looks like a secret out of what people read, wherever it comes from. */

export const MASK = '***';

/** Masks what looks like a secret: passwords in URLs, `--api-key X`, `token=X`, `Bearer X`. */
export function redact(text: string): string {
  return maskSpans(text, findSecrets(text));
}

/** The text with `***` for each of these parts. @param spans in order, without overlaps */
export function maskSpans(text: string, spans: readonly Span[]): string {
  if (spans.length === 0) return text;
  const parts: string[] = [];
  let at = 0;
  for (const { start, end } of spans) {
    parts.push(text.slice(at, start), MASK);
    at = end;
  }
  parts.push(text.slice(at));
  return parts.join('');
}

/** The text with an asterisk for each character of what looks like a secret: all others stay where they are. */
export function blot(text: string, options?: FindOptions): string {
  return blotSpans(text, findSecrets(text, options));
}

/** @param spans in order, without overlaps */
export function blotSpans(text: string, spans: readonly Span[]): string {
  const parts: string[] = [];
  let at = 0;
  for (const { start, end } of spans) {
    parts.push(text.slice(at, start), text.slice(start, end).replaceAll(/[^\n"']/g, '*'));
    at = end;
  }
  parts.push(text.slice(at));
  return parts.join('');
}
