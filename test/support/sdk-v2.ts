import {
  Client,
  ProtocolError,
  SSEClientTransport,
  StreamableHTTPClientTransport,
  type StandardSchemaV1,
  type Transport,
} from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { onTestFinished } from 'vitest';
import { CLIENT_INFO, RpcFailure, type ClientOptions, type Endpoint, type TestClient } from './clients.ts';
import { inheritedEnvironment } from './environment.ts';
import { json, type Json } from './json.ts';
import { PATIENCE_MS } from './patience.ts';

/** The 2.x client, in the mode that speaks the revisions up to 2025-11-25. */
export async function connectSdkV2(endpoint: Endpoint, options: ClientOptions = {}): Promise<TestClient> {
  const { capabilities = {}, answer } = options;
  const client = new Client(CLIENT_INFO, { capabilities, versionNegotiation: { mode: 'legacy' } });
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
        return await client.request({ method, params }, ANYTHING, requestOptions);
      } catch (error) {
        throw error instanceof ProtocolError ? new RpcFailure(error.code, error.message, error.data) : error;
      }
    },
    notify: (method, params = {}) => client.notification({ method, params }),
    close: () => client.close(),
  };
}

const ANYTHING: StandardSchemaV1<unknown, Json> = {
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: json(value) }) },
};

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
