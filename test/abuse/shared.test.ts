/** Abuse of a server that others use, too: here the bystanders are clients of the same process. */
import { expect, test } from 'vitest';
import { at, textOf } from '../support/json.ts';
import { measurable } from '../support/memory.ts';
import { fixtureServer } from '../support/paths.ts';
import { processAlive } from '../support/processes.ts';
import {
  call,
  expectEcho,
  faultOf,
  inTime,
  NETWORK,
  setUpHarness,
  settled,
  type Network,
} from './harness.ts';

const MB = 1024 * 1024;
const BOUND_MB = 150;
const FLOOD = 20_000;

const memory = measurable();
const world = setUpHarness(
  { mortal: fixtureServer('behaviours'), parent: fixtureServer('behaviours', '--grandchild') },
  {
    isolation: 'shared',
    used: ['mortal', 'parent'],
    args: ['--session-idle', '10s'],
    isIdleShort: true,
    env: memory.env,
  },
);

test('clients with the same ids and tokens at the same time each get their own', async () => {
  await world.survives(async () => {
    const seen = new Map<number, unknown[]>();
    const peers = await Promise.all(
      Array.from({ length: 8 }, (_, n) =>
        world.connect(n % 2 === 0 ? 'http' : 'sse', 'steady', {
          onNotification: (_method, params) => void seen.set(n, [...(seen.get(n) ?? []), params['total']]),
        }),
      ),
    );
    for (let round = 0; round < 20; round++) {
      const answers = await inTime(
        Promise.all(peers.map((peer, n) => call(peer, 'burst', { count: n + 1 }, 'same'))),
        'the answers',
      );
      expect(answers.map(({ message }) => textOf(message['result']))).toEqual(
        peers.map((_, n) => `sent ${n + 1}`),
      );
    }
    peers.forEach((_, n) => expect(seen.get(n)).toEqual(Array.from({ length: 20 * (n + 1) }, () => n + 1)));
    expect(peers.flatMap(({ strays }) => strays)).toEqual([]);
  });
});

test.each(NETWORK)('a client over %s that never reads stops nobody, and fills no memory', async (kind) => {
  await world.survives(async () => {
    const { pid, logs } = world.gateway;
    const earlier = new Set(logs);
    const before = await memory.heldMb(pid, []);
    const peer = await world.connect(kind);
    peer.pause();
    for (let n = 0; n < 24; n++) call(peer, 'large', { bytes: 8 * MB }, n).catch(() => {});
    call(peer, 'burst', { count: 200_000 }).catch(() => {});
    await world.gateway.waitForLog((line) => line['event'] === 'client.too-slow' && !earlier.has(line));
    expect((await memory.heldMb(pid, [])) - before).toBeLessThan(BOUND_MB);
    const other = await world.connect(kind);
    await expectEcho(other);
    peer.drop();
  });
});

test.each(NETWORK)('a client over %s that vanishes in mid-stream stops nobody', async (kind) => {
  await world.survives(async () => {
    const [leaves, stays] = [await world.connect(kind), await world.connect(kind)];
    call(leaves, 'burst', { count: 1_000_000 }).catch(() => {});
    call(leaves, 'never').catch(() => {});
    await expectEcho(stays);
    leaves.drop();
    await expectEcho(stays);
  });
});

test.each(NETWORK)(
  'delivers everything to a client over %s that reads while the server floods',
  async (kind) => {
    await world.survives(async () => {
      const seen: unknown[] = [];
      const peer = await world.connect(kind, 'steady', {
        onNotification: (_method, params) => void seen.push(params['progress']),
      });
      await inTime(call(peer, 'burst', { count: FLOOD }), 'the end of the flood');
      expect(seen).toEqual(Array.from({ length: FLOOD }, (_, index) => index + 1));
    });
  },
);

test.each(NETWORK)(
  'when the server is killed, its clients over %s are told, and go on with the next one',
  async (kind) => {
    await world.survives(async () => {
      const peers = await Promise.all([0, 1, 2].map(() => world.connect(kind, 'mortal')));
      const [killer, ...others] = peers;
      if (killer === undefined) throw new Error('no killer');
      await Promise.all(peers.map((peer) => expectEcho(peer)));
      const pid = await pidOf(kind);
      const waiting = others.map((peer) => call(peer, 'never'));
      await Promise.all(others.map((peer) => expectEcho(peer)));
      const answers = await inTime(Promise.all([...waiting, call(killer, 'kill')]), 'the failures');
      answers.forEach(({ message }) =>
        expect(faultOf(message)).toEqual({ code: -32603, reason: 'upstream_exited' }),
      );
      await Promise.all(peers.map((peer) => expectEcho(peer)));
      expect(processAlive(pid)).toBe(false);
      expect(peers.flatMap(({ strays }) => strays)).toEqual([]);
      world.adopt();
    });
  },
);

test('what a killed server has started is ended with it', async () => {
  await world.survives(async () => {
    const peer = await world.connect('http', 'parent');
    const { message } = await inTime(call(peer, 'process'), 'the answer');
    const grandchild = Number(at(message, 'result', 'structuredContent', 'grandchildPid'));
    await inTime(call(peer, 'kill'), 'the failure');
    expect(await settled(() => [grandchild].filter(processAlive))).toEqual([]);
    await expectEcho(await world.connect('http', 'parent'));
    world.adopt();
  });
});

test('lines of the server that belong to nobody reach nobody', async () => {
  await world.survives(async () => {
    const peer = await world.connect('http');
    const lines = [
      '{"jsonrpc":"2.0","id":"nobody","result":{}}',
      '{"jsonrpc":"2.0","id":999999,"result":{}}',
      '{"jsonrpc":"2.0","id":1,"id":999999,"result":{}}',
      '{"jsonrpc":"2.0","id":1,"\\u0069d":2,"result":{}}',
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":999999,"progress":1}}',
      'hello',
      '['.repeat(100_000),
    ];
    await inTime(call(peer, 'write', { lines }), 'the answer');
    await expectEcho(peer);
    expect(peer.strays).toEqual([]);
  });
});

async function pidOf(kind: Network): Promise<number> {
  const peer = await world.connect(kind, 'mortal');
  const { message } = await inTime(call(peer, 'process'), 'the answer');
  return Number(at(message, 'result', 'structuredContent', 'pid'));
}
