import { asBuffer } from './bytes.ts';
import { META } from './constants.ts';
import { ExactNames } from './folded-key.ts';
import type { Frame } from './frame.ts';
import { countMembers } from './scan.ts';

const MESSAGE = new ExactNames('jsonrpc', 'id', 'method', 'params', 'result', 'error');
const META_KEYS = new ExactNames('progressToken', ...Object.values(META));
/** What is read from the params of a method; in those of others such names are free. */
const PARAMS_OF: ReadonlyMap<string, ExactNames> = new Map([
  ['initialize', new ExactNames('_meta', 'protocolVersion', 'capabilities', 'clientInfo')],
  ['tools/call', new ExactNames('_meta', 'name', 'arguments', 'task', 'inputResponses', 'requestState')],
  ['resources/subscribe', new ExactNames('_meta', 'uri')],
  ['resources/unsubscribe', new ExactNames('_meta', 'uri')],
  ['logging/setLevel', new ExactNames('_meta', 'level')],
  ['notifications/cancelled', new ExactNames('_meta', 'requestId')],
  ['notifications/progress', new ExactNames('_meta', 'progressToken')],
]);
const PARAMS = new ExactNames('_meta');
/** Of these, filters and headers depend on what is read: a server that ignores case is not to take another one for them. */
const METHODS = new ExactNames(...PARAMS_OF.keys(), 'tools/list', 'prompts/get', 'resources/read');

/**
 * Why servers may read another message from its bytes than mcp-run has read; undefined if they all read the same. Of a
 * key that is there twice some parsers take the first value and some the last, and some ignore the case of keys.
 */
export function findAmbiguity({ bytes, message }: Pick<Frame, 'bytes' | 'message'>): string | undefined {
  const [inMessage, inParams, inMeta] = countMembers(asBuffer(bytes), ['params', '_meta']);
  const { method, params, result, error } = message;
  return (
    faultOfMethod(method, result ?? error ?? undefined) ??
    faultIn(message, inMessage, MESSAGE) ??
    faultIn(params, inParams, PARAMS_OF.get(method ?? '') ?? PARAMS) ??
    faultIn(params?.['_meta'], inMeta, META_KEYS)
  );
}

/** @param outcome which only an answer has, but some writers have it there as null */
function faultOfMethod(method: string | undefined, outcome: unknown): string | undefined {
  if (method === undefined) return undefined;
  if (outcome !== undefined) return 'a request and an answer in one';
  const name = METHODS.imitatedBy(method);
  return name === undefined
    ? undefined
    : `the method ${JSON.stringify(method.slice(0, 64))} is another spelling of "${name}"`;
}

function faultIn(value: unknown, count: number | undefined, names: ExactNames): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const keys = Object.keys(value);
  // Of each key the parser has kept one value.
  if (keys.length !== count) return 'a key is there twice';
  for (const key of keys) {
    const name = names.imitatedBy(key);
    if (name !== undefined) return `${JSON.stringify(key.slice(0, 64))} is another spelling of "${name}"`;
  }
  return undefined;
}
