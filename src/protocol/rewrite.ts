import { asBuffer } from './bytes.ts';
import { META as META_KEY } from './constants.ts';
import { forParent, withParentView } from './fault.ts';
import { ExactNames } from './folded-key.ts';
import { frameFromBytes, type Frame } from './frame.ts';
import { unreadableAnswerTo } from './outline.ts';
import { isRequestId, parseExact, type RequestId } from './request-id.ts';
import { scanBeginning, scanObject, spliceValues, type Member } from './scan.ts';

/** The places in a message that say whom it concerns. */
export type Place =
  | 'id'
  | 'params'
  | 'token'
  | 'subscription'
  | 'params.progressToken'
  | 'params.requestId'
  | 'params.uri'
  | 'params.task'
  | 'params.level';

/** A message to or from a shared child, read to the letter: nothing in it can name two requests. */
export interface Scanned {
  readonly bytes: Buffer;
  readonly id: RequestId | undefined;
  readonly method: string | undefined;
  readonly isError: boolean;
  /** The same as the process that started us may see it, if that differs. */
  readonly parentView: Scanned | undefined;
  /** Where a value lies in the bytes. */
  find(place: Place): Member | undefined;
}

const NONE: readonly Member[] = [];
const ENVELOPE = new ExactNames('jsonrpc', 'id', 'method', 'params', 'result', 'error');
const META = new ExactNames('progressToken', META_KEY.subscriptionId);
const PARAMS = new ExactNames('_meta');
/** What says whom a message is about depends on its method; elsewhere such names are anybody's to use. */
const PARAMS_OF: ReadonlyMap<string | undefined, ExactNames> = new Map([
  ['notifications/progress', new ExactNames('_meta', 'progressToken')],
  ['notifications/cancelled', new ExactNames('_meta', 'requestId')],
  ['notifications/resources/updated', new ExactNames('_meta', 'uri')],
  ['resources/subscribe', new ExactNames('_meta', 'uri')],
  ['resources/unsubscribe', new ExactNames('_meta', 'uri')],
]);

/**
 * @returns undefined for what is not one object, has an id that is none, or says anything twice that says whom it is
 * about. Different case counts as twice: there are peers that read `ID` as `id`.
 */
export function scanMessage(frame: Frame): Scanned | undefined {
  const bytes = asBuffer(frame.bytes);
  const envelope = scanObject(bytes);
  if (envelope === undefined || hasImitation(envelope, ENVELOPE)) return undefined;
  const id = parseValue(bytes, find(envelope, 'id'));
  const method = parseValue(bytes, find(envelope, 'method'));
  if (id !== undefined && !isRequestId(id)) return undefined;
  if (method !== undefined && typeof method !== 'string') return undefined;
  const params = scanInner(bytes, find(envelope, 'params'));
  if (params === undefined || hasImitation(params, PARAMS_OF.get(method) ?? PARAMS)) return undefined;
  const meta = scanInner(bytes, find(params, '_meta'));
  if (meta === undefined || hasImitation(meta, META)) return undefined;
  const whole = forParent(frame);
  const parentView = whole === frame ? undefined : scanMessage(whole);
  return new ScannedMessage(bytes, id, method, envelope, params, meta, parentView);
}

/** The request that an unreadable answer names; undefined if it may as well name another one. */
export function soleIdOf(bytes: Buffer): RequestId | undefined {
  const { members = NONE, end = bytes.length } = scanBeginning(bytes) ?? {};
  if (hasImitation(members, ENVELOPE) || bytes.includes('"id"', end)) return undefined;
  return unreadableAnswerTo(bytes);
}

/** The JSON text of a value, digit for digit. */
export function textAt(scanned: Scanned, place: Place): string | undefined {
  const member = scanned.find(place);
  return member === undefined ? undefined : scanned.bytes.toString('utf8', member.start, member.end);
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
  const edits = replacements.flatMap(({ place, text }) => {
    const member = scanned.find(place);
    return member === undefined ? [] : { start: member.start, end: member.end, text };
  });
  const { bytes, method, parentView } = scanned;
  const kind = method === undefined ? 'response' : id === undefined ? 'notification' : 'request';
  const replaced = frameFromBytes(kind, spliceValues(bytes, edits), id, method);
  return parentView === undefined
    ? replaced
    : withParentView(replaced, () => replaceValues(parentView, id, replacements));
}

class ScannedMessage implements Scanned {
  readonly bytes: Buffer;
  readonly id: RequestId | undefined;
  readonly method: string | undefined;
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
    parentView: Scanned | undefined,
  ) {
    this.bytes = bytes;
    this.id = id;
    this.method = method;
    this.#envelope = envelope;
    this.#params = params;
    this.#meta = meta;
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
      case 'params.progressToken':
      case 'params.requestId':
      case 'params.uri':
      case 'params.task':
      case 'params.level':
        return find(this.#params, place.slice('params.'.length));
    }
  }
}

/** The members of a nested object; what is no object has none. */
function scanInner(bytes: Buffer, member: Member | undefined): readonly Member[] | undefined {
  if (member === undefined || bytes[member.start] !== 0x7b) return NONE;
  return scanObject(bytes, member.start, member.end);
}

function find(members: readonly Member[], key: string): Member | undefined {
  for (const member of members) if (member.key === key) return member;
  return undefined;
}

function parseValue(bytes: Buffer, member: Member | undefined): unknown {
  if (member === undefined) return undefined;
  try {
    return parseExact(bytes.toString('utf8', member.start, member.end));
  } catch {
    // Neither an id nor a method nor a token: the caller treats it as such.
    return null;
  }
}

function hasImitation(members: readonly Member[], names: ExactNames): boolean {
  return members.some(({ key }) => names.imitatedBy(key) !== undefined);
}
