/** Every client that the tests use, behind one interface. */
import type { Json } from './json.ts';

/** How a client reaches a server. */
export type Endpoint =
  | {
      readonly kind: 'stdio';
      readonly command: string;
      readonly args: readonly string[];
      readonly env?: Record<string, string>;
    }
  | { readonly kind: 'sse'; readonly url: string }
  | { readonly kind: 'http'; readonly url: string };

/** Answers the server's requests. Throw `RpcFailure` to refuse. */
export type Answerer = (method: string, params: Json) => unknown;

export interface ClientOptions {
  readonly capabilities?: Json;
  readonly answer?: Answerer;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Asks for progress, and gets it. */
  readonly onProgress?: (params: Json) => void;
}

export interface TestClient {
  /** The server's answer to `initialize`, whole. */
  readonly initializeResult: Json;
  /** Every message that came from the server, in order. */
  readonly incoming: readonly Json[];
  /** Resolves with the result; rejects with `RpcFailure`. */
  request(method: string, params?: Json, options?: CallOptions): Promise<Json>;
  notify(method: string, params?: Json): Promise<void>;
  close(): Promise<void>;
}

export type ClientFactory = (endpoint: Endpoint, options?: ClientOptions) => Promise<TestClient>;

/** A JSON-RPC error answer. */
export class RpcFailure extends Error {
  readonly code: number;
  readonly data: unknown;

  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

export const CLIENT_INFO = { name: 'test-client', version: '1.0.0' } as const;

/** A tool's result. */
export function callTool(
  client: TestClient,
  name: string,
  args: Json = {},
  options?: CallOptions,
): Promise<Json> {
  return client.request('tools/call', { name, arguments: args }, options);
}
