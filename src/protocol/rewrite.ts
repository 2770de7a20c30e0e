import { asBuffer } from './bytes.ts';
import { META as META_KEY } from './constants.ts';
import { forParent, withParentView } from './fault.ts';
import { ExactNames } from './folded-key.ts';
import { frameFromBytes, type Frame } from './frame.ts';
import { unreadableAnswerTo } from './outline.ts';
import { isRequestId, parseExact, type RequestId } from './request-id.ts';
import { scanBeginning, scanObject, spliceValues, type Edit, type Member, type Within } from './scan.ts';

/** The places in a message that say which request, client or resource it concerns. */
export type Place =
  | 'id'
  | 'params'
  | 'token'
  | 'subscription'
  | 'protocolVersion'
  | 'clientCapabilities'
  | 'clientInfo'
  | 'logLevel'
  | 'params.progressToken'
  | 'params.requestId'
  | 'params.uri'
  | 'params.task'
  | 'params.level';

/** A message to or from a shared process, read to the letter: nothing in it can name two requests. */
export interface Scanned {
  readonly bytes: Buffer;
  readonly id: RequestId | undefined;
  readonly method: string | undefined;
  readonly isError: boolean;
  /** The members of the result, a key twice where it is there twice; undefined if there is none that can be read. */
  readonly result: readonly Member[] | undefined;
  /** The same as the process that started us may see it, if that differs. */
  readonly parentView: Scanned | undefined;
  /** Where a value lies in the bytes. */
  find(place: Place): Member | undefined;
}

const NONE: Member[] = [];
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = 0x20;
const DELETE = 0x7f;
const ZERO = 0x30;
/** More may not be exact in a double. */
const MAX_DIGITS = 15;
const ENVELOPE = new ExactNames('jsonrpc', 'id', 'method', 'params', 'result', 'error');
const META = new ExactNames('progressToken', META_KEY.subscriptionId);
const PARAMS = new ExactNames('_meta');
/** The names that say which request or resource a message is about depend on its method; elsewhere they are free to use. */
const PARAMS_OF: ReadonlyMap<string | undefined, ExactNames> = new Map([
  ['notifications/progress', new ExactNames('_meta', 'progressToken')],
  ['notifications/cancelled', new ExactNames('_meta', 'requestId')],
  ['notifications/resources/updated', new ExactNames('_meta', 'uri')],
  ['resources/subscribe', new ExactNames('_meta', 'uri')],
  ['resources/unsubscribe', new ExactNames('_meta', 'uri')],
]);

class ScannedMessage implements Scanned {
  readonly bytes: Buffer;
  readonly id: RequestId | undefined;
  readonly method: string | undefined;
  readonly result: readonly Member[] | undefined;
  readonly parentView: Scanned | undefined;
  readonly #envelope: readonly Member[];
  readonly #params: readonly Member[];
  readonly #meta: readonly Member[];

  constructor(
    bytes: Buffer,
    id: RequestId | undefined,
    method: string | undefined,
    envelope: readonly Member[],
    params: readonly Member[],
    meta: readonly Member[],
    result: readonly Member[] | undefined,
    parentView: Scanned | undefined,
  ) {
    this.bytes = bytes;
    this.id = id;
    this.method = method;
    this.#envelope = envelope;
    this.#params = params;
    this.#meta = meta;
    this.result = result;
    this.parentView = parentView;
  }

  get isError(): boolean {
    return find(this.#envelope, 'error') !== undefined;
  }

  find(place: Place): Member | undefined {
    switch (place) {
      case 'id':
      case 'params':
        return find(this.#envelope, place);
      case 'token':
        return find(this.#meta, 'progressToken');
      case 'subscription':
        return find(this.#meta, META_KEY.subscriptionId);
      case 'protocolVersion':
      case 'clientCapabilities':
      case 'clientInfo':
      case 'logLevel':
        return find(this.#meta, META_KEY[place]);
      case 'params.progressToken':
      case 'params.requestId':
      case 'params.uri':
      case 'params.task':
      case 'params.level':
        return find(this.#params, place.slice('params.'.length));
    }
  }
}

/**
 * @returns undefined for what is not one object, has an id that is none, or says anything twice that says whom it is
 * about. Different case counts as twice: there are peers that read `ID` as `id`.
 */
export function scanMessage(frame: Frame): Scanned | undefined {
  const bytes = asBuffer(frame.bytes);
  const meta: Within = { key: '_meta', members: NONE, isStrict: true };
  const result: Within = { key: 'result', members: undefined, isStrict: false };
  const params: Within = { key: 'params', members: NONE, isStrict: true, within: meta, or: result };
  const envelope = scanObject(bytes, 0, bytes.length, params);
  if (envelope === undefined || hasImitation(envelope, ENVELOPE)) return undefined;
  const id = parseValue(bytes, find(envelope, 'id'));
  const method = parseValue(bytes, find(envelope, 'method'));
  if (id !== undefined && !isRequestId(id)) return undefined;
  if (method !== undefined && typeof method !== 'string') return undefined;
  const { members: inParams = NONE } = params;
  const { members: inMeta = NONE } = meta;
  if (hasImitation(inParams, PARAMS_OF.get(method) ?? PARAMS) || hasImitation(inMeta, META)) return undefined;
  const whole = forParent(frame);
  const parentView = whole === frame ? undefined : scanMessage(whole);
  return new ScannedMessage(bytes, id, method, envelope, inParams, inMeta, result.members, parentView);
}

/** The request that an unreadable answer names; undefined if it may as well name another one. */
export function soleIdOf(bytes: Buffer): RequestId | undefined {
  const { members = NONE, end = bytes.length } = scanBeginning(bytes) ?? {};
  if (hasImitation(members, ENVELOPE) || bytes.includes('"id"', end)) return undefined;
  return unreadableAnswerTo(bytes);
}

/** The JSON text of a value, digit for digit. */
export function textAt(scanned: Scanned, place: Place): string | undefined {
  return textOf(scanned, scanned.find(place));
}

/** The JSON text of a member that was found in the message. */
export function textOf({ bytes }: Scanned, member: Member | undefined): string | undefined {
  return member === undefined ? undefined : bytes.toString('utf8', member.start, member.end);
}

export function valueAt(scanned: Scanned, place: Place): unknown {
  return parseValue(scanned.bytes, scanned.find(place));
}

export interface Replacement {
  readonly place: Place;
  /** JSON. */
  readonly text: string;
}

/**
 * The same message with other ids and tokens, and otherwise byte for byte.
 * @param id the one that it has then
 */
export function replaceValues(
  scanned: Scanned,
  id: RequestId | undefined,
  replacements: readonly Replacement[],
): Frame {
  const edits: Edit[] = [];
  for (const { place, text } of replacements) {
    const member = scanned.find(place);
    if (member !== undefined) edits.push({ start: member.start, end: member.end, text });
  }
  const { bytes, method, parentView } = scanned;
  const kind = method === undefined ? 'response' : id === undefined ? 'notification' : 'request';
  const replaced = frameFromBytes(kind, spliceValues(bytes, edits), id, method);
  return parentView === undefined
    ? replaced
    : withParentView(replaced, () => replaceValues(parentView, id, replacements));
}

function find(members: readonly Member[], key: string): Member | undefined {
  for (const member of members) if (member.key === key) return member;
  return undefined;
}

function parseValue(bytes: Buffer, member: Member | undefined): unknown {
  if (member === undefined) return undefined;
  const { start, end } = member;
  const plain = bytes[start] === QUOTE ? plainString(bytes, start, end) : smallInteger(bytes, start, end);
  if (plain !== undefined) return plain;
  try {
    return parseExact(bytes.toString('utf8', start, end));
  } catch {
    // Neither an id nor a method nor a token: the caller treats it as such.
    return null;
  }
}

/** Most numbers are ids of few digits, which need no parser. @returns undefined for anything else */
function smallInteger(bytes: Buffer, start: number, end: number): number | undefined {
  if (end - start > MAX_DIGITS || (bytes[start] === ZERO && end - start > 1)) return undefined;
  let value = 0;
  for (let at = start; at < end; at += 1) {
    const digit = (bytes[at] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return value;
}

/** Likewise for strings of printable ASCII without an escape. */
function plainString(bytes: Buffer, start: number, end: number): string | undefined {
  for (let at = start + 1; at < end - 1; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte < SPACE || byte >= DELETE || byte === BACKSLASH) return undefined;
  }
  return bytes.toString('latin1', start + 1, end - 1);
}

function hasImitation(members: readonly Member[], names: ExactNames): boolean {
  for (const { key } of members) if (names.imitatedBy(key) !== undefined) return true;
  return false;
}
