import { asBuffer } from '../protocol/bytes.ts';
import { ExactNames, foldKey } from '../protocol/folded-key.ts';
import { frameOf, parseFrame, type Frame } from '../protocol/frame.ts';
import { elementsOf, scanBeginning, scanObject, type Member } from '../protocol/scan.ts';

/** A tool as a server lists it. */
export type Tool = Readonly<Record<string, unknown>>;

/** The tools in an answer to `tools/list`; none if it is not one. */
export function toolsOf(answer: Frame): Tool[] {
  const tools = listOf(answer);
  return Array.isArray(tools) ? tools.filter(isTool) : [];
}

const MESSAGE = new ExactNames('jsonrpc', 'id', 'result', 'error');
const RESULT = new ExactNames('tools', 'nextCursor');
const NAME = foldKey('name');
const OPEN_OBJECT = 0x7b;
const OPEN = Buffer.from('[');
const CLOSE = Buffer.from(']');
const COMMA = Buffer.from(',');

/**
 * The same answer without the tools that are not to be kept; all that stays, stays byte for byte. A tool with several names
 * is kept if all of them are: some clients read the first, some the last, and some ignore the case of keys.
 * @throws RunError `PARSE_ERROR`, `INVALID_REQUEST` if it cannot be read, or written again
 */
export function filterTools(answer: Frame, isKept: (tool: Tool) => boolean): Frame {
  const { message } = answer;
  const bytes = asBuffer(answer.bytes);
  const envelope = exactMembers(bytes, undefined, MESSAGE);
  const resultAt = envelope?.find(({ key }) => key === 'result');
  const inResult = resultAt === undefined ? [] : exactMembers(bytes, resultAt, RESULT);
  // A server that writes a key twice is not to get past a filter.
  if (envelope === undefined || inResult === undefined) return filterParsed(answer, isKept);
  const list = inResult.find(({ key }) => key === 'tools');
  const tools = message.result?.['tools'];
  if (list === undefined || !Array.isArray(tools)) return answer;
  const pieces = tools.length === 0 ? [] : elementsOf(bytes.subarray(list.start, list.end));
  const kept = pieces.filter((piece, index) => isKeptAs(tools[index], piece, isKept));
  if (kept.length === pieces.length) return answer;
  const joined = kept.flatMap((piece, index) => (index === 0 ? [piece] : [COMMA, piece]));
  return parseFrame(
    Buffer.concat([bytes.subarray(0, list.start), OPEN, ...joined, CLOSE, bytes.subarray(list.end)]),
  );
}

/** Whether an answer says to the letter which request it answers. */
export function namesOneRequest({ bytes }: Frame): boolean {
  return exactMembers(asBuffer(bytes), undefined, MESSAGE) !== undefined;
}

/** @returns undefined if a key is there twice, or a name in another spelling; what is no object has none */
function exactMembers(bytes: Buffer, member: Member | undefined, names: ExactNames): Member[] | undefined {
  if (member !== undefined && bytes[member.start] !== OPEN_OBJECT) return [];
  const members = scanObject(bytes, member?.start, member?.end);
  return members?.some(({ key }) => names.imitatedBy(key) !== undefined) === true ? undefined : members;
}

function isKeptAs(tool: unknown, bytes: Buffer, isKept: (tool: Tool) => boolean): boolean {
  if (!isTool(tool)) return true;
  const names = (scanBeginning(bytes)?.members ?? []).filter(({ key }) => foldKey(key) === NAME);
  if (names.length < 2) return isKept(tool);
  return names.every(({ start, end }) => {
    const name: unknown = JSON.parse(bytes.toString('utf8', start, end));
    return isKept({ ...tool, name });
  });
}

/** The answer as the parser has read it, without anything that another parser may read in its place. */
function filterParsed({ id, message }: Frame, isKept: (tool: Tool) => boolean): Frame {
  const { error, result } = message;
  if (error !== undefined || result === undefined) return frameOf({ ...(id !== undefined && { id }), error });
  const members = Object.entries(result).filter(([key]) => RESULT.imitatedBy(key) === undefined);
  const { tools, ...others } = Object.fromEntries(members);
  const kept = Array.isArray(tools)
    ? tools.filter((tool: unknown) => !isTool(tool) || (hasOneName(tool) && isKept(tool)))
    : tools;
  return frameOf({ id, result: { ...others, ...(kept !== undefined && { tools: kept }) } });
}

function hasOneName(tool: Tool): boolean {
  return Object.keys(tool).filter((key) => foldKey(key) === NAME).length < 2;
}

function listOf(answer: Frame): unknown {
  try {
    return answer.message.result?.['tools'];
  } catch {
    // Its ends looked like an answer: what it is worth is for others to say.
    return undefined;
  }
}

function isTool(value: unknown): value is Tool {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
