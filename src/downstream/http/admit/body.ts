import type { IncomingMessage } from 'node:http';
import { RunError } from '../../../errors.ts';
import { withoutBom } from '../../../protocol/bom.ts';

const JSON_TYPE = 'application/json';

/** @param body undefined if there was none. */
type OnBody = (body: Buffer | undefined, error?: RunError) => void;

/**
 * Reads a JSON body of at most `maxBytes`, without a byte order mark. `done` is called once, or never if the client leaves before.
 * @throws RunError `UNSUPPORTED_MEDIA_TYPE`, `BODY_TOO_LARGE`, where the head tells.
 */
export function readBody(request: IncomingMessage, maxBytes: number, done: OnBody): void {
  const {
    'content-length': length = '0',
    'transfer-encoding': coding,
    'content-type': type,
  } = request.headers;
  if (coding === undefined && length === '0') return done(undefined);
  requireJson(type);
  if (Number(length) > maxBytes) throw new RunError('BODY_TOO_LARGE', { maxBytes });

  const chunks: Buffer[] = [];
  let size = 0;
  request.on('data', take);
  request.on('end', end);

  function take(chunk: Buffer): void {
    chunks.push(chunk);
    size += chunk.length;
    if (size <= maxBytes) return;
    request.off('data', take).off('end', end);
    done(undefined, new RunError('BODY_TOO_LARGE', { maxBytes }));
  }

  function end(): void {
    const [first] = chunks;
    const whole = chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, size);
    done(withoutBom(whole));
  }
}

function requireJson(type: string | undefined): void {
  // Parameters make no difference (RFC 8259, section 11).
  if (type === JSON_TYPE || type?.split(';', 1)[0]?.trim().toLowerCase() === JSON_TYPE) return;
  throw new RunError('UNSUPPORTED_MEDIA_TYPE', { detail: type ?? 'no content-type' });
}
