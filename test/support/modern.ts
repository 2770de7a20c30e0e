/** What clients of revision 2026-07-28 have in common. */
import { CLIENT_INFO, RpcFailure, type ClientOptions, type Endpoint, type TestClient } from './clients.ts';
import { json, type Json } from './json.ts';

export const MODERN_REVISION = '2026-07-28';

export interface Subscription {
  /** What the server agreed to send. */
  readonly honoured: Json;
  /** Resolves when it is over: with the result if the server ended it in good order, else with undefined. */
  readonly ended: Promise<Json | undefined>;
  close(): Promise<void>;
}

export interface ModernClient extends TestClient {
  /** The answer to `server/discover`, whole. */
  readonly initializeResult: Json;
  /** Opens `subscriptions/listen` and waits for the acknowledgement; what it brings is in `incoming`. */
  listen(filter: Json): Promise<Subscription>;
}

export type ModernClientFactory = (endpoint: Endpoint, options?: ClientOptions) => Promise<ModernClient>;

/** The metadata that every request carries. */
export function envelope(capabilities: Json = {}): Json {
  return {
    'io.modelcontextprotocol/protocolVersion': MODERN_REVISION,
    'io.modelcontextprotocol/clientCapabilities': capabilities,
    'io.modelcontextprotocol/clientInfo': CLIENT_INFO,
  };
}

/** A request, whole. */
export function modernRequest(method: string, id: string | number = 1, params: Json = {}): Json {
  const _meta = { ...envelope(), ...json(params['_meta']) };
  return { jsonrpc: '2.0', id, method, params: { ...params, _meta } };
}

/** The headers that repeat what a message says. */
export function mirroredHeaders({ method, params }: Json): Record<string, string> {
  const { name, uri, taskId } = json(params);
  const named = name ?? uri ?? taskId;
  return {
    'mcp-protocol-version': MODERN_REVISION,
    'mcp-method': String(method),
    ...(typeof named === 'string' && { 'mcp-name': headerValue(named) }),
  };
}

/** A text as a header may carry it. */
function headerValue(text: string): string {
  const isPlain = /^[\x21-\x7e]+(?: +[\x21-\x7e]+)*$/.test(text) && !/^=\?base64\?.*\?=$/.test(text);
  return isPlain ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`;
}

/** Answers what a server needs to know before it can go on. */
export async function inputResponses(inputRequests: unknown, { answer }: ClientOptions): Promise<Json> {
  const answers: Json = {};
  for (const [key, entry] of Object.entries(json(inputRequests))) {
    const { method, params } = json(entry);
    if (answer === undefined) throw new RpcFailure(-32601, `nobody answers ${String(method)}`);
    answers[key] = await answer(String(method), json(params));
  }
  return answers;
}
