/** One mcp-run in front of another one, whose limits it does not know. */
import { describe, expect, test } from 'vitest';
import { callIn, openSession, ping } from '../support/bearer.ts';
import { eventsOf, open, post } from '../support/http.ts';
import { serve, startMcpRun } from '../support/mcp-run.ts';
import { fixtureServer } from '../support/paths.ts';

describe('places of a server behind another mcp-run', () => {
  test.each([
    ['processes', '--children-per-server'],
    ['sessions', '--max-sessions'],
  ])('past its limit of %s, the session left idle longest ends for a newcomer', async (_title, limit) => {
    const far = await startMcpRun(serve(['--http'], fixtureServer('behaviours'), limit, '2'));
    const near = await startMcpRun(['serve', '--http', '--port', '0', `${far.url}/mcp`]);
    const mcp = `${near.url}/mcp`;
    const first = await openAndLeave(mcp);
    const second = await openAndLeave(mcp);
    await ping(mcp, first);
    const third = await openSession(mcp);
    expect((await ping(mcp, second)).status).toBe(404);
    expect((await ping(mcp, first)).status).toBe(200);
    expect((await ping(mcp, third)).status).toBe(200);
  });
});

/** A session whose client has gone without a word, behind an mcp-run that listens to the next one for it. */
async function openAndLeave(mcp: string): Promise<Record<string, string>> {
  const session = await openSession(mcp);
  await post(mcp, { jsonrpc: '2.0', method: 'notifications/initialized' }, session);
  const stream = await open(mcp, { headers: { ...session, accept: 'text/event-stream' } });
  const events = eventsOf(stream);
  await callIn(mcp, session, 'notify', { method: 'notifications/tools/list_changed', params: {} });
  // The one in front has opened its stream when something comes by it.
  for await (const { data } of events) if (data.includes('list_changed')) break;
  return session;
}
