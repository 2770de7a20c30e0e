/** A server that closes its stdout and goes on running has ended: for its callers at once, for its place when it is gone. */
import { describe, expect, test } from 'vitest';
import { openSession, reasonOf } from '../support/bearer.ts';
import { at, textOf } from '../support/json.ts';
import { post, type Answer } from '../support/http.ts';
import { serve, startMcpRun } from '../support/mcp-run.ts';
import { mirroredHeaders, modernRequest } from '../support/modern.ts';
import { fixtureServer } from '../support/paths.ts';
import { childrenOf, orphans, processAlive } from '../support/processes.ts';

const HANGS_UP = fixtureServer('hangs-up');

describe('a call of a server that hangs up fails', () => {
  test.each(['session', 'shared'])(
    'with isolation %s, and the next one finds another process',
    async (isolation) => {
      const run = await startMcpRun(serve(['--http'], HANGS_UP, '--isolation', isolation));
      const mcp = `${run.url}/mcp`;
      const session = await openSession(mcp);
      const first = pidOf(await callIn(mcp, session, 'pid'));
      expect(reasonOf(await callIn(mcp, session, 'hang-up'))).toBe('upstream_hung_up');
      const next = isolation === 'shared' ? session : await openSession(mcp);
      expect(pidOf(await callIn(mcp, next, 'pid'))).not.toBe(first);
      expect(run.logs.filter(({ event }) => event === 'server.hung-up')).toHaveLength(1);
      const pids = childrenOf(run.pid);
      await run.stop();
      expect(await orphans([first, ...pids])).toEqual([]);
    },
  );
});

test('its place is free when its process is gone', async () => {
  const run = await startMcpRun(serve(['--http'], HANGS_UP, '--max-children', '1'));
  const first = pidOf(await callTool(run.url, 'first', 'pid'));
  expect(reasonOf(await callTool(run.url, 'first', 'hang-up'))).toBe('upstream_hung_up');
  const second = pidOf(await callTool(run.url, 'second', 'pid'));
  expect([second === first, processAlive(first)]).toEqual([false, false]);
});

/** A client of revision 2026-07-28 has a process for each name. */
function callTool(url: string, client: string, name: string): Promise<Answer> {
  const clientInfo = { name: client, version: '1' };
  const _meta = { 'io.modelcontextprotocol/clientInfo': clientInfo };
  const message = modernRequest('tools/call', 1, { name, arguments: {}, _meta });
  return post(`${url}/mcp`, message, mirroredHeaders(message));
}

function callIn(mcp: string, session: Record<string, string>, name: string): Promise<Answer> {
  const params = { name, arguments: {} };
  return post(mcp, { jsonrpc: '2.0', id: 1, method: 'tools/call', params }, session);
}

function pidOf({ text }: Answer): number {
  return Number(textOf(at(JSON.parse(text), 'result')));
}
