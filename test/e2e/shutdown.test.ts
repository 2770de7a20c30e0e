/** The first signal lets calls finish; the second does not wait. */
import { expect, test } from 'vitest';
import { callTool, type TestClient } from '../support/clients.ts';
import { send } from '../support/http.ts';
import { at, textOf } from '../support/json.ts';
import type { ListeningMcpRun } from '../support/mcp-run.ts';
import { orphans } from '../support/processes.ts';
import { converse, PARENT, STUBBORN } from './harness.ts';

test.each(['http', 'sse'] as const)(
  'a call in flight over %s is answered before SIGTERM ends mcp-run',
  async (kind) => {
    const { gateway, client, pids } = await converse(kind, PARENT);
    const started = signalled();
    const call = callTool(client, 'wait', { ms: 1_000 }, { onProgress: started.give });
    await started.given;
    gateway.signal('SIGTERM');
    expect(textOf(await call)).toBe('waited');
    expect(await gateway.exited).toEqual({ code: 0, signal: null });
    expect(await orphans(pids)).toEqual([]);
  },
);

test.each(['http', 'sse'] as const)(
  'a user who is being asked over %s while SIGTERM comes can still answer',
  async (kind) => {
    const [asked, draining] = [signalled(), signalled()];
    const { gateway, client } = await converse(kind, PARENT, {
      capabilities: { elicitation: {} },
      answer: async () => {
        asked.give();
        await draining.given;
        return { action: 'accept', content: { name: 'Ada' } };
      },
    });
    const params = { message: 'Name?', requestedSchema: { type: 'object', properties: {} } };
    const call = callTool(client, 'ask', { method: 'elicitation/create', params });
    await asked.given;
    gateway.signal('SIGTERM');
    await expect.poll(() => statusOf(gateway)).not.toBe(200);
    draining.give();
    expect(at(await call, 'structuredContent', 'result', 'content')).toEqual({ name: 'Ada' });
    expect(await gateway.exited).toEqual({ code: 0, signal: null });
  },
);

test.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
  ['SIGHUP', 129],
] as const)('a second %s ends mcp-run at once with %i, and the servers too', async (signal, code) => {
  const { gateway, client, pids } = await converse('http', STUBBORN);
  // A call in flight holds the first signal's shutdown open.
  callTool(client, 'never').catch(() => {});
  await expect.poll(() => hasReceived(client, '"never"')).toBe(true);
  gateway.signal('SIGTERM');
  await expect.poll(() => statusOf(gateway)).not.toBe(200);
  gateway.signal(signal);
  expect(await gateway.exited).toEqual({ code, signal: null });
  expect(await orphans(pids)).toEqual([]);
});

async function hasReceived(client: TestClient, containing: string): Promise<boolean> {
  const lines = at(await callTool(client, 'received', { containing }), 'structuredContent', 'lines');
  return Array.isArray(lines) && lines.some((line) => !String(line).includes('"received"'));
}

/** Of the readiness probe: not 200 once the first signal has been taken; 0 when nobody listens any more. */
async function statusOf({ url }: ListeningMcpRun): Promise<number> {
  return await send(`${url}/readyz`).then(
    ({ status }) => status,
    () => 0,
  );
}

function signalled(): { given: Promise<void>; give: () => void } {
  let give = (): void => {};
  const given = new Promise<void>((resolve) => (give = resolve));
  return { given, give };
}
