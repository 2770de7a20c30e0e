import { withoutBom } from './bom.ts';
import { ExactNames } from './folded-key.ts';
import type { LineEnds } from './lines.ts';
import { isRequestId, parseExact, type RequestId } from './request-id.ts';
import { scanBeginning } from './scan.ts';

/** Reads the request id off messages that cannot be read as a whole. */

/** The members of a message, and of a long one those that are known. */
interface Outline {
  /** Key → JSON text, if it was that. */
  readonly values: ReadonlyMap<string, string>;
  /** A key is there twice. */
  readonly repeated: ReadonlySet<string>;
  readonly isWhole: boolean;
}

/** The last members of a message, if all their values are short; nothing nested touches the outermost brace. */
const LAST_MEMBERS = /(?:,\s*"(?:jsonrpc|id|method)"\s*:\s*(?:"[^"\\]*"|-?\d+)\s*)+\}\s*$/;
const ENVELOPE: ReadonlySet<string> = new Set(['jsonrpc', 'id', 'result', 'error', 'method', 'params']);
const ID = new ExactNames('id');
/** Of an error of JSON-RPC: a log has others. */
const ERROR_CODE = /^\{.*"code"\s*:\s*-?\d/s;
/** Longest text of a value that is kept. */
const MAX_VALUE = 1_000;

/**
 * The id of a request that is rejected because it cannot be read.
 * @returns undefined if its id cannot be read either, or it may be an answer
 */
export function refusedId(bytes: Buffer): RequestId | undefined {
  const outline = outlineOf(withoutBom(bytes));
  if (outline === undefined) return undefined;
  const isRequest = outline.values.has('method') || (outline.isWhole && !hasOutcome(outline));
  return isRequest ? idOf(outline) : undefined;
}

/**
 * The request that an unreadable line of a server answers; the order of its keys makes no difference.
 * @param isJoined it was several lines: only a whole object counts
 * @returns undefined if that cannot be read, or it is no answer: lines of a log may be JSON and have an `id` as well
 */
export function unreadableAnswerTo(line: Buffer, isJoined = false): RequestId | undefined {
  // In the middle of a stream a byte order mark is an error, but one that hides nothing.
  const outline = outlineOf(withoutBom(line));
  if (outline === undefined || (isJoined && !outline.isWhole)) return undefined;
  return isAnswer(outline) ? idOf(outline) : undefined;
}

/** The id of a server's request that cannot be read: it says that it is JSON-RPC, and has a method. */
export function unreadableRequestId(bytes: Buffer): RequestId | undefined {
  const outline = outlineOf(bytes);
  if (outline?.isWhole !== true || !outline.values.has('jsonrpc')) return undefined;
  return hasMethod(outline) ? idOf(outline) : undefined;
}

/** The request that a message too long to be kept answers. */
export function longAnswerTo(ends: LineEnds): RequestId | undefined {
  const outline = outlineOfEnds(ends);
  return outline !== undefined && isAnswer(outline) ? idOf(outline) : undefined;
}

/** The id of a request too long to be kept. */
export function longRequestId(ends: LineEnds): RequestId | undefined {
  const outline = outlineOfEnds(ends);
  return outline !== undefined && hasMethod(outline) ? idOf(outline) : undefined;
}

function outlineOf(bytes: Buffer): Outline | undefined {
  const scanned = scanBeginning(bytes);
  if (scanned === undefined) return undefined;
  const values = new Map<string, string>();
  const repeated = new Set<string>();
  for (const { key, start, end } of scanned.members) {
    if (values.has(key)) repeated.add(key);
    // Another parser takes that for the id.
    if (ID.imitatedBy(key) !== undefined) repeated.add('id');
    values.set(key, bytes.toString('utf8', start, Math.min(end, start + MAX_VALUE)));
  }
  return { values, repeated, isWhole: scanned.end !== undefined };
}

function outlineOfEnds({ head, tail }: LineEnds): Outline | undefined {
  const first = outlineOf(head);
  if (first === undefined) return undefined;
  const members = LAST_MEMBERS.exec(tail.toString('latin1'))?.[0] ?? '';
  const last = outlineOf(Buffer.from(members.replace(',', '{'), 'latin1'));
  const values = new Map(first.values);
  // The last member of the head is cut off: an id there would be another one.
  const cut = [...values.keys()].at(-1);
  if (cut === 'id') values.delete(cut);
  const repeated = new Set(first.repeated);
  for (const [key, text] of last?.values ?? []) {
    if (values.has(key)) repeated.add(key);
    values.set(key, text);
  }
  return { values, repeated, isWhole: false };
}

/** Without `jsonrpc` it is one only if there is nothing else in it. */
function isAnswer(outline: Outline): boolean {
  if (hasMethod(outline)) return false;
  const { values, isWhole } = outline;
  const isBare = [...values.keys()].every((key) => ENVELOPE.has(key));
  if (values.has('jsonrpc')) return hasOutcome(outline) || (isBare && isWhole);
  return isBare && (values.has('result') || ERROR_CODE.test(values.get('error') ?? ''));
}

function hasMethod({ values }: Outline): boolean {
  return (values.get('method') ?? 'null') !== 'null';
}

function hasOutcome({ values }: Outline): boolean {
  return values.has('result') || values.has('error');
}

function idOf({ values, repeated }: Outline): RequestId | undefined {
  const text = values.get('id');
  if (text === undefined || repeated.has('id')) return undefined;
  try {
    const id = parseExact(text);
    return isRequestId(id) ? id : undefined;
  } catch {
    return undefined;
  }
}
