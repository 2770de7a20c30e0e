import {
  Client,
  ProtocolError,
  SdkHttpError,
  StreamableHTTPClientTransport,
  type StandardSchemaV1,
  type Transport,
} from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { onTestFinished } from 'vitest';
import { CLIENT_INFO, RpcFailure, type ClientOptions, type Endpoint } from './clients.ts';
import { inheritedEnvironment } from './environment.ts';
import { json, type Json } from './json.ts';
import { MODERN_REVISION, type ModernClient } from './modern.ts';
import { PATIENCE_MS } from './patience.ts';

/** What a server may ask for in the answer to a request, and the capability that it needs. */
const QUESTIONS = {
  elicitation: 'elicitation/create',
  sampling: 'sampling/createMessage',
  roots: 'roots/list',
} as const;

/** The 2.x client, pinned to revision 2026-07-28. */
export async function connectSdkV2Modern(
  endpoint: Endpoint,
  options: ClientOptions = {},
): Promise<ModernClient> {
  const { capabilities = {}, answer } = options;
  const client = new Client(CLIENT_INFO, {
    capabilities,
    versionNegotiation: { mode: { pin: MODERN_REVISION } },
  });
  for (const [capability, method] of Object.entries(QUESTIONS)) {
    if (answer === undefined || capabilities[capability] === undefined) continue;
    client.setRequestHandler(method, async ({ params }): Promise<any> => await answer(method, json(params)));
  }
  const transport = createTransport(endpoint);
  const incoming: Json[] = [];
  // The client keeps a handler that was there before it: we see messages as they are, not as it parses them.
  const onmessage = (message: object): void => void incoming.push({ ...message });
  Object.assign(transport, { onmessage });
  onTestFinished(() => client.close());
  await client.connect(transport);

  return {
    incoming,
    initializeResult: await request('server/discover'),
    request,
    notify: (method, params = {}) => client.notification({ method, params }),
    async listen(filter) {
      const subscription = await client.listen(filter);
      return {
        honoured: { ...subscription.honoredFilter },
        ended: subscription.closed.then((how) => (how === 'graceful' ? {} : undefined)),
        close: () => subscription.close(),
      };
    },
    close: () => client.close(),
  };

  async function request(
    method: string,
    params: Json = {},
    { signal, onProgress }: Parameters<ModernClient['request']>[2] = {},
  ): Promise<Json> {
    const requestOptions = {
      timeout: PATIENCE_MS,
      ...(signal && { signal }),
      ...(onProgress && { onprogress: (progress: object) => onProgress({ ...progress }) }),
    };
    try {
      return await client.request({ method, params }, ANYTHING, requestOptions);
    } catch (error) {
      if (error instanceof ProtocolError) throw new RpcFailure(error.code, error.message, error.data);
      throw error instanceof SdkHttpError ? failureIn(error) : error;
    }
  }
}

/** This client tells an answer with status 404 from other errors by its text alone. */
function failureIn(failure: SdkHttpError): Error {
  const { error } = json(JSON.parse(String(failure.data['text'] ?? '{}')));
  if (error === undefined) return failure;
  const { code, message, data } = json(error);
  return new RpcFailure(Number(code), String(message), data);
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
    case 'http':
      return new StreamableHTTPClientTransport(new URL(endpoint.url));
    case 'sse':
      throw new Error('this revision has no HTTP+SSE');
  }
}
