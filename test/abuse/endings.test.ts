/** How mcp-run itself ends, when it is asked to while it works, or cannot even begin. */
import { createServer } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { MCP_HEADERS, send } from '../support/http.ts';
import { at } from '../support/json.ts';
import { serve, spawnMcpRun, startMcpRun, type ListeningMcpRun } from '../support/mcp-run.ts';
import { fixtureServer } from '../support/paths.ts';
import { connectPeer, type Peer } from '../support/peer.ts';
import { childrenOf, processAlive } from '../support/processes.ts';
import { call, expectEcho, faultOf, inTime, NETWORK, settled, unreadable, type Network } from './harness.ts';

describe.each(NETWORK)('over %s', (kind) => {
  test.each(['SIGINT', 'SIGTERM'] as const)('%s lets calls finish, and refuses new ones', async (signal) => {
    const { gateway, peer, pids } = await begin(kind, '--drain-timeout', '1h');
    const finishes = call(peer, 'wait', { ms: 2_000 }, 'finishes');
    await expectEcho(peer);
    gateway.signal(signal);
    await expect.poll(() => readiness(gateway)).not.toBe(200);
    const { message } = await inTime(finishes, 'the call');
    expect(at(message, 'result', 'content', 0, 'text')).toBe('waited');
    expect(await inTime(gateway.exited, 'the exit')).toEqual({ code: 0, signal: null });
    expect(peer.strays).toEqual([]);
    await expectNothingLeft(gateway, pids);
  });

  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s fails calls that do not finish in time, and refuses new ones until then',
    async (signal) => {
      const { gateway, peer, pids } = await begin(kind, '--drain-timeout', '8s');
      const never = call(peer, 'never', {}, 'never');
      await expectEcho(peer);
      gateway.signal(signal);
      await expect.poll(() => readiness(gateway)).toBe(503);
      const refused = await inTime(refusedCall(peer), 'the refusal');
      // Over HTTP+SSE the error response to a request comes on the stream.
      const status = kind === 'sse' ? 202 : 503;
      expect(refused).toEqual({ status, reason: 'shutting_down', id: 'late' });
      expect(faultOf((await inTime(never, 'the failure')).message)).toEqual({
        code: -32603,
        reason: 'shutting_down',
      });
      expect(await inTime(gateway.exited, 'the exit')).toEqual({ code: 0, signal: null });
      expect(peer.strays).toEqual([]);
      await expectNothingLeft(gateway, pids);
    },
  );

  test('a second signal ends everything at once', async () => {
    const { gateway, peer, pids } = await begin(kind);
    call(peer, 'never').catch(() => {});
    await expectEcho(peer);
    gateway.signal('SIGTERM');
    await expect.poll(() => readiness(gateway)).toBe(503);
    gateway.signal('SIGTERM');
    expect(await inTime(gateway.exited, 'the exit')).toEqual({ code: 143, signal: null });
    await expectNothingLeft(gateway, pids);
  });
});

test('a port in use is said in one line with exit code 4, and leaves no server behind', async () => {
  const occupant = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void occupant.close());
  await new Promise((resolve) => occupant.once('listening', resolve));
  const port = String(at(occupant.address(), 'port'));
  // Over stdio the server is started at once, and ignores the end of its input.
  const run = spawnMcpRun(['serve', '--stdio', '--http', '--port', port, '--', ...fixtureServer('stubborn')]);
  const seen = new Set<number>();
  const watch = setInterval(() => childrenOf(run.pid).forEach((pid) => seen.add(pid)), 20);
  expect(await inTime(run.exited, 'the exit').finally(() => clearInterval(watch))).toEqual({
    code: 4,
    signal: null,
  });
  expect(run.logs.filter(({ level }) => level === 'error' || level === 'fatal')).toHaveLength(1);
  expect(JSON.stringify(run.logs)).toContain(`Port ${port} on 127.0.0.1 is in use`);
  await expectNothingLeft(run, [...seen]);
});

interface Begun {
  readonly gateway: ListeningMcpRun;
  readonly peer: Peer;
  readonly pids: readonly number[];
}

async function begin(kind: Network, ...args: readonly string[]): Promise<Begun> {
  const gateway = await startMcpRun(serve(['--http', '--sse'], fixtureServer('stubborn'), ...args));
  const peer = await connectPeer(kind, `${gateway.url}/${kind === 'http' ? 'mcp' : 'sse'}`);
  onTestFinished(() => peer.drop());
  return { gateway, peer, pids: childrenOf(gateway.pid) };
}

async function readiness({ url }: ListeningMcpRun): Promise<number> {
  return (await send(`${url}/readyz`)).status;
}

async function refusedCall(peer: Peer): Promise<{ status: number; reason: unknown; id: unknown }> {
  const text = JSON.stringify({ jsonrpc: '2.0', id: 'late', method: 'tools/list' });
  const refusal = peer.answerTo('late');
  const answer = await send(
    peer.postUrl,
    { method: 'POST', headers: { ...MCP_HEADERS, ...peer.headers } },
    text,
  );
  const body: unknown = answer.status === 202 ? (await refusal).message : JSON.parse(answer.text);
  return { status: answer.status, reason: at(body, 'error', 'data', 'reason'), id: at(body, 'id') };
}

async function expectNothingLeft(
  { logs }: Pick<ListeningMcpRun, 'logs'>,
  pids: readonly number[],
): Promise<void> {
  expect(await settled(() => pids.filter(processAlive)), 'orphans').toEqual([]);
  expect(unreadable(logs), 'log lines').toEqual([]);
}
