/** A conversation whose processes are known, to see what becomes of them. */
import { expect, onTestFinished } from 'vitest';
import type { ClientOptions } from '../support/clients.ts';
import { serve, startMcpRun, type ListeningMcpRun } from '../support/mcp-run.ts';
import { fixtureServer } from '../support/paths.ts';
import { childrenOf, orphans } from '../support/processes.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';

/** Its grandchild ignores every signal but SIGKILL. */
export const PARENT = fixtureServer('behaviours', '--grandchild');
/** So does the server itself, and the end of its input. */
export const STUBBORN = fixtureServer('stubborn');

export interface Conversation {
  readonly gateway: ListeningMcpRun;
  readonly client: RawClient;
  /** The server, its grandchild, and whatever else mcp-run has started. */
  readonly pids: readonly number[];
}

export async function converse(
  kind: 'http' | 'sse',
  server: readonly string[],
  options?: ClientOptions,
): Promise<Conversation> {
  const gateway = await startMcpRun(serve([`--${kind}`], server));
  const client = await connectRaw(
    { kind, url: `${gateway.url}${kind === 'http' ? '/mcp' : '/sse'}` },
    options,
  );
  const pids = childrenOf(gateway.pid);
  expect(pids.length).toBeGreaterThanOrEqual(2);
  // A failing test leaves nothing behind either.
  onTestFinished(async () => void (await orphans(pids, 0)));
  return { gateway, client, pids };
}
