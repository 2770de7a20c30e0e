/** A proxy that makes of an endpoint for clients of both eras one of a server that speaks just one of them. */
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

export interface OneEra {
  /** Of its MCP endpoint. */
  readonly url: string;
  stop(): Promise<void>;
}

const MODERN = '2026-07-28';

/** @param target what it stands in front of */
export async function pretendOneEra(era: 'legacy' | 'modern', target: string): Promise<OneEra> {
  const server = createServer((incoming, response) => {
    void readBody(incoming).then((body) => {
      const id = foreignTo(era, incoming, body);
      if (id === undefined) pass(incoming, body, target, response);
      else refuse(era, id, response);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** @returns the id of what such a server does not know; undefined for all else */
function foreignTo(era: 'legacy' | 'modern', { method }: IncomingMessage, body: Buffer): unknown {
  if (method !== 'POST') return era === 'modern' ? null : undefined;
  const message = JSON.parse(body.toString()) as { id?: unknown; method?: string; params?: any };
  const isModern = message.params?._meta?.['io.modelcontextprotocol/protocolVersion'] === MODERN;
  const isForeign = message.method === 'initialize' ? era === 'modern' : isModern && era === 'legacy';
  return isForeign ? (message.id ?? null) : undefined;
}

function refuse(era: 'legacy' | 'modern', id: unknown, response: ServerResponse): void {
  const error =
    era === 'modern'
      ? {
          code: -32022,
          message: 'Unsupported protocol version',
          data: { supported: [MODERN], requested: '' },
        }
      : { code: -32000, message: 'Bad Request: Server not initialized' };
  response.writeHead(400, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ jsonrpc: '2.0', id, error }));
}

function pass(incoming: IncomingMessage, body: Buffer, target: string, response: ServerResponse): void {
  const { host: _host, ...headers } = incoming.headers;
  const onward = request(target, { method: incoming.method, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    response.flushHeaders();
    answer.pipe(response);
    answer.on('error', () => response.destroy());
  });
  onward.on('error', () => response.destroy());
  // Who leaves has cancelled.
  response.on('close', () => onward.destroy());
  onward.end(body);
}

async function readBody(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
