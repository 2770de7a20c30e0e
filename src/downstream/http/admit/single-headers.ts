import type { IncomingMessage } from 'node:http';
import { RunError } from '../../../errors.ts';
import { HEADER } from '../../../protocol/mirrored-headers.ts';

/** Headers that decide about the origin or the handling of a request. `Authorization` is checked with the token. */
const DECIDING: ReadonlySet<string> = new Set([
  'host',
  'origin',
  'sec-fetch-site',
  'content-type',
  'content-length',
  'last-event-id',
  'mcp-session-id',
  'x-forwarded-prefix',
]);
/**
 * Of the headers that repeat what a body says, the one that is read without a body. The others are checked with the body
 * (`repeated-values.ts`): their refusal names the request.
 */
const REVISION = HEADER.protocolVersion;

/**
 * Refuses a request that has such a header twice: Node keeps the first one or joins them, and a proxy in front may have
 * checked the other (RFC 9112, section 3.2, for Host).
 * @throws RunError `INVALID_REQUEST`, `HEADER_MISMATCH`
 */
export function requireSingleHeaders({ headers, rawHeaders }: IncomingMessage): void {
  // All names differ, as they nearly always do.
  if (Object.keys(headers).length * 2 === rawHeaders.length) return;
  const seen = new Set<string>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase() ?? '';
    const detail = `there is more than one ${name} header`;
    if (seen.has(name) && name === REVISION) throw new RunError('HEADER_MISMATCH', { detail });
    if (seen.has(name) && DECIDING.has(name)) throw new RunError('INVALID_REQUEST', { detail });
    seen.add(name);
  }
}
