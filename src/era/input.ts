import { createHash } from 'node:crypto';
import { META, RPC } from '../protocol/constants.ts';
import { toJson } from '../protocol/request-id.ts';
import { isJson, jsonOf, withMeta, without, type Json } from './json.ts';
import type { RpcErrorBody } from './results.ts';

/** Requests that may be answered with a demand for input (2026-07-28, basic/patterns/mrtr, supported requests). */
const MAY_NEED_INPUT: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read']);
/** Methods of input requests → the first revision whose clients know them. */
const INPUT_METHODS: ReadonlyMap<unknown, string> = new Map([
  ['roots/list', '2024-11-05'],
  ['sampling/createMessage', '2024-11-05'],
  ['elicitation/create', '2025-06-18'],
]);
/** First revision in which an elicitation has a mode, and may be a URL. */
const MODE_REVISION = '2025-11-25';

export function mayNeedInput(method: string): boolean {
  return MAY_NEED_INPUT.has(method);
}

/** Whether a server may turn to a client with this, in any era. */
export function isInputMethod(method: string): boolean {
  return INPUT_METHODS.has(method);
}

/** A request of a server of a 2025 revision as an entry of `inputRequests`. */
export function toInputRequest(method: string, params: Json): Json {
  const rest = without(params, 'elicitationId', 'task');
  const meta = rest['_meta'];
  const bare = isJson(meta) ? withMeta(rest, without(meta, 'progressToken', META.relatedTask)) : rest;
  return Object.keys(bare).length === 0 ? { method } : { method, params: bare };
}

/**
 * An entry of `inputRequests` as a request to a client of a 2025 revision.
 * @returns undefined if it is no input request, or one that this revision does not have
 */
export function fromInputRequest(
  entry: Json,
  revision: string,
  newElicitationId: () => string,
): { readonly method: string; readonly params: Json } | undefined {
  const { method } = entry;
  const params = jsonOf(entry['params']);
  const since = INPUT_METHODS.get(method);
  if (typeof method !== 'string' || since === undefined || revision < since) return undefined;
  if (method !== 'elicitation/create') return { method, params };
  const isUrl = params['mode'] === 'url';
  if (revision < MODE_REVISION) return isUrl ? undefined : { method, params: without(params, 'mode') };
  return { method, params: isUrl ? { elicitationId: newElicitationId(), ...params } : params };
}

/** @param requestState echoed by the client when it comes back with the input */
export function inputRequiredResult(
  inputRequests: Json,
  requestState: string,
  serverInfo: Json | undefined,
): Json {
  const _meta = serverInfo === undefined ? {} : { [META.serverInfo]: serverInfo };
  return withMeta({ resultType: 'input_required', inputRequests, requestState }, _meta);
}

/** The URLs that a call of 2025-11-25 needs its user to visit, as entries of `inputRequests`; undefined for any other error. */
export function urlElicitationsOf(error: RpcErrorBody): Json[] | undefined {
  const { elicitations } = jsonOf(error.data);
  if (error.code !== RPC.urlElicitationRequired || !Array.isArray(elicitations)) return undefined;
  const entries = elicitations.filter(isJson).map((one) => toInputRequest('elicitation/create', one));
  return entries.length === 0 ? undefined : entries;
}

/** The same for a request and its retry: SHA-256 of method and parameters, independent of the order of keys. */
export function requestDigest(method: string, params: Json): string {
  const salient = without(params, '_meta', 'inputResponses', 'requestState');
  return createHash('sha256')
    .update(`${method}\n${canonical(salient)}`)
    .digest('base64url');
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (!isJson(value)) return toJson(value) ?? 'null';
  const members = Object.keys(value)
    .toSorted()
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`);
  return `{${members.join(',')}}`;
}
