import { frameOf, parseBody, parseFrame, peekFrame, splitBatch, type Frame } from '../../protocol/frame.ts';
import { unreadableAnswerTo } from '../../protocol/outline.ts';
import { isRequestId, toJson, type RequestId } from '../../protocol/request-id.ts';
import { scanObject, spliceValues } from '../../protocol/scan.ts';

const CLOSING_BRACE = '}'.charCodeAt(0);
const LF = 0x0a;
const SPACES: ReadonlySet<number | undefined> = new Set([0x20, 0x09, 0x0a, 0x0d]);

/**
 * The messages in the body of a response, or in the data of an event: one, or a batch (revision 2025-03-26).
 * @throws RunError `PARSE_ERROR`, `INVALID_REQUEST`
 */
export function readMessages(bytes: Buffer): Frame[] {
  const body = trimmed(bytes);
  // What is on one line has, in all likelihood, the shape that needs no parsing; its end shows whether it is complete.
  if (body.at(-1) === CLOSING_BRACE && !body.includes(LF)) return [peekFrame(body)];
  const frames = parseBody(body);
  return Array.isArray(frames) ? frames : [frames];
}

/** Something in the place of a message. */
export interface Fault {
  readonly cause: unknown;
  /** The request that it would be the answer to. */
  readonly id: RequestId | undefined;
}

/** The messages in the data of an event, as `readMessages` finds them, and apart from them all else that it holds. */
export function sortMessages(bytes: Buffer): { readonly frames: Frame[]; readonly faults: Fault[] } {
  const frames: Frame[] = [];
  const faults: Fault[] = [];
  const batch = elementsOfBatch(bytes);
  for (const part of batch ?? [bytes]) {
    try {
      frames.push(...(batch === undefined ? readMessages(part) : [parseFrame(part)]));
    } catch (cause) {
      faults.push({ cause, id: unreadableAnswerTo(part) });
    }
  }
  if (frames.length === 0 && faults.length === 0) faults.push({ cause: undefined, id: undefined });
  return { frames, faults };
}

/** One that is longer is checked at its ends only, like an answer of a process: parsing it would take too long. */
const CHECKED_BYTES = 4 * 1024;

/** Whether an answer is JSON-RPC throughout. */
export function isSound(answer: Frame): boolean {
  try {
    return answer.bytes.length > CHECKED_BYTES || answer.message.jsonrpc === '2.0';
  } catch {
    return false;
  }
}

/** The same message under another id; everything else stays byte for byte. */
export function withId(frame: Frame, id: RequestId): Frame {
  if (frame.id === id) return frame;
  const bytes = Buffer.from(frame.bytes.buffer, frame.bytes.byteOffset, frame.bytes.byteLength);
  const place = scanObject(bytes)?.find(({ key }) => key === 'id');
  if (place === undefined) return frameOf({ ...frame.message, id });
  return readMessages(spliceValues(bytes, [{ ...place, text: toJson(id) }]))[0] ?? frame;
}

/** The request that a `notifications/cancelled` is about. */
export function cancelledId({ message }: Frame): RequestId | undefined {
  const id = message.params?.['requestId'];
  return isRequestId(id) ? id : undefined;
}

function elementsOfBatch(bytes: Buffer): Buffer[] | undefined {
  return splitBatch(trimmed(bytes))
    ?.map((part) => trimmed(Buffer.from(part.buffer, part.byteOffset, part.byteLength)))
    .filter((part) => part.length > 0);
}

function trimmed(bytes: Buffer): Buffer {
  let start = 0;
  let end = bytes.length;
  while (start < end && SPACES.has(bytes[start])) start += 1;
  while (end > start && SPACES.has(bytes[end - 1])) end -= 1;
  return bytes.subarray(start, end);
}
