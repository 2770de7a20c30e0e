/** The columns of the table: how a client gets to the server, which client it is, and which server. */
import type { ClientFactory, Endpoint } from '../support/clients.ts';
import { serve, startMcpRun, type ListeningMcpRun } from '../support/mcp-run.ts';
import type { ModernClientFactory } from '../support/modern.ts';
import { MCP_RUN, NODE } from '../support/paths.ts';
import { connectRaw } from '../support/raw-client.ts';
import { connectRawModern } from '../support/raw-modern.ts';
import { connectSdkV1 } from '../support/sdk-v1.ts';
import { connectSdkV2Modern } from '../support/sdk-v2-modern.ts';
import { connectSdkV2 } from '../support/sdk-v2.ts';

/** One way from a client to a server. */
export interface Route {
  readonly endpoint: Endpoint;
  /** The gateway that all clients on this route share; over stdio each client starts its own. */
  readonly gateway?: ListeningMcpRun;
  stop(): Promise<unknown>;
}

/** What a server speaks: the revisions up to 2025-11-25, 2026-07-28, or both. */
export type ServerEra = 'legacy' | 'modern' | 'dual';

/** The fixture that behaves as told, in each era. */
export const SERVERS = {
  legacy: 'behaviours',
  modern: 'modern-behaviours',
  dual: 'dual-behaviours',
} as const satisfies Record<ServerEra, string>;

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
  /** Whether clients of 2026-07-28 come this way too: they know neither HTTP+SSE nor sessions to share or to do without. */
  readonly modern?: true;
  open(server: readonly string[], gatewayArgs: readonly string[]): Promise<Route>;
}

const SHARED = ['--isolation', 'shared'];

export const TRANSPORTS: readonly TransportColumn[] = [
  {
    name: 'no gateway',
    direct: true,
    local: true,
    modern: true,
    open: async ([command = '', ...args]) => ({
      endpoint: { kind: 'stdio', command, args },
      stop: async () => {},
    }),
  },
  {
    name: 'stdio',
    local: true,
    modern: true,
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
    modern: true,
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

export type ClientColumn =
  | { readonly name: string; readonly modern?: false; readonly raw?: true; readonly connect: ClientFactory }
  | {
      readonly name: string;
      readonly modern: true;
      readonly raw?: true;
      readonly connect: ModernClientFactory;
    };

export const CLIENTS: readonly ClientColumn[] = [
  { name: 'SDK v1', connect: connectSdkV1 },
  { name: 'SDK v2, legacy mode', connect: connectSdkV2 },
  { name: 'raw', raw: true, connect: connectRaw },
  { name: 'SDK v2, 2026-07-28', modern: true, connect: connectSdkV2Modern },
  { name: 'raw, 2026-07-28', modern: true, raw: true, connect: connectRawModern },
];

/** Whether a client and a server have no revision in common. */
export function isBridged(client: ClientColumn, server: ServerEra): boolean {
  return server === (client.modern === true ? 'legacy' : 'modern');
}

async function openNetwork(
  kind: 'sse' | 'http',
  path: string,
  server: readonly string[],
  gatewayArgs: readonly string[],
): Promise<Route> {
  const gateway = await startMcpRun(serve([`--${kind}`], server, ...gatewayArgs), { keep: true });
  return { endpoint: { kind, url: `${gateway.url}${path}` }, gateway, stop: gateway.stop };
}
