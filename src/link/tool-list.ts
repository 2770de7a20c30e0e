import { frameOf, parseFrame, type Frame } from '../protocol/frame.ts';
import { elementsOf, scanObject } from '../protocol/scan.ts';

/** A tool as a server lists it. */
export type Tool = Readonly<Record<string, unknown>>;

/** The tools in an answer to `tools/list`; none if it is not one. */
export function toolsOf(answer: Frame): Tool[] {
  const tools = listOf(answer);
  return Array.isArray(tools) ? tools.filter(isTool) : [];
}

/** The same answer without the tools that are not to be kept; all that stays, stays byte for byte. */
export function filterTools(answer: Frame, isKept: (tool: Tool) => boolean): Frame {
  const tools = listOf(answer);
  if (!Array.isArray(tools) || tools.every((tool) => !isTool(tool) || isKept(tool))) return answer;
  const bytes = Buffer.from(answer.bytes.buffer, answer.bytes.byteOffset, answer.bytes.byteLength);
  const result = scanObject(bytes)?.find(({ key }) => key === 'result');
  const list = result && scanObject(bytes, result.start, result.end)?.find(({ key }) => key === 'tools');
  // Somebody who writes a key twice is not to get past a filter.
  if (list === undefined)
    return rewritten(
      answer,
      tools.filter((tool) => !isTool(tool) || isKept(tool)),
    );
  const kept = elementsOf(bytes.subarray(list.start, list.end)).filter((_, index) => {
    const tool: unknown = tools[index];
    return !isTool(tool) || isKept(tool);
  });
  const pieces = kept.flatMap((piece, index) => (index === 0 ? [piece] : [COMMA, piece]));
  return parseFrame(
    Buffer.concat([bytes.subarray(0, list.start), OPEN, ...pieces, CLOSE, bytes.subarray(list.end)]),
  );
}

const OPEN = Buffer.from('[');
const CLOSE = Buffer.from(']');
const COMMA = Buffer.from(',');

/** The names of tools that a pattern means, in which `*` stands for any text. */
export function toPattern(text: string): RegExp {
  const parts = text.split('*').map((part) => part.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join('[^]*')}$`, 'u');
}

function rewritten({ message }: Frame, tools: readonly unknown[]): Frame {
  return frameOf({ ...message, result: { ...message.result, tools } });
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
