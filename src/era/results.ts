import { META, RPC } from '../protocol/constants.ts';
import { isJson, jsonOf, withMeta, without, type Json } from './json.ts';

/** The `error` of a response (JSON-RPC 2.0, section 5.1). */
export interface RpcErrorBody {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

/** Methods whose results have cache hints (2026-07-28, server/utilities/caching). */
const CACHEABLE: ReadonlySet<string> = new Set([
  'server/discover',
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
]);
/** Codes that revision 2026-07-28 keeps for itself (basic/index, error codes). */
const RESERVED = { first: -32099, last: -32020 };

/** A result of a 2025 revision as one of 2026-07-28. */
export function toModernResult(method: string, result: Json, serverInfo: Json | undefined): Json {
  const translated = { ...result, ...toolsOf(method, result, modernTool), resultType: 'complete' };
  const cached = CACHEABLE.has(method) ? { ...translated, ...cacheHints(result) } : translated;
  if (serverInfo === undefined) return cached;
  return withMeta(cached, { ...jsonOf(result['_meta']), [META.serverInfo]: serverInfo });
}

/** A complete result of 2026-07-28 as one of a 2025 revision. */
export function toLegacyResult(method: string, result: Json): Json {
  const bare = without(result, 'resultType', ...(CACHEABLE.has(method) ? ['ttlMs', 'cacheScope'] : []));
  const translated = { ...bare, ...toolsOf(method, bare, legacyTool) };
  const called = method === 'tools/call' ? withLegacyContent(translated) : translated;
  const meta = called['_meta'];
  return isJson(meta) ? withMeta(called, without(meta, META.serverInfo, META.subscriptionId)) : called;
}

/** An error of a server of a 2025 revision for a client of 2026-07-28. */
export function toModernError(method: string, error: RpcErrorBody): RpcErrorBody {
  const { code } = error;
  // "MUST NOT" be sent any more (2026-07-28, server/resources, error handling).
  if (code === RPC.resourceNotFound && method.startsWith('resources/'))
    return { ...error, code: RPC.invalidParams };
  const isReserved = code >= RESERVED.first && code <= RESERVED.last;
  if (!isReserved && code !== RPC.resourceNotFound) return error;
  // Its meaning there is another one, so the code itself must not arrive as such.
  return { ...error, code: RPC.internalError, data: error.data ?? { code } };
}

/** An error of a server of 2026-07-28 for a client of a 2025 revision. */
export function toLegacyError(_method: string, error: RpcErrorBody): RpcErrorBody {
  const isOurs = error.code === RPC.headerMismatch || error.code === RPC.unsupportedProtocolVersion;
  // The client has sent neither the header nor the revision that the error is about.
  return isOurs ? { ...error, code: RPC.internalError } : error;
}

function cacheHints({ ttlMs, cacheScope }: Json): Json {
  const isTtl = typeof ttlMs === 'number' && Number.isFinite(ttlMs) && ttlMs >= 0;
  const isScope = cacheScope === 'public' || cacheScope === 'private';
  // A server that knows of no hints has promised nothing.
  return { ttlMs: isTtl ? ttlMs : 0, cacheScope: isScope ? cacheScope : 'private' };
}

function toolsOf(method: string, { tools }: Json, translate: (tool: Json) => Json): Json {
  if (method !== 'tools/list' || !Array.isArray(tools)) return {};
  return { tools: tools.map((tool: unknown) => (isJson(tool) ? translate(tool) : tool)) };
}

/** How tasks are run has no word there. */
function modernTool(tool: Json): Json {
  return without(tool, 'execution');
}

/** An output schema had to be one of an object. */
function legacyTool(tool: Json): Json {
  const { outputSchema } = tool;
  return outputSchema === undefined || jsonOf(outputSchema)['type'] === 'object'
    ? tool
    : without(tool, 'outputSchema');
}

/** Structured content had to be an object; any other value becomes text if the result has no content. */
function withLegacyContent(result: Json): Json {
  const { structuredContent, content } = result;
  if (structuredContent === undefined || isJson(structuredContent)) return result;
  const rest = without(result, 'structuredContent');
  if (Array.isArray(content) && content.length > 0) return rest;
  return { ...rest, content: [{ type: 'text', text: JSON.stringify(structuredContent) }] };
}
