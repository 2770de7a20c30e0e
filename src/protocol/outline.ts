import { withoutBom } from './bom.ts';
import type { LineEnds } from './lines.ts';
import { isRequestId, parseExact, type RequestId } from './request-id.ts';
import { scanBeginning, scanObject, type Member } from './scan.ts';

/** What can be told about messages that could not be read. */

/** The last members of a message, if all that they hold is short; nothing nested touches the outermost brace. */
const LAST_MEMBERS = /(?:,\s*"(?:jsonrpc|id|method)"\s*:\s*(?:"[^"\\]*"|-?\d+)\s*)+\}\s*$/;
const ENVELOPE: ReadonlySet<string> = new Set(['jsonrpc', 'id', 'result', 'error', 'method', 'params']);

const OUTCOMES: ReadonlySet<string> = new Set(['result', 'error']);
const OPEN = 0x7b;

/**
 * The id of a request that is refused unread.
 * @returns undefined if its id cannot be told either, or it may be an answer
 */
export function refusedId(bytes: Buffer): RequestId | undefined {
  const members = scanObject(bytes);
  if (members === undefined) return undefined;
  return has(members, 'method') || !hasOutcome(members) ? idOf(bytes, members) : undefined;
}

/**
 * The request that an unreadable line of a server answers, in whatever order its keys are.
 * @returns undefined if that cannot be told, or it is no answer: lines of a log may be JSON and have an `id` as well
 */
export function unreadableAnswerTo(line: Buffer): RequestId | undefined {
  // In the middle of a stream it is an error, but one that hides nothing.
  const bytes = withoutBom(line);
  const members = scanBeginning(bytes);
  if (members === undefined || (has(members, 'method') && !isNull(bytes, members, 'method')))
    return undefined;
  const isBare = members.every(({ key }) => ENVELOPE.has(key));
  const isAnswer = has(members, 'jsonrpc')
    ? isBare || hasOutcome(members)
    : isBare && members.some(({ key, start }) => OUTCOMES.has(key) && bytes[start] === OPEN);
  return isAnswer ? idOf(bytes, members) : undefined;
}

/** The request of a server that could not be read: a line of its own method that has all that makes it one. */
export function unreadableRequestId(bytes: Buffer): RequestId | undefined {
  const members = scanObject(bytes);
  if (members === undefined || !has(members, 'jsonrpc') || !has(members, 'method')) return undefined;
  return isNull(bytes, members, 'method') ? undefined : idOf(bytes, members);
}

/** The request that a message too long to be kept answers. */
export function longAnswerTo(ends: LineEnds): RequestId | undefined {
  const message = readEnds(ends);
  return message?.keys.has('method') === false ? message.id : undefined;
}

/** The id of a request too long to be kept. */
export function longRequestId(ends: LineEnds): RequestId | undefined {
  const message = readEnds(ends);
  return message?.keys.has('method') === true ? message.id : undefined;
}

function readEnds({
  head,
  tail,
}: LineEnds): { keys: ReadonlySet<string>; id: RequestId | undefined } | undefined {
  const members = scanBeginning(head);
  if (members === undefined) return undefined;
  const last = Buffer.from(
    (LAST_MEMBERS.exec(tail.toString('latin1'))?.[0] ?? '').replace(',', '{'),
    'latin1',
  );
  const lastMembers = scanBeginning(last) ?? [];
  const keys = new Set([...members, ...lastMembers].map(({ key }) => key));
  // The last member of the head is cut off, and what it holds is not known.
  const [first, second] = [idOf(head, members.slice(0, -1)), idOf(last, lastMembers)];
  return { keys, id: first !== undefined && second !== undefined ? undefined : (first ?? second) };
}

function hasOutcome(members: readonly Member[]): boolean {
  return members.some(({ key }) => OUTCOMES.has(key));
}

function has(members: readonly Member[], key: string): boolean {
  return members.some((member) => member.key === key);
}

function isNull(bytes: Buffer, members: readonly Member[], key: string): boolean {
  return textOf(bytes, members, key) === 'null';
}

function idOf(bytes: Buffer, members: readonly Member[]): RequestId | undefined {
  try {
    const id = parseExact(textOf(bytes, members, 'id') ?? 'null');
    return isRequestId(id) ? id : undefined;
  } catch {
    return undefined;
  }
}

function textOf(bytes: Buffer, members: readonly Member[], key: string): string | undefined {
  const member = members.find((one) => one.key === key);
  return member === undefined ? undefined : bytes.toString('utf8', member.start, member.end);
}
