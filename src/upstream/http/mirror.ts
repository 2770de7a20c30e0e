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
export interface Mirror {
  headersOf(request: Frame): Record<string, string>;
  /** Notes the tools of an answer to `tools/list`. @returns the answer without the tools whose headers break the rules */
  learn(answer: Frame): Frame;
}

/** Of one server; what is behind it goes without headers of its own. */
const MAX_TOOLS = 10_000;

export function createMirror(onInvalid: (tool: string) => void): Mirror {
  const byTool = new Map<string, readonly ParameterHeader[]>();

  return {
    headersOf({ method = '', message }) {
      const headers: Record<string, string> = {
        [HEADER.protocolVersion]: revisionOf(message.params?.['_meta']),
        [HEADER.method]: encodeHeader(method),
      };
      const source = nameSourceOf(method);
      const name = source === undefined ? undefined : message.params?.[source];
      if (typeof name !== 'string') return headers;
      headers[HEADER.name] = encodeHeader(name);
      if (method !== 'tools/call') return headers;
      for (const { header, path } of byTool.get(name) ?? []) {
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

function revisionOf(meta: unknown): string {
  const revision =
    typeof meta === 'object' && meta !== null && META.protocolVersion in meta
      ? meta[META.protocolVersion]
      : undefined;
  return typeof revision === 'string' ? encodeHeader(revision) : MODERN_REVISION;
}
