import { isUtf8 } from 'node:buffer';
import { RunError } from '../errors.ts';
import { asBuffer } from './bytes.ts';
import { MAX_BATCH } from './constants.ts';
import { refusedId } from './outline.ts';
import { isRequestId, restoreIds, toJson, type RequestId } from './request-id.ts';
import { elementsOf, skipSpace } from './scan.ts';

export type { RequestId } from './request-id.ts';

export type FrameKind = 'request' | 'response' | 'notification';

/** Any JSON object that passed as a JSON-RPC message. Unknown members are kept. */
export interface JsonRpcMessage {
  jsonrpc: '2.0';
  id?: RequestId | null;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { code: number; message: string; data?: unknown };
  [key: string]: unknown;
}

/** One JSON-RPC message and its original bytes; the parsed form is computed on first use. */
export interface Frame {
  readonly kind: FrameKind;
  /** Absent on notifications, and on the rare error response without an id. */
  readonly id?: RequestId;
  /** Absent on responses. */
  readonly method?: string;
  /** One line of UTF-8 JSON, no CR or LF inside. */
  readonly bytes: Uint8Array;
  /** Throws `PARSE_ERROR` if the bytes are not JSON after all (a peeked frame is parsed only here). */
  readonly message: JsonRpcMessage;
}

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const [OPEN, CLOSE, OPEN_ARRAY, CLOSE_ARRAY] = [0x7b, 0x7d, 0x5b, 0x5d];
const SPACES: ReadonlySet<number | undefined> = new Set([SPACE, 0x09, LF, CR]);
/** Messages in one batch of a server; each that cannot be read is an error of its own. */
const MAX_SERVER_BATCH = 10_000;

class ParsedFrame implements Frame {
  readonly kind: FrameKind;
  declare readonly id?: RequestId;
  declare readonly method?: string;
  readonly bytes: Uint8Array;
  readonly message: JsonRpcMessage;

  constructor(bytes: Uint8Array, message: JsonRpcMessage) {
    const { id, method } = message;
    this.kind = method === undefined ? 'response' : id === undefined ? 'notification' : 'request';
    if (id !== undefined && id !== null) this.id = id;
    if (method !== undefined) this.method = method;
    this.bytes = bytes;
    this.message = message;
  }
}

/**
 * A frame made here.
 * @throws RunError `INVALID_REQUEST` if what it is made of is nested too deeply to be written.
 */
export function frameOf(message: Omit<JsonRpcMessage, 'jsonrpc'>): Frame {
  const whole: JsonRpcMessage = { jsonrpc: '2.0', ...message };
  return new ParsedFrame(serialise(whole), whole);
}

/**
 * Parses one message from a peer that must be held to the letter (a client).
 * @throws RunError `PARSE_ERROR` (not UTF-8, not JSON) or `INVALID_REQUEST` (not JSON-RPC, or a batch).
 */
export function parseFrame(bytes: Uint8Array): Frame {
  if (isArray(bytes)) requireShort(bytes, MAX_BATCH);
  const value = parseJson(bytes);
  if (Array.isArray(value))
    throw new RunError('INVALID_REQUEST', { detail: 'batches are not supported here' });
  return new ParsedFrame(singleLine(bytes), validate(value, bytes));
}

/**
 * Parses a body that may be a batch (revision 2025-03-26 only).
 * @param maxBatch a longer array is refused unread
 * @returns the frame, or the elements of the array as frames of their own.
 */
export function parseBody(bytes: Uint8Array, maxBatch = MAX_SERVER_BATCH): Frame | Frame[] {
  const texts = isArray(bytes) ? requireShort(bytes, maxBatch) : [];
  const value = parseJson(bytes);
  if (!Array.isArray(value)) return new ParsedFrame(singleLine(bytes), validate(value, bytes));
  return value.map((element, index) => {
    const text = texts[index] ?? asBuffer(bytes);
    restoreIds(element, text);
    return new ParsedFrame(singleLine(text), validate(element));
  });
}

/**
 * The elements of a batch of messages as they are written, sound or not; undefined if the bytes are no batch, or too
 * long a one.
 */
export function splitBatch(bytes: Uint8Array): Uint8Array[] | undefined {
  const batch = asBuffer(bytes);
  if (batch[0] !== OPEN_ARRAY || batch[skipSpace(batch, 1)] !== OPEN) return undefined;
  if (batch[lastBeforeSpace(batch)] !== CLOSE_ARRAY) return undefined;
  const elements = elementsOf(batch, MAX_SERVER_BATCH);
  return elements.length > MAX_SERVER_BATCH ? undefined : elements;
}

/** @returns the elements of an array that the parser may read: millions of them would take it seconds */
function requireShort(array: Uint8Array, max: number): Buffer[] {
  const bytes = asBuffer(array);
  const texts = elementsOf(bytes, max);
  const isTooMuch = texts.length > max || (texts[0] !== undefined && isArray(texts[0]));
  if (isTooMuch && bytes[lastBeforeSpace(bytes)] !== CLOSE_ARRAY)
    throw new RunError('PARSE_ERROR', { detail: 'not JSON' });
  if (texts.length > max) throw new RunError('INVALID_REQUEST', { detail: `more than ${max} messages` });
  if (isTooMuch)
    throw new RunError('INVALID_REQUEST', { detail: 'an element of the batch is not an object' });
  return texts;
}

function isArray(bytes: Uint8Array): boolean {
  const buffer = asBuffer(bytes);
  return buffer[skipSpace(buffer, 0)] === OPEN_ARRAY;
}

function lastBeforeSpace(bytes: Buffer): number {
  let at = bytes.length - 1;
  while (SPACES.has(bytes[at])) at -= 1;
  return at;
}

class LazyFrame implements Frame {
  readonly kind: FrameKind;
  declare readonly id?: RequestId;
  declare readonly method?: string;
  readonly bytes: Uint8Array;
  #message: JsonRpcMessage | undefined;

  constructor(kind: FrameKind, bytes: Uint8Array, id: RequestId | undefined, method: string | undefined) {
    this.kind = kind;
    if (id !== undefined) this.id = id;
    if (method !== undefined) this.method = method;
    this.bytes = bytes;
  }

  get message(): JsonRpcMessage {
    this.#message ??= validate(parseJson(this.bytes));
    return this.#message;
  }
}

/** A frame whose kind, id and method are known already; parsed when its message is asked for. */
export function frameFromBytes(
  kind: FrameKind,
  bytes: Uint8Array,
  id: RequestId | undefined,
  method: string | undefined,
): Frame {
  return new LazyFrame(kind, bytes, id, method);
}

/**
 * Reads kind, id and method off the ends of one line from a server, without parsing it when it has the shape
 * that the known SDKs write. Both matches touch the outermost brace, so nothing nested can imitate them. A
 * second `id` key would go unseen: use this only where every answer on the link belongs to one client.
 * @throws RunError as `parseFrame` does, when the line is parsed.
 */
export function peekFrame(bytes: Buffer): Frame {
  return peekHead(bytes) ?? peekEnds(bytes) ?? parseFrame(bytes);
}

// {"jsonrpc":"2.0","id":1,"result":… and {"jsonrpc":"2.0",["id":1,]"method":"…",
const HEAD =
  /^\{"jsonrpc": ?"2\.0", ?(?:"id": ?(?:(\d{1,15})|"([^"\\]{0,99})"), ?)?"(?:(result|error)": ?\{|method": ?"([^"\\]{0,80})"[,}])/;
// …,"jsonrpc":"2.0","id":1} behind {"result":{ or {"method":"…"
const TAIL = /[\]}"],"jsonrpc":"2\.0"(?:,"id":(?:(\d{1,15})|"([^"\\]{0,60})"))?\}$/;
const HEAD_LETTER = 'j'.charCodeAt(0);
const ID_KEY = Buffer.from('"id"');
const START = /^\{"(?:(result|error)":\{|method":"([^"\\]{0,80})",)/;

function peekHead(bytes: Buffer): Frame | undefined {
  // One byte tells most other beginnings, for less than a match costs; another one that the end is missing.
  if (bytes[2] !== HEAD_LETTER || bytes.at(-1) !== CLOSE) return undefined;
  const match = HEAD.exec(bytes.toString('latin1', 0, 220));
  if (match === null || bytes.includes(CR)) return undefined;
  return peeked(bytes, match[1], match[2], match[3], match[4]);
}

function peekEnds(bytes: Buffer): Frame | undefined {
  const start = START.exec(bytes.toString('latin1', 0, 100));
  if (start === null) return undefined;
  const tail = TAIL.exec(bytes.toString('latin1', Math.max(0, bytes.length - 100)));
  if (tail === null || bytes.includes(CR)) return undefined;
  return peeked(bytes, tail[1], tail[2], start[1], start[2]);
}

function peeked(
  bytes: Buffer,
  number: string | undefined,
  text: string | undefined,
  outcome: string | undefined,
  method: string | undefined,
): Frame | undefined {
  const id = number === undefined ? text : Number(number);
  // No id at the ends, but one may stand between them: `{"jsonrpc":"2.0","method":…,"params":…,"id":1}`.
  if (id === undefined && bytes.includes(ID_KEY)) return undefined;
  // Latin-1 text: anything outside ASCII in an id or a method needs the real parser.
  if (!isAscii(text) || !isAscii(method)) return undefined;
  if (outcome !== undefined)
    return id === undefined ? undefined : new LazyFrame('response', bytes, id, undefined);
  return new LazyFrame(id === undefined ? 'notification' : 'request', bytes, id, method);
}

function isAscii(text: string | undefined): boolean {
  return text === undefined || /^[\x20-\x7e]*$/.test(text);
}

function parseJson(bytes: Uint8Array): unknown {
  const buffer = asBuffer(bytes);
  if (!isUtf8(bytes))
    throw new RunError('PARSE_ERROR', { detail: 'not UTF-8' }, { requestId: refusedId(buffer) });
  try {
    const value: unknown = JSON.parse(buffer.toString());
    restoreIds(value, buffer);
    return value;
  } catch (error) {
    throw new RunError('PARSE_ERROR', { detail: 'not JSON' }, { cause: error, requestId: refusedId(buffer) });
  }
}

/** The parser takes any depth, and the serialiser only as much as the stack. */
function serialise(message: JsonRpcMessage): Buffer {
  try {
    return Buffer.from(toJson(message));
  } catch (error) {
    throw new RunError('INVALID_REQUEST', { detail: 'nested too deeply' }, { cause: error });
  }
}

/** @param bytes of a message that stands alone: what refuses it names its id, if that can be read */
function validate(value: unknown, bytes?: Uint8Array): JsonRpcMessage {
  const fault = findFault(value);
  if (fault === undefined) return value as JsonRpcMessage;
  const requestId = bytes === undefined ? undefined : refusedId(asBuffer(bytes));
  throw new RunError('INVALID_REQUEST', { detail: fault }, { requestId });
}

/** JSON-RPC 2.0 sections 4 and 5, with MCP's rule that an id is a string or a number. */
function findFault(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'not an object';
  const { jsonrpc, id, method, params, result, error } = value as Record<string, unknown>;
  if (jsonrpc !== '2.0') return '"jsonrpc" must be "2.0"';
  if (method !== undefined) {
    if (typeof method !== 'string') return '"method" must be a string';
    if ('id' in value && !isRequestId(id)) return '"id" must be a string or a number';
    if (params !== undefined && (typeof params !== 'object' || params === null || Array.isArray(params))) {
      return '"params" must be an object';
    }
    return undefined;
  }
  const isError = typeof error === 'object' && error !== null;
  if (error !== undefined && error !== null && !isError) return '"error" must be an object';
  if (result === undefined && !isError) return 'neither "method", "result" nor "error"';
  if (!isRequestId(id) && !(isError && (id === null || id === undefined))) {
    return '"id" must be a string or a number';
  }
  return undefined;
}

/**
 * Outside strings CR and LF are white space, and inside them JSON forbids both raw: a space in their place
 * keeps every value, and large numbers and key order, which a second serialisation would not.
 */
function singleLine(bytes: Uint8Array): Uint8Array {
  if (!bytes.includes(LF) && !bytes.includes(CR)) return bytes;
  return bytes.map((byte) => (byte === LF || byte === CR ? SPACE : byte));
}
