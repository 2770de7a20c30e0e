import { frameFromBytes, type Frame, type RequestId } from '../../protocol/frame.ts';
import { findValue, scanObject, spliceValues, type Member } from '../../protocol/scan.ts';

/** A message of a shared child, read to the letter: nothing in it can name two requests. */
export interface Scanned {
  readonly bytes: Buffer;
  readonly members: readonly Member[];
  readonly id: RequestId | undefined;
  readonly method: string | undefined;
}

/** @returns undefined for what is not one object, has a key twice, or an id that is none */
export function scanMessage(frame: Frame): Scanned | undefined {
  const bytes = asBuffer(frame.bytes);
  const members = scanObject(bytes);
  if (members === undefined) return undefined;
  const id = valueOf(bytes, findValue(bytes, members, 'id'));
  const method = valueOf(bytes, findValue(bytes, members, 'method'));
  if (id !== undefined && typeof id !== 'string' && typeof id !== 'number') return undefined;
  if (method !== undefined && typeof method !== 'string') return undefined;
  return { bytes, members, id, method };
}

/** The value at a path, parsed. */
export function readPath({ bytes, members }: Scanned, ...path: string[]): unknown {
  return valueOf(bytes, findValue(bytes, members, ...path));
}

export interface Replacement {
  readonly path: readonly string[];
  readonly value: RequestId;
}

/**
 * The same message with other ids and tokens, and otherwise byte for byte.
 * @returns undefined if there is nothing at one of the paths
 */
export function replaceValues(scanned: Scanned, replacements: readonly Replacement[]): Frame | undefined {
  const { bytes, members, method } = scanned;
  const edits = [];
  let { id } = scanned;
  for (const { path, value } of replacements) {
    const member = findValue(bytes, members, ...path);
    if (member === undefined) return undefined;
    edits.push({ start: member.start, end: member.end, text: JSON.stringify(value) });
    if (path.length === 1 && path[0] === 'id') id = value;
  }
  const kind = method === undefined ? 'response' : id === undefined ? 'notification' : 'request';
  return frameFromBytes(kind, spliceValues(bytes, edits), id, method);
}

function valueOf(bytes: Buffer, member: Member | undefined): unknown {
  if (member === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8', member.start, member.end));
    return value;
  } catch {
    // Neither an id nor a method nor a token: the caller treats it as such.
    return null;
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
