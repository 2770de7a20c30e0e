/** The columns of the table: how a client gets to the server, and which client it is. */
import type { ClientFactory, Endpoint } from '../support/clients.ts';
import { serve, startMcpRun, type ListeningMcpRun } from '../support/mcp-run.ts';
import { MCP_RUN, NODE } from '../support/paths.ts';
import { connectRaw } from '../support/raw-client.ts';
import { connectSdkV1 } from '../support/sdk-v1.ts';
import { connectSdkV2 } from '../support/sdk-v2.ts';

/** One way from a client to a server. */
export interface Route {
  readonly endpoint: Endpoint;
  /** The gateway that all clients on this route share; over stdio each client starts its own. */
  readonly gateway?: ListeningMcpRun;
  stop(): Promise<unknown>;
}

/** One process for all clients; and, besides, none of them has a session. */
export type Sharing = 'shared' | 'stateless';

export interface TransportColumn {
  readonly name: string;
  /** No mcp-run in between: shows that a row is true of the server itself. */
  readonly direct?: boolean;
  /** Whether the client is on this machine, and its roots pass without being allowed. */
  readonly local: boolean;
  /** What its clients have in common, if anything: rows that tell of something else there say so. */
  readonly sharing?: Sharing;
  open(server: readonly string[], gatewayArgs: readonly string[]): Promise<Route>;
}

const SHARED = ['--isolation', 'shared'];

export const TRANSPORTS: readonly TransportColumn[] = [
  {
    name: 'no gateway',
    direct: true,
    local: true,
    open: async ([command = '', ...args]) => ({
      endpoint: { kind: 'stdio', command, args },
      stop: async () => {},
    }),
  },
  {
    name: 'stdio',
    local: true,
    open: async (server, gatewayArgs) => ({
      endpoint: {
        kind: 'stdio',
        command: NODE,
        args: [MCP_RUN, 'serve', '--stdio', ...gatewayArgs, '--', ...server],
      },
      stop: async () => {},
    }),
  },
  {
    name: 'sse',
    local: false,
    open: (server, gatewayArgs) => openNetwork('sse', '/sse', server, gatewayArgs),
  },
  {
    name: 'http',
    local: false,
    open: (server, gatewayArgs) => openNetwork('http', '/mcp', server, gatewayArgs),
  },
  {
    name: 'sse, shared',
    local: false,
    sharing: 'shared',
    open: (server, gatewayArgs) => openNetwork('sse', '/sse', server, [...gatewayArgs, ...SHARED]),
  },
  {
    name: 'http, shared',
    local: false,
    sharing: 'shared',
    open: (server, gatewayArgs) => openNetwork('http', '/mcp', server, [...gatewayArgs, ...SHARED]),
  },
  {
    name: 'http, stateless',
    local: false,
    sharing: 'stateless',
    open: (server, gatewayArgs) => openNetwork('http', '/mcp', server, [...gatewayArgs, '--stateless']),
  },
];

export const CLIENTS = {
  'SDK v1': connectSdkV1,
  'SDK v2, legacy mode': connectSdkV2,
  raw: connectRaw,
} as const satisfies Record<string, ClientFactory>;

export type ClientName = keyof typeof CLIENTS;

async function openNetwork(
  kind: 'sse' | 'http',
  path: string,
  server: readonly string[],
  gatewayArgs: readonly string[],
): Promise<Route> {
  const gateway = await startMcpRun(serve([`--${kind}`], server, ...gatewayArgs), { keep: true });
  return { endpoint: { kind, url: `${gateway.url}${path}` }, gateway, stop: gateway.stop };
}
