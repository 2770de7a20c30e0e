import { META } from './constants.ts';
import { scanBeginning, type Member } from './scan.ts';

/**
 * JSON-RPC 2.0 request id; never null in MCP. An integer that a double cannot hold is a bigint, so that two ids are the
 * same exactly if they are written the same.
 */
export type RequestId = string | number | bigint;

/** A longer number is no id. */
const MAX_DIGITS = 400;
const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** Where a message names a request, a progress token or a subscription. */
const PLACES: readonly (readonly string[])[] = [
  ['id'],
  ['params', 'requestId'],
  ['params', 'progressToken'],
  ['params', '_meta', 'progressToken'],
  ['params', '_meta', META.subscriptionId],
  ['result', '_meta', META.subscriptionId],
];

export function isRequestId(value: unknown): value is RequestId {
  return (
    typeof value === 'string' ||
    (typeof value === 'number' ? Number.isFinite(value) : typeof value === 'bigint')
  );
}

/** A JSON text that may be an id: like `JSON.parse`, but a large integer keeps its value. @throws SyntaxError */
export function parseExact(text: string): unknown {
  const value: unknown = JSON.parse(text);
  return isRounded(value) ? integerOf(text) : value;
}

/**
 * Gives the ids and tokens of a parsed message the values that they have in its bytes.
 * @param message any parsed JSON
 * @param bytes what it was parsed from
 */
export function restoreIds(message: unknown, bytes: Buffer): void {
  if (!isObject(message)) return;
  // Hardly ever true, and asked for every message: nothing is made on the way.
  const { params, result } = message;
  const isExact =
    !isRounded(message['id']) &&
    (!isObject(params) ||
      (!isRounded(params['requestId']) &&
        !isRounded(params['progressToken']) &&
        !hasRounded(params['_meta']))) &&
    (!isObject(result) || !hasRounded(result['_meta']));
  if (isExact) return;
  const scan = createScan();
  for (const place of PLACES) restore(message, bytes, place, scan);
}

/** A value as JSON, like `JSON.stringify`, but with bigints as the integers that they are. */
export function toJson(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return write(value) ?? 'null';
  }
}

function hasRounded(meta: unknown): boolean {
  return isObject(meta) && (isRounded(meta['progressToken']) || isRounded(meta[META.subscriptionId]));
}

/** An integer that shares its double with others. */
function isRounded(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value);
}

/** The members of an object; each is scanned once, however many ids it holds. */
type Scan = (object: Buffer) => readonly Member[];

function createScan(): Scan {
  const known = new Map<number, readonly Member[]>();
  return (object) => {
    // The texts of two objects of one message begin at different bytes.
    const members = known.get(object.byteOffset) ?? scanBeginning(object)?.members ?? [];
    known.set(object.byteOffset, members);
    return members;
  };
}

function restore(
  message: Readonly<Record<string, unknown>>,
  bytes: Buffer,
  place: readonly string[],
  scan: Scan,
): void {
  const key = place.at(-1) ?? '';
  const holder = place
    .slice(0, -1)
    .reduce<unknown>((object, name) => (isObject(object) ? object[name] : undefined), message);
  if (!isObject(holder) || !isRounded(holder[key])) return;
  const text = textAt(bytes, place, scan);
  // A key that is there twice names nothing.
  holder[key] = text === undefined ? null : integerOf(text);
}

/** @returns undefined if a key on the way is there twice */
function textAt(bytes: Buffer, place: readonly string[], scan: Scan): string | undefined {
  let object = bytes;
  for (const key of place) {
    const [member, second] = scan(object).filter((one) => one.key === key);
    if (member === undefined || second !== undefined) return undefined;
    object = object.subarray(member.start, member.end);
  }
  return object.toString('latin1');
}

/** @returns the exact value if it is an integer, otherwise the nearest double; null if it is too long */
function integerOf(text: string): bigint | number | null {
  const [, sign, whole = '', fraction = '', exponent = '0'] = NUMBER.exec(text) ?? [];
  if (sign === undefined || text.length > MAX_DIGITS) return null;
  const shift = Number(exponent) - fraction.length;
  const digits = BigInt(`${whole}${fraction}`);
  const divisor = 10n ** BigInt(Math.max(0, -shift));
  if (digits % divisor !== 0n) return Number(text);
  const value = (digits / divisor) * 10n ** BigInt(Math.max(0, shift));
  return sign === '-' ? -value : value;
}

function write(value: unknown): string | undefined {
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return `[${value.map((element) => write(element) ?? 'null').join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.entries(value).flatMap(([key, member]) => {
    const text = write(member);
    return text === undefined ? [] : `${JSON.stringify(key)}:${text}`;
  });
  return `{${members.join(',')}}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
