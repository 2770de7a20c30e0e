/** Requests of clients that authenticate, or that fail to. */
import { CLIENT_INFO } from './clients.ts';
import { post, type Answer } from './http.ts';
import { at, json, type Json } from './json.ts';

export const ALICE = 'alice-0123456789abcdef0123456789';
export const BOB = 'bob-0123456789abcdef0123456789xx';

export function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

export function initializeMessage(id: number | string = 1, capabilities: Json = {}): Json {
  const params = { protocolVersion: '2025-11-25', capabilities, clientInfo: CLIENT_INFO };
  return { jsonrpc: '2.0', id, method: 'initialize', params };
}

/** Headers that go on with the session which an `initialize` with these headers has opened. */
export async function openSession(
  url: string,
  headers: Record<string, string> = {},
  capabilities: Json = {},
): Promise<Record<string, string>> {
  const { status, headers: answered, text } = await post(url, initializeMessage(1, capabilities), headers);
  const session = answered['mcp-session-id'];
  if (status !== 200 || typeof session !== 'string') throw new Error(`${status} ${text}`);
  return { ...headers, 'mcp-session-id': session };
}

/** A tool call's result in a session. */
export async function callIn(
  url: string,
  session: Record<string, string>,
  name: string,
  args: Json = {},
): Promise<Json> {
  const message = {
    jsonrpc: '2.0',
    id: `call-${name}`,
    method: 'tools/call',
    params: { name, arguments: args },
  };
  const { status, text } = await post(url, message, session);
  if (status !== 200) throw new Error(`${status} ${text}`);
  return json(at(JSON.parse(text), 'result'));
}

export function ping(url: string, headers: Record<string, string>): Promise<Answer> {
  return post(url, { jsonrpc: '2.0', id: 9, method: 'ping' }, headers);
}

/** The reason that the body of a refusal gives, which must be a JSON-RPC error. */
export function reasonOf({ text, headers }: Answer): unknown {
  const body: unknown = JSON.parse(text);
  if (headers['content-type'] !== 'application/json' || at(body, 'jsonrpc') !== '2.0') throw new Error(text);
  return at(body, 'error', 'data', 'reason');
}
