import { parseBody, peekFrame, type Frame } from '../../protocol/frame.ts';

const ARRAY = '['.charCodeAt(0);
const LF = 0x0a;
const SPACES: ReadonlySet<number | undefined> = new Set([0x20, 0x09, 0x0a, 0x0d]);

/**
 * The messages in the body of a response, or in the data of an event: one, or a batch (revision 2025-03-26).
 * @throws RunError `PARSE_ERROR`, `INVALID_REQUEST`
 */
export function readMessages(bytes: Buffer): Frame[] {
  const body = trimmed(bytes);
  // What is on one line has, in all likelihood, the shape that needs no parsing.
  if (body[0] !== ARRAY && !body.includes(LF)) return [peekFrame(body)];
  const frames = parseBody(body);
  return Array.isArray(frames) ? frames : [frames];
}

function trimmed(bytes: Buffer): Buffer {
  let start = 0;
  let end = bytes.length;
  while (start < end && SPACES.has(bytes[start])) start += 1;
  while (end > start && SPACES.has(bytes[end - 1])) end -= 1;
  return bytes.subarray(start, end);
}
