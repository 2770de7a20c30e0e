/** The columns of the table: how a client gets to the server, which client it is, and which server. */
import type { ClientFactory, Endpoint } from '../support/clients.ts';
import { serve, startMcpRun, type ListeningMcpRun } from '../support/mcp-run.ts';
import { pretendOneEra } from '../support/one-era.ts';
import type { ModernClientFactory } from '../support/modern.ts';
import { fixtureServer, MCP_RUN, NODE } from '../support/paths.ts';
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
const SERVERS = {
  legacy: 'behaviours',
  modern: 'modern-behaviours',
  dual: 'dual-behaviours',
} as const satisfies Record<ServerEra, string>;

/** Where mcp-run finds a server. */
export interface Place {
  readonly name: string;
  readonly era: ServerEra;
  /** It is another mcp-run that makes an endpoint of it. */
  readonly isRemote?: true;
  /** A client of either era may go to it, so that this one does the translating. */
  readonly isChain?: true;
  open(): Promise<Served>;
}

/** A server, as `mcp-run serve` takes it. */
export interface Served {
  /** The end of the command line: a command, or a URL. */
  readonly args: readonly string[];
  stop(): Promise<unknown>;
}

export const PLACES = {
  'legacy server': local('legacy'),
  'modern server': local('modern'),
  'dual server': local('dual'),
  'SSE URL': remote('legacy', 'sse'),
  'Streamable HTTP URL': remote('legacy', 'http', 'legacy'),
  '2026-07-28 URL': remote('modern', 'http', 'modern'),
  'URL of another mcp-run': remote('legacy', 'http'),
} as const satisfies Record<string, Omit<Place, 'name'>>;

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
  open(server: Served, gatewayArgs: readonly string[]): Promise<Route>;
}

const SHARED = ['--isolation', 'shared'];

export const TRANSPORTS: readonly TransportColumn[] = [
  {
    name: 'no gateway',
    direct: true,
    local: true,
    modern: true,
    open: async ({ args: [, command = '', ...args] }) => ({
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
        args: [MCP_RUN, 'serve', '--stdio', ...gatewayArgs, ...server.args],
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

function local(era: ServerEra): Omit<Place, 'name'> {
  const args = ['--', ...fixtureServer(SERVERS[era])];
  return { era, open: async () => ({ args, stop: async () => {} }) };
}

/** @param only the era of clients that it knows; without, both */
function remote(era: ServerEra, kind: 'sse' | 'http', only?: 'legacy' | 'modern'): Omit<Place, 'name'> {
  return {
    era,
    isRemote: true,
    ...(only === undefined && kind === 'http' && { isChain: true }),
    async open() {
      // What the gateway under test does with roots is not to be hidden by this one, and sessions that the clients of one
      // gateway have left must not take the places of those of the other.
      const more = ['--allow-roots', '--children-per-server', '128'];
      const gatewayArgs = serve([`--${kind}`], fixtureServer(SERVERS[era]), ...more);
      const gateway = await startMcpRun(gatewayArgs, { keep: true });
      const url = `${gateway.url}${kind === 'sse' ? '/sse' : '/mcp'}`;
      if (only === undefined) return { args: [url], stop: gateway.stop };
      const front = await pretendOneEra(only, url);
      return {
        args: [front.url],
        async stop() {
          await front.stop();
          await gateway.stop();
        },
      };
    },
  };
}

async function openNetwork(
  kind: 'sse' | 'http',
  path: string,
  server: Served,
  gatewayArgs: readonly string[],
): Promise<Route> {
  const args = ['serve', `--${kind}`, '--port', '0', ...gatewayArgs, ...server.args];
  const gateway = await startMcpRun(args, { keep: true });
  return { endpoint: { kind, url: `${gateway.url}${path}` }, gateway, stop: gateway.stop };
}
