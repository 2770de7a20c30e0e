/** What a server can do to its client: the client is told, in time, and nobody else notices. */
import { describe, expect, test } from 'vitest';
import { at, textOf, type Json } from '../support/json.ts';
import { fixtureServer } from '../support/paths.ts';
import { InitializeRefused, PeerGone, type Peer, type PeerAnswer } from '../support/peer.ts';
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
const FLOOD = 20_000;

/** One server for each transport: one that fails to start is not started again at once, for nobody. */
const FAILING = {
  'dies at start': fixtureServer('dies-at-start'),
  missing: ['/no/such/command'],
  ...Object.fromEntries(
    ['exit', 'kill', 'silent', 'garbage', 'foreign', 'deaf'].map((way) => [
      way,
      fixtureServer('at-initialize', way),
    ]),
  ),
};

const world = setUpHarness(
  {
    impatient: fixtureServer('behaviours'),
    stubborn: fixtureServer('stubborn'),
    parent: fixtureServer('behaviours', '--grandchild'),
    ...Object.fromEntries(
      NETWORK.flatMap((kind) => Object.entries(FAILING).map(([name, server]) => [`${name} ${kind}`, server])),
    ),
  },
  { args: ['--initialize-timeout', '8s'], timeouts: { impatient: '5s' } },
);

describe.each(NETWORK)('over %s', (kind) => {
  test.each([
    ['that dies at start', 'dies at start', 'upstream_exited'],
    ['whose command is missing', 'missing', 'command_not_found'],
    ['that exits when it is greeted', 'exit', 'upstream_exited'],
    ['that is killed when it is greeted', 'kill', 'upstream_exited'],
    ['that answers initialize with what is no JSON', 'garbage', 'malformed_answer'],
  ])('says what is wrong with a server %s', async (_title, server, reason) => {
    await world.survives(async () => expectFailure(kind, await refusalOf(kind, server), reason));
  });

  test('says so of servers that never answer initialize, answer another id or never read', async () => {
    await world.survives(async () => {
      const refusals = await Promise.all(
        ['silent', 'foreign', 'deaf'].map((server) => refusalOf(kind, server)),
      );
      refusals.forEach((answer) => expectFailure(kind, answer, 'request_timeout'));
    });
  });

  test.each([
    ['exits', 'exit', { code: 3 }],
    ['exits without an error', 'exit', { code: 0 }],
    ['is killed', 'kill', { signal: 'SIGKILL' }],
    ['crashes', 'kill', { signal: 'SIGSEGV' }],
  ])('fails all calls in flight when the server %s', async (_title, tool, args) => {
    await world.survives(async () => {
      const peer = await world.connect(kind);
      const calls = [call(peer, 'never', {}, 'a'), call(peer, 'wait', {}, 'b'), call(peer, tool, args, 'c')];
      const answers = await inTime(Promise.all(calls), 'the failures');
      answers.forEach((answer) => expectFailure(kind, answer, 'upstream_exited'));
      await expectOver(peer, kind);
      expect(peer.strays).toEqual([]);
    });
  });

  test('answers a call that the server never answers, and goes on', async () => {
    await world.survives(async () => {
      const peer = await world.connect(kind, 'impatient');
      expectFailure(kind, await inTime(call(peer, 'never'), 'the timeout'), 'request_timeout');
      await expectEcho(peer);
    });
  });

  test('ends a server that ignores SIGTERM, together with its own child', async () => {
    await expectEnded(kind, 'stubborn');
  });

  test('ends what a server has started and left', async () => {
    await expectEnded(kind, 'parent');
  });

  test('ends what a server has started when that server is killed', async () => {
    await world.survives(async () => {
      const peer = await world.connect(kind, 'parent');
      const pids = await pidsOf(peer);
      expectFailure(kind, await inTime(call(peer, 'kill'), 'the failure'), 'upstream_exited');
      expect(await settled(() => pids.filter(processAlive))).toEqual([]);
    });
  });

  test('delivers everything to a client that reads while the server floods', async () => {
    await world.survives(async () => {
      const seen: unknown[] = [];
      const onNotification = (method: string, params: Json): void => {
        if (method === 'notifications/progress') seen.push(params['progress']);
      };
      const peer = await world.connect(kind, 'steady', { onNotification });
      const answer = await inTime(call(peer, 'burst', { count: FLOOD }), 'the end of the flood');
      expect(textOf(answer.message['result'])).toBe(`sent ${FLOOD}`);
      expect(seen).toEqual(Array.from({ length: FLOOD }, (_, index) => index + 1));
      await expectEcho(peer);
    });
  });

  test('has missed nothing when a client reads again after a while', async () => {
    await world.survives(async () => {
      let seen = 0;
      const peer = await world.connect(kind, 'steady', { onNotification: () => void (seen += 1) });
      peer.pause();
      const burst = call(peer, 'burst', { count: 30_000 });
      // Others are served meanwhile, and more than once.
      for (let count = 0; count < 50; count += 1) await expectEcho(world.bystander(kind), { count });
      peer.resume();
      await inTime(burst, 'the end of the burst');
      expect(seen).toBe(30_000);
    });
  });

  test('refuses an answer of 32 MB by its id, and goes on', async () => {
    await misbehave(kind, async (peer) => {
      const answer = await inTime(call(peer, 'large', { bytes: 32 * MB }), 'the refusal');
      expectFailure(kind, answer, 'line_too_long');
    });
  });

  test('skips other lines of 32 MB', async () => {
    await misbehave(kind, async (peer) => {
      expect(
        textOf((await inTime(call(peer, 'long', { bytes: 32 * MB }), 'the answer')).message['result']),
      ).toBe('written');
    });
  });

  test.each<[string, (id: string) => readonly string[]]>([
    ['answers twice', (id) => [answerTo(id), answerTo(id)]],
    ['answers ids that nobody has used', () => [answerTo('nobody'), answerTo('7777'), answerTo('__proto__')]],
    [
      'sends errors without an id',
      () => ['{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"what?"}}'],
    ],
    [
      'sends what is not JSON-RPC',
      () => ['hello', '{"foo":1}', '42', 'null', '[]', '{', '"', '\u0000', '{}'],
    ],
    ['sends nesting of 100,000 levels', () => ['['.repeat(100_000), `{"a":${'['.repeat(100_000)}`]],
    [
      'sends progress that nobody asked for',
      () => ['{"jsonrpc":"2.0","method":"notifications/progress","params":{}}'],
    ],
  ])('goes on when a server %s', async (_title, lines) => {
    await misbehave(kind, async (peer) => {
      const id = 'victim';
      const answer = await inTime(call(peer, 'write', { lines: lines(id) }, id), 'the answer');
      expect(answer.message['id']).toBe(id);
    });
  });

  test('passes on requests of the server whose ids are in use', async () => {
    await world.survives(async () => {
      const asked: unknown[] = [];
      const answer = (method: string, params: Json): Json => {
        asked.push([method, params['n']]);
        return { result: { n: params['n'] } };
      };
      const peer = await world.connect(kind, 'steady', { answer });
      const same = (n: number): string =>
        JSON.stringify({ jsonrpc: '2.0', id: 'busy', method: 'ping', params: { n } });
      await inTime(call(peer, 'write', { lines: [same(1), same(2)] }, 'busy'), 'the answer');
      await expect
        .poll(() => asked)
        .toEqual([
          ['ping', 1],
          ['ping', 2],
        ]);
      await expectEcho(peer);
      expect(peer.strays).toEqual([]);
    });
  });

  test('remembers only so many questions that no client answers', async () => {
    await misbehave(kind, async (peer) => {
      const lines = Array.from({ length: 5_000 }, (_, n) => `{"jsonrpc":"2.0","id":"q${n}","method":"ping"}`);
      await inTime(call(peer, 'write', { lines }), 'the answer');
      const received = await call(peer, 'received', { containing: '"q0"' });
      expect(at(received.message, 'result', 'structuredContent', 'lines', 0)).toContain('"error"');
    });
  });
});

test('two clients with the same ids and tokens at the same time each get their own', async () => {
  await world.survives(async () => {
    const seen = new Map<Peer | number, unknown[]>();
    const peers = await Promise.all(
      [0, 1, 2, 3].map((n) =>
        world.connect(n % 2 === 0 ? 'http' : 'sse', 'steady', {
          onNotification: (_method, params) => void seen.set(n, [...(seen.get(n) ?? []), params['total']]),
        }),
      ),
    );
    for (let round = 0; round < 20; round++) {
      const id = `round ${round}`;
      const answers = await inTime(
        Promise.all(peers.map((peer, n) => call(peer, 'burst', { count: n + 1 }, id))),
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

/** A server that misbehaves and stays: its own session has to go on as well. */
async function misbehave(kind: Network, act: (peer: Peer) => Promise<void>): Promise<void> {
  await world.survives(async () => {
    const peer = await world.connect(kind);
    await act(peer);
    await expectEcho(peer);
    expect(peer.strays).toEqual([]);
  });
}

/** What a client gets to hear of a server that fails to start. */
async function refusalOf(kind: Network, server: string): Promise<PeerAnswer> {
  const refused = await inTime(
    world.connect(kind, `${server} ${kind}`).catch((error: unknown) => error),
    'the answer to initialize',
  );
  if (!(refused instanceof InitializeRefused)) throw new Error(`not refused, but ${String(refused)}`);
  return refused.answer;
}

async function expectEnded(kind: Network, server: string): Promise<void> {
  await world.survives(async () => {
    const peer = await world.connect(kind, server);
    const pids = await pidsOf(peer);
    expect(pids).toHaveLength(2);
    await peer.end();
    expect(await settled(() => pids.filter(processAlive))).toEqual([]);
  });
}

async function pidsOf(peer: Peer): Promise<number[]> {
  const { message } = await inTime(call(peer, 'process'), 'the answer');
  const { pid, grandchildPid } = { ...(at(message, 'result', 'structuredContent') as Json) };
  return [Number(pid), Number(grandchildPid)];
}

/** A failure of the server's is an answer to the request (eras: 200 in-band, never a 5xx). */
function expectFailure(kind: Network, { message, status }: PeerAnswer, reason: string): void {
  expect(faultOf(message)).toEqual({ code: -32603, reason });
  expect(status).toBe(kind === 'http' ? 200 : undefined);
}

/** The session has ended with its server: over HTTP it is unknown, over HTTP+SSE its stream has ended. */
async function expectOver(peer: Peer, kind: Network): Promise<void> {
  const outcome = await inTime(
    peer.request('ping').catch((error: unknown) => error),
    'the end of the session',
  );
  if (kind === 'http') expect(outcome).toMatchObject({ status: 404 });
  else expect(outcome instanceof PeerGone || at(outcome, 'status') === 404).toBe(true);
}

function answerTo(id: string): string {
  return JSON.stringify({
    jsonrpc: '2.0',
    id,
    result: { content: [{ type: 'text', text: 'from the wrong line' }] },
  });
}
