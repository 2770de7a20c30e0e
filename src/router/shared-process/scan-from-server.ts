import { RunError } from '../../errors.ts';
import type { Log } from '../../observe/log.ts';
import { asBuffer } from '../../protocol/bytes.ts';
import { faultFrame } from '../../protocol/fault.ts';
import type { Frame } from '../../protocol/frame.ts';
import { scanMessage, soleIdOf, type Scanned } from '../../protocol/rewrite.ts';

/**
 * Scans a message of a server: an answer that does not say to the letter which request it answers becomes its
 * failure, so that the caller does not wait for another one.
 */
export function scanFromServer(
  frame: Frame,
  { server, log }: { readonly server: string; readonly log: Log },
): { readonly frame: Frame; readonly scanned: Scanned } | undefined {
  const scanned = scanMessage(frame);
  if (scanned !== undefined) return { frame, scanned };
  const id = frame.kind === 'response' ? soleIdOf(asBuffer(frame.bytes)) : undefined;
  const error = new RunError('UNREADABLE_ANSWER', {
    server,
    detail: 'it is not one object, or has a key twice',
  });
  const fault = id === undefined ? undefined : faultFrame(error, id);
  const instead = fault === undefined ? undefined : scanMessage(fault);
  log.warn(
    { event: 'server.ambiguous-line' },
    instead === undefined
      ? 'dropped a message from the server: it names two requests or none, or is not JSON'
      : error.message,
  );
  return fault === undefined || instead === undefined ? undefined : { frame: fault, scanned: instead };
}
