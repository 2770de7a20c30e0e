import type { IncomingMessage } from 'node:http';
import { RunError } from '../../../errors.ts';

/** The header that every SDK sends. */
const USUAL = 'application/json, text/event-stream';

/**
 * Checks that a client takes all of `types` (RFC 9110, section 12.5.1). No header and wildcards count as yes.
 * @throws RunError `NOT_ACCEPTABLE`
 */
export function requireAccept(request: IncomingMessage, types: readonly string[]): void {
  const { accept } = request.headers;
  if (accept === undefined || accept === USUAL) return;
  const ranges = accept.split(',').map((range) => range.split(';', 1)[0]?.trim().toLowerCase() ?? '');
  const missing = types.filter((type) => {
    return (
      !ranges.includes(type) && !ranges.includes('*/*') && !ranges.includes(`${type.split('/', 1)[0]}/*`)
    );
  });
  if (missing.length > 0) throw new RunError('NOT_ACCEPTABLE', { types: types.join(', ') });
}
