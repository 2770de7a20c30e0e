import { isJson, type Json } from '../../era/json.ts';
import { parsed, valueOf, type Member } from '../../protocol/json-object.ts';

/** The input that a server needs before it goes on with a call (2026-07-28, basic/patterns/mrtr, InputRequiredResult). */
export interface InputRequired {
  /** Key → request. */
  readonly requests: readonly (readonly [key: string, request: Json])[];
  /** JSON text, for the server alone to understand. */
  readonly requestState: Buffer | undefined;
}

/** More at once are no input for a user. */
const MAX_REQUESTS = 32;
const QUOTE = 0x22;

/** @returns a text for people if the server has not kept to the rules. */
export function readInputRequired(result: readonly Member[]): InputRequired | string {
  const requestState = valueOf(result, 'requestState');
  if (requestState !== undefined && requestState[0] !== QUOTE) return '"requestState" is not a string';
  const value = parsed(valueOf(result, 'inputRequests')) ?? {};
  if (!isJson(value)) return '"inputRequests" is not an object';
  const entries = Object.entries(value);
  if (entries.length > MAX_REQUESTS) return `it asks for more than ${MAX_REQUESTS} inputs at once`;
  if (entries.length === 0 && requestState === undefined)
    return '"input_required" without "inputRequests" and "requestState"';
  const requests: [string, Json][] = [];
  for (const [key, request] of entries) {
    if (!isJson(request)) return `the input request "${key}" is not an object`;
    requests.push([key, request]);
  }
  return { requests, requestState };
}
