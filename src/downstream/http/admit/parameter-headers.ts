import type { IncomingHttpHeaders } from 'node:http';
import { RunError } from '../../../errors.ts';
import { asBuffer } from '../../../protocol/bytes.ts';
import { AMBIGUOUS, findValues } from '../../../protocol/exact-values.ts';
import type { Frame } from '../../../protocol/frame.ts';
import {
  decodeHeader,
  headerTextOf,
  PARAMETER_PREFIX,
  parameterAt,
  parameterHeadersOf,
  type ParameterHeader,
} from '../../../protocol/mirrored-headers.ts';

/** Lists of tools remembered, one for each principal and server, and annotated tools in each. */
const MAX_LISTS = 256;
const MAX_TOOLS = 1_000;
const ANNOTATION = Buffer.from('"x-mcp-header"');

/**
 * `Mcp-Param-*`, checked against the tools that the client has listed. A tool that was not listed through this process
 * is not known, and then only the form is checked.
 */
export interface ParameterHeaders {
  /** Reads the answer to a `tools/list`. */
  learn(principalId: string, server: string, answer: Frame): void;
  /** @throws RunError `HEADER_MISMATCH` */
  require(principalId: string, server: string, call: Frame, headers: IncomingHttpHeaders): void;
  /** The same for a call that needs none: those that are there are checked. @throws RunError `HEADER_MISMATCH` */
  requireSent(principalId: string, server: string, call: Frame, headers: IncomingHttpHeaders): void;
}

export function createParameterHeaders(): ParameterHeaders {
  /** Principal and server → tool → its headers. Maps: the names are chosen by others. */
  const lists = new Map<string, Map<string, readonly ParameterHeader[]>>();

  return {
    learn(principalId, server, answer) {
      const key = keyOf(principalId, server);
      const known = lists.get(key);
      // Most servers have none, and then their lists need no parsing.
      if (known === undefined && !asBuffer(answer.bytes).includes(ANNOTATION)) return;
      const tools = known ?? new Map<string, readonly ParameterHeader[]>();
      for (const { name, inputSchema } of toolsOf(answer)) remember(tools, name, inputSchema);
      lists.delete(key);
      lists.set(key, tools);
      if (lists.size > MAX_LISTS) dropOldest(lists);
    },
    require(principalId, server, call, headers) {
      requireForm(headers);
      requireAll(expectedOf(principalId, server, call), call, headers);
    },
    requireSent(principalId, server, call, headers) {
      requireForm(headers);
      const expected = expectedOf(principalId, server, call);
      const sent = expected.filter(({ header }) => headers[header] !== undefined);
      requireAll(sent, call, headers);
    },
  };

  function expectedOf(principalId: string, server: string, { message }: Frame): readonly ParameterHeader[] {
    const name = message.params?.['name'];
    return (typeof name === 'string' && lists.get(keyOf(principalId, server))?.get(name)) || [];
  }
}

function remember(tools: Map<string, readonly ParameterHeader[]>, name: string, inputSchema: unknown): void {
  const found = parameterHeadersOf(inputSchema) ?? [];
  // Clients leave out a tool whose annotations are wrong, and no caller can keep to them.
  tools.delete(name);
  if (found.length > 0) tools.set(name, found);
  if (tools.size > MAX_TOOLS) dropOldest(tools);
}

function requireForm(headers: IncomingHttpHeaders): void {
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(PARAMETER_PREFIX) && decodeHeader(String(value)) === undefined)
      throw new RunError('HEADER_MISMATCH', { detail: `${name} is not well-formed` });
  }
}

function requireAll(
  expected: readonly ParameterHeader[],
  { bytes, message }: Frame,
  headers: IncomingHttpHeaders,
): void {
  if (expected.length === 0) return;
  const values = findValues(
    asBuffer(bytes),
    expected.map(({ path }) => ['params', 'arguments', ...path]),
  );
  for (const [index, parameter] of expected.entries()) {
    const { header, path } = parameter;
    const value = values[index];
    if (value === AMBIGUOUS)
      throw new RunError('HEADER_MISMATCH', {
        detail: `${header} repeats arguments.${path.join('.')}, which is there twice or in another spelling`,
      });
    requireParameter(parameter, message.params?.['arguments'], headers[header], value);
  }
}

function requireParameter(
  { header, path, isInteger }: ParameterHeader,
  args: unknown,
  found: string | string[] | undefined,
  written: Buffer | undefined,
): void {
  const value = parameterAt(args, path);
  const expected = headerTextOf(value);
  // A value of another type is for the tool to refuse, unless a proxy has read something else in its place.
  if (found === undefined && expected === undefined) return;
  const text = found === undefined ? undefined : decodeHeader(String(found));
  // A number that a double cannot hold counts as it is written.
  if (typeof value === 'number' && text !== undefined && text === written?.toString('latin1')) return;
  if (text !== undefined && expected !== undefined) {
    if (text === expected || (isInteger && isSameNumber(text, value))) return;
  }
  throw new RunError('HEADER_MISMATCH', {
    detail: `${header} ${found === undefined ? 'is required' : `does not match arguments.${path.join('.')}`}`,
  });
}

function isSameNumber(text: string, value: unknown): boolean {
  return /^-?\d+(?:\.\d+)?$/.test(text) && Number(text) === value;
}

function toolsOf(answer: Frame): { name: string; inputSchema: unknown }[] {
  const tools = resultOf(answer)?.['tools'];
  if (!Array.isArray(tools)) return [];
  return tools.flatMap((tool: unknown) =>
    typeof tool === 'object' && tool !== null && 'name' in tool && typeof tool.name === 'string'
      ? [{ name: tool.name, inputSchema: 'inputSchema' in tool ? tool.inputSchema : undefined }]
      : [],
  );
}

function resultOf(answer: Frame): Record<string, unknown> | undefined {
  try {
    return answer.message.result;
  } catch {
    // Its ends looked like a message: what it is worth is for the client to find out.
    return undefined;
  }
}

function dropOldest(map: Map<string, unknown>): void {
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}

function keyOf(principalId: string, server: string): string {
  return JSON.stringify([principalId, server]);
}
