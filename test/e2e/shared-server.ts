/** What the tests of a shared process have in common. */
import { CLIENT_INFO, type Endpoint } from '../support/clients.ts';
import { serve, startMcpRun, type ListeningMcpRun } from '../support/mcp-run.ts';
import { fixtureServer } from '../support/paths.ts';
import { childrenOf, commandOf } from '../support/processes.ts';

export const BEHAVIOURS = fixtureServer('behaviours');

export const INITIALIZE = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: CLIENT_INFO },
} as const;

/** mcp-run with the fixture `behaviours`, over both network transports. */
export function startWith(...args: readonly string[]): Promise<ListeningMcpRun> {
  return startIn({}, ...args);
}

/** The same with more variables. */
export function startIn(
  env: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<ListeningMcpRun> {
  return startMcpRun(serve(['--http', '--sse'], BEHAVIOURS, ...args), { env });
}

/** Pids of the fixture servers that it runs; what watches over them is not counted. */
export function serversOf({ pid }: ListeningMcpRun): number[] {
  return childrenOf(pid).filter((child) => commandOf(child).includes('fixtures/servers'));
}

export function endpointOf({ url }: ListeningMcpRun, kind: 'http' | 'sse' = 'http'): Endpoint {
  return { kind, url: `${url}/${kind === 'http' ? 'mcp' : 'sse'}` };
}
