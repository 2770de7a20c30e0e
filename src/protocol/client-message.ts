import { RunError } from '../errors.ts';
import { findAmbiguity } from './ambiguity.ts';
import { asBuffer } from './bytes.ts';
import { MAX_BATCH } from './constants.ts';
import { ExactNames } from './folded-key.ts';
import { parseBody, parseFrame, type Frame } from './frame.ts';
import { NAME_PARAMETERS, nameSourceOf } from './mirrored-headers.ts';
import { refusedId } from './outline.ts';

/** Made once: each call of a tool is checked. */
const SPELLINGS: ReadonlyMap<string, ExactNames> = new Map(
  NAME_PARAMETERS.map((name) => [name, new ExactNames(name)]),
);

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

/** What a header repeats must not be there in another spelling either. */
function findOtherName({ method = '', message }: Frame): string | undefined {
  const source = nameSourceOf(method);
  const names = source === undefined ? undefined : SPELLINGS.get(source);
  if (names === undefined || message.params === undefined) return undefined;
  const other = Object.keys(message.params).find((key) => names.imitatedBy(key) !== undefined);
  return other === undefined
    ? undefined
    : `${JSON.stringify(other.slice(0, 64))} is another spelling of "${source}"`;
}

/** @param bytes of a message that stands alone: its refusal names its id, if that can be read */
function unambiguous(frame: Frame, bytes?: Uint8Array): Frame {
  const detail = findAmbiguity(frame) ?? findOtherName(frame);
  if (detail === undefined) return frame;
  const requestId = bytes === undefined ? undefined : refusedId(asBuffer(bytes));
  throw new RunError('INVALID_REQUEST', { detail }, { requestId });
}
