import { randomUUID } from 'node:crypto';
import { RunError } from '../../errors.ts';
import { missingCapability } from '../../era/capabilities.ts';
import { fromInputRequest } from '../../era/input.ts';
import { isJson, type Json } from '../../era/json.ts';
import type { Client } from './client.ts';
import type { ClientRequest } from './client-requests.ts';

export interface PrepareOptions {
  /** Name of the server, for errors. */
  readonly server: string;
  readonly client: Client;
  /** That the client has initialized with. */
  readonly revision: string;
  /** Of the call that the server needs it for. */
  readonly method: string;
}

/**
 * An entry of `inputRequests` as the request that the client would have got from a server of its own revision.
 * @returns an error instead, if it is malformed or the client does not support it
 */
export function prepareClientRequest(request: Json, options: PrepareOptions): ClientRequest | RunError {
  const { server, client, revision } = options;
  const { method, params } = request;
  const name = typeof method === 'string' ? method : '';
  const missing = missingCapability(client.capabilities, name, isJson(params) ? params : {});
  if (missing !== undefined)
    return new RunError('INPUT_UNSUPPORTED', { server, method: name, missing: JSON.stringify(missing) });
  const prepared = fromInputRequest(request, revision, randomUUID);
  const notMcp = (detail: string): RunError =>
    new RunError('NOT_MCP', { server, method: options.method, detail });
  if (prepared === undefined) return notMcp(`it asks the client for ${JSON.stringify(method)}`);
  // A client may pass it to any program that opens URLs on its user's machine.
  if (isUrlMode(prepared.params) && !isWeb(prepared.params['url']))
    return notMcp('it asks the user to open something that is not http or https');
  return prepared;
}

/** Identifies a request to open a URL when the server repeats it; undefined for other requests. */
export function urlSlotOf(key: string, { params }: Json): string | undefined {
  return isJson(params) && isUrlMode(params) ? JSON.stringify([key, params['url']]) : undefined;
}

function isUrlMode(params: Json): boolean {
  return params['mode'] === 'url';
}

function isWeb(url: unknown): boolean {
  if (typeof url !== 'string' || !URL.canParse(url)) return false;
  return ['http:', 'https:'].includes(new URL(url).protocol);
}
