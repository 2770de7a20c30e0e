/** A server behind mcp-run, over the transport of one's choice. */
import type { Endpoint } from './clients.ts';
import { serve, startMcpRun } from './mcp-run.ts';
import { MCP_RUN, NODE } from './paths.ts';

export const TRANSPORT_NAMES = ['stdio', 'sse', 'http'] as const;
export type TransportName = (typeof TRANSPORT_NAMES)[number];

/** Where a client finds `server`; over a network transport mcp-run runs until the test is over. */
export async function routeTo(
  transport: TransportName,
  server: readonly string[],
  ...gatewayArgs: readonly string[]
): Promise<Endpoint> {
  if (transport === 'stdio') {
    return {
      kind: 'stdio',
      command: NODE,
      args: [MCP_RUN, 'serve', '--stdio', ...gatewayArgs, '--', ...server],
    };
  }
  const { url } = await startMcpRun(serve([`--${transport}`], server, ...gatewayArgs));
  return { kind: transport, url: `${url}${transport === 'sse' ? '/sse' : '/mcp'}` };
}
