import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { McpError, ResultSchema } from '@modelcontextprotocol/sdk/types.js';
import { onTestFinished } from 'vitest';
import { CLIENT_INFO, RpcFailure, type ClientOptions, type Endpoint, type TestClient } from './clients.ts';
import { inheritedEnvironment } from './environment.ts';
import { json, type Json } from './json.ts';
import { PATIENCE_MS } from './patience.ts';

/** The `Client` of `@modelcontextprotocol/sdk` 1.x. */
export async function connectSdkV1(endpoint: Endpoint, options: ClientOptions = {}): Promise<TestClient> {
  const { capabilities = {}, answer } = options;
  const client = new Client(CLIENT_INFO, { capabilities });
  if (answer)
    client.fallbackRequestHandler = async ({ method, params }) => json(await answer(method, json(params)));
  const transport = createTransport(endpoint);
  const incoming: Json[] = [];
  // The client keeps a handler that was there before it: we see messages as they are, not as it parses them.
  const onmessage = (message: object): void => void incoming.push({ ...message });
  Object.assign(transport, { onmessage });
  onTestFinished(() => client.close());
  await client.connect(transport);

  return {
    incoming,
    initializeResult: json(incoming[0]?.['result']),
    request: async (method, params = {}, { signal, onProgress } = {}) => {
      const requestOptions = {
        timeout: PATIENCE_MS,
        ...(signal && { signal }),
        ...(onProgress && { onprogress: (progress: object) => onProgress({ ...progress }) }),
      };
      try {
        return await client.request({ method, params }, ResultSchema, requestOptions);
      } catch (error) {
        throw error instanceof McpError ? new RpcFailure(error.code, error.message, error.data) : error;
      }
    },
    notify: (method, params = {}) => client.notification({ method, params }),
    close: () => client.close(),
  };
}

function createTransport(endpoint: Endpoint): Transport {
  switch (endpoint.kind) {
    case 'stdio': {
      const { command, args, env } = endpoint;
      return new StdioClientTransport({
        command,
        args: [...args],
        env: inheritedEnvironment(env),
        stderr: 'ignore',
      });
    }
    case 'sse':
      return new SSEClientTransport(new URL(endpoint.url));
    case 'http':
      return new StreamableHTTPClientTransport(new URL(endpoint.url));
  }
}
