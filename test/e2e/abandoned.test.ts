/** Clients that come, take something, and never say goodbye. */
import { Agent, request } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { MCP_HEADERS, post } from '../support/http.ts';
import { at, type Json } from '../support/json.ts';
import { measurable } from '../support/memory.ts';
import { INITIALIZE, serversOf, startIn } from './shared-server.ts';

const SESSIONS = 5_000;
const AT_ONCE = 25;

test('5,000 sessions opened and abandoned on a shared process leave nothing behind, and do so again', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  onTestFinished(() => agent.destroy());
  const memory = measurable();
  const gateway = await startIn(memory.env, '--isolation', 'shared', '--session-idle', '1s');
  const url = `${gateway.url}/mcp`;
  const live: number[] = [];
  for (let round = 0; round < 3; round++) {
    let opened = 0;
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (opened < SESSIONS) {
          opened += 1;
          await abandonSession(url, agent, opened);
        }
      }),
    );
    live.push(await memory.liveMb(gateway.pid));
    expect(serversOf(gateway)).toHaveLength(1);
  }
  const [, second = 0, third = Infinity] = live;
  expect(third, `alive after each round: ${live.join(', ')} MB`).toBeLessThan(second * 1.2);

  const { text } = await post(url, INITIALIZE);
  expect(at(JSON.parse(text), 'result', 'serverInfo', 'name')).toBe('behaviours');
  // The last of their subscriptions ends with the last of them.
  await expect.poll(() => subscriptionsOf(url)).toBe(0);
}, 180_000);

/** Opens a session; some subscribe, wish for another log level or leave in the middle of a call. */
async function abandonSession(url: string, agent: Agent, n: number): Promise<void> {
  const session = String((await exchange(url, agent, INITIALIZE)).session);
  if (n % 10 === 0) {
    await exchange(
      url,
      agent,
      { id: 2, method: 'resources/subscribe', params: { uri: `fixture://${n % 100}` } },
      session,
    );
    await exchange(url, agent, { id: 3, method: 'logging/setLevel', params: { level: 'error' } }, session);
  }
  if (n % 50 === 0) {
    const params = { name: 'wait', arguments: { ms: 200 }, _meta: { progressToken: 1 } };
    await exchange(url, agent, { id: 4, method: 'tools/call', params }, session, 'leave');
  }
}

/** Posts a message over one of the agent's connections, and reads the answer or cuts it off. */
function exchange(
  url: string,
  agent: Agent,
  message: Json | typeof INITIALIZE,
  session?: string,
  end: 'read' | 'leave' = 'read',
): Promise<{ session: unknown }> {
  return new Promise((resolve, reject) => {
    const headers = { ...MCP_HEADERS, ...(session !== undefined && { 'mcp-session-id': session }) };
    const outgoing = request(url, { method: 'POST', agent, headers }, (incoming) => {
      const done = (): void => resolve({ session: incoming.headers['mcp-session-id'] });
      incoming.on('error', () => {});
      if (end === 'leave') {
        outgoing.destroy();
        done();
      } else incoming.resume().on('end', done);
    });
    outgoing.on('error', (error) => (end === 'leave' ? resolve({ session: undefined }) : reject(error)));
    outgoing.end(JSON.stringify({ jsonrpc: '2.0', ...message }));
  });
}

/** How many resources the process still believes that somebody wants to hear of. */
async function subscriptionsOf(url: string): Promise<number> {
  const { headers } = await post(url, INITIALIZE);
  const call = {
    jsonrpc: '2.0',
    id: 2,
    method: 'tools/call',
    params: { name: 'subscribed', arguments: {} },
  };
  const { text } = await post(url, call, { 'mcp-session-id': String(headers['mcp-session-id']) });
  return Number(at(JSON.parse(text), 'result', 'structuredContent', 'count'));
}
