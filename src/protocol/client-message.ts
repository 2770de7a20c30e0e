import { RunError } from '../errors.ts';
import { findAmbiguity } from './ambiguity.ts';
import { asBuffer } from './bytes.ts';
import { MAX_BATCH } from './constants.ts';
import { parseBody, parseFrame, type Frame } from './frame.ts';
import { refusedId } from './outline.ts';

/**
 * Parses one message of a client, which has to mean the same to every server.
 * @throws RunError as `parseFrame` does; `INVALID_REQUEST` as well if it is ambiguous
 */
export function parseClientMessage(bytes: Uint8Array): Frame {
  return unambiguous(parseFrame(bytes), bytes);
}

/**
 * The same for a body that may be a batch (revision 2025-03-26 only).
 * @returns the frame, or the elements of the array as frames of their own
 */
export function parseClientBody(bytes: Uint8Array): Frame | Frame[] {
  const body = parseBody(bytes, MAX_BATCH);
  return Array.isArray(body) ? body.map((frame) => unambiguous(frame)) : unambiguous(body, bytes);
}

/** @param bytes of a message that stands alone: its refusal names its id, if that can be read */
function unambiguous(frame: Frame, bytes?: Uint8Array): Frame {
  const detail = findAmbiguity(frame);
  if (detail === undefined) return frame;
  const requestId = bytes === undefined ? undefined : refusedId(asBuffer(bytes));
  throw new RunError('INVALID_REQUEST', { detail }, { requestId });
}
