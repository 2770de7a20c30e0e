import type { Parsed } from './units.ts';

/** HTTP headers that a user wants to be sent. No message holds a value. */

/** The transport says these itself, about each request. */
const RESERVED =
  /^(?:host|content-length|content-encoding|accept-encoding|transfer-encoding|connection|keep-alive|upgrade|te|trailer|expect|proxy-.*|mcp-.*|last-event-id)$/;
/** The transport says the same, so they are left out; examples of other clients often have them. */
const REDUNDANT = new Set(['accept', 'content-type']);

export type Headers = Readonly<Record<string, string>>;

/** Whether it need not be said, because it is sent in any case. */
export function isRedundant(name: string): boolean {
  return REDUNDANT.has(name.toLowerCase());
}

/** Why a header cannot be sent (RFC 9110, section 5); undefined if it can. */
export function faultOfHeader(name: string, value: string): string | undefined {
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) return `${JSON.stringify(name)} is not the name of an HTTP header`;
  if (RESERVED.test(name.toLowerCase())) return `${name} is set by mcp-run itself`;
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value))
    return `the value of ${name} has characters that HTTP does not allow, such as a line break`;
  return undefined;
}

/** A line such as `Name: value`. */
export function parseHeader(line: string): Parsed<readonly [name: string, value: string]> {
  const [, name = '', value = ''] = /^([^:]+):([^]*)$/.exec(line) ?? [];
  if (name === '') return { fault: 'not a header such as "Name: value"' };
  const pair = [name.trim(), value.trim()] as const;
  const fault = faultOfHeader(...pair);
  return fault === undefined ? { value: pair } : { fault };
}

/** Headers by their names in lower case; of the same name the last one counts. */
export function toHeaders(pairs: Iterable<readonly [name: string, value: string]>): Headers {
  const headers: Record<string, string> = Object.create(null);
  for (const [name, value] of pairs) if (!isRedundant(name)) headers[name.toLowerCase()] = value.trim();
  return headers;
}
