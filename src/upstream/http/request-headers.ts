import { RunError } from '../../errors.ts';
import { asBuffer } from '../../protocol/bytes.ts';
import { AMBIGUOUS, findValues } from '../../protocol/exact-values.ts';
import type { Frame } from '../../protocol/frame.ts';
import {
  encodeHeader,
  HEADER,
  headerTextOf,
  nameSourceOf,
  parameterAt,
  parameterHeadersOf,
  type ParameterHeader,
} from '../../protocol/mirrored-headers.ts';
import { META, MODERN_REVISION } from '../../protocol/constants.ts';
import { filterTools, toolsOf } from '../../link/tool-list.ts';

/**
 * What headers repeat of a request of revision 2026-07-28 (basic/transports/streamable-http, request metadata). The
 * headers of a tool's parameters are known once the tool has been listed; one for all that goes to a server.
 */
export interface RequestHeaders {
  /** @throws RunError `INVALID_REQUEST` if the server may read another value than a header would repeat */
  headersOf(request: Frame): Record<string, string>;
  /** Notes the tools of an answer to `tools/list`. @returns the answer without the tools whose headers break the rules */
  learn(answer: Frame): Frame;
}

/** Of one server; what is behind it goes without headers of its own. */
const MAX_TOOLS = 10_000;

export function createRequestHeaders(onInvalid: (tool: string) => void): RequestHeaders {
  const byTool = new Map<string, readonly ParameterHeader[]>();

  return {
    headersOf({ method = '', message, bytes }) {
      const headers: Record<string, string> = {
        [HEADER.protocolVersion]: revisionOf(message.params?.['_meta']),
        [HEADER.method]: encodeHeader(method),
      };
      const source = nameSourceOf(method);
      const name = source === undefined ? undefined : message.params?.[source];
      if (typeof name !== 'string') return headers;
      headers[HEADER.name] = encodeHeader(name);
      if (method !== 'tools/call') return headers;
      const parameters = byTool.get(name) ?? [];
      requireExact(parameters, bytes);
      for (const { header, path } of parameters) {
        const text = headerTextOf(parameterAt(message.params?.['arguments'], path));
        if (text !== undefined) headers[header] = encodeHeader(text);
      }
      return headers;
    },
    learn(answer) {
      const invalid = new Set<unknown>();
      for (const { name, inputSchema } of toolsOf(answer)) {
        if (typeof name !== 'string') continue;
        const headers = parameterHeadersOf(inputSchema);
        if (headers === undefined) {
          invalid.add(name);
          byTool.delete(name);
          onInvalid(name);
        } else if (headers.length === 0) byTool.delete(name);
        else if (byTool.size < MAX_TOOLS) byTool.set(name, headers);
      }
      return invalid.size === 0 ? answer : filterTools(answer, ({ name }) => !invalid.has(name));
    },
  };
}

/** A proxy decides by the header, and the server reads the body: of a key that is there twice, perhaps the other value. */
function requireExact(parameters: readonly ParameterHeader[], bytes: Uint8Array): void {
  if (parameters.length === 0) return;
  const paths = parameters.map(({ path }) => ['params', 'arguments', ...path]);
  const index = findValues(asBuffer(bytes), paths).indexOf(AMBIGUOUS);
  if (index === -1) return;
  const name = parameters[index]?.path.join('.') ?? '';
  const detail = `a header repeats arguments.${name}, which is there twice or in another spelling`;
  throw new RunError('INVALID_REQUEST', { detail });
}

function revisionOf(meta: unknown): string {
  const revision =
    typeof meta === 'object' && meta !== null && META.protocolVersion in meta
      ? meta[META.protocolVersion]
      : undefined;
  return typeof revision === 'string' ? encodeHeader(revision) : MODERN_REVISION;
}
