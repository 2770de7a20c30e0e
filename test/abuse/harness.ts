/**
 * A gateway to be abused: a well-behaved server with two bystanders, one over each transport, and a server for the
 * abuse. Whatever a test does, the bystanders' calls have to go on, and nothing of it may be left afterwards.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect } from 'vitest';
import { at, type Json } from '../support/json.ts';
import { startMcpRun, type ListeningMcpRun } from '../support/mcp-run.ts';
import { fixtureServer } from '../support/paths.ts';
import { connectPeer, PeerGone, type Peer, type PeerOptions } from '../support/peer.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { childrenOf, commandOf, processAlive } from '../support/processes.ts';

export const NETWORK = ['http', 'sse'] as const;
export type Network = (typeof NETWORK)[number];

/** Who shares a child; the suite is run once for each. */
export const ISOLATIONS = ['session', 'shared'] as const;
type Isolation = (typeof ISOLATIONS)[number];

const ISOLATION_ARGS: Record<Isolation, readonly string[]> = {
  session: [],
  shared: ['--isolation', 'shared'],
};

const BYSTANDER_PAUSE_MS = 25;
const POLL_MS = 25;
const STEADY = 'steady';

export interface Harness {
  readonly gateway: ListeningMcpRun;
  /** Where a server is reached. */
  url(kind: Network, server?: string): string;
  connect(kind: Network, server?: string, options?: PeerOptions): Promise<Peer>;
  /** One of those that go on. */
  bystander(kind: Network): Peer;
  /** Takes what runs now for what has to run: a shared server that was killed has a successor. */
  adopt(): void;
  /** Runs `act` while the bystanders go on, and then looks for what it has left. */
  survives(act: () => Promise<void>): Promise<void>;
}

interface WorldOptions {
  readonly isolation?: Isolation;
  readonly args?: readonly string[];
  /** Servers that a client has used before; the child of a shared one is there already. */
  readonly used?: readonly string[];
  /** Server → its request time-out. */
  readonly timeouts?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Whether sessions end early when they are idle. The bystanders then always have a call in flight: between two of their
   * calls a busy machine may let more time pass than a session is kept for.
   */
  readonly isIdleShort?: boolean;
}

/** Opens one for all tests of a file or a `describe`. Servers by name; `steady` is there already. */
export function setUpHarness(
  servers: Readonly<Record<string, readonly string[]>>,
  {
    isolation = 'session',
    args = [],
    timeouts = {},
    used = [],
    env = {},
    isIdleShort = false,
  }: WorldOptions = {},
): Harness {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-run-abuse-'));
  let running: ListeningMcpRun | undefined;
  let bystanders: Peer[] = [];
  let baseline: readonly number[] = [];
  const connected = new Set<Peer>();

  beforeAll(async () => {
    const manifest = join(folder, 'mcp-run.json');
    const all = { [STEADY]: fixtureServer('behaviours'), ...servers };
    const mcpServers = Object.fromEntries(
      Object.entries(all).map(([name, [command, ...rest]]) => [
        name,
        { command, args: rest, timeout: timeouts[name] },
      ]),
    );
    writeFileSync(manifest, JSON.stringify({ mcpServers }));
    running = await startMcpRun(
      [
        'serve',
        '--http',
        '--sse',
        '--port',
        '0',
        '--config',
        manifest,
        ...ISOLATION_ARGS[isolation],
        ...args,
      ],
      { keep: true, env },
    );
    bystanders = await Promise.all(NETWORK.map((kind) => connectPeer(kind, world.url(kind))));
    if (isIdleShort) bystanders.forEach((peer) => void stayBusy(peer));
    await Promise.all(bystanders.map((peer) => expectEcho(peer)));
    for (const name of used) await world.connect('sse', name).then((peer) => peer.end());
    baseline = childrenOf(running.pid);
  });

  afterAll(async () => {
    bystanders.forEach((peer) => peer.drop());
    const pids = running === undefined ? [] : childrenOf(running.pid);
    const exit = await running?.stop();
    rmSync(folder, { recursive: true, force: true });
    expect(exit).toEqual({ code: 0, signal: null });
    expect(await settled(() => pids.filter(processAlive).map(describe))).toEqual([]);
  });

  const world: Harness = {
    get gateway() {
      if (running === undefined) throw new Error('not started');
      return running;
    },
    url: (kind, server = STEADY) => `${world.gateway.url}/${server}/${kind === 'http' ? 'mcp' : 'sse'}`,
    adopt() {
      baseline = childrenOf(world.gateway.pid);
    },
    bystander(kind) {
      const peer = bystanders[NETWORK.indexOf(kind)];
      if (peer === undefined) throw new Error('not started');
      return peer;
    },
    async connect(kind, server = STEADY, options = {}) {
      const peer = await connectPeer(kind, world.url(kind, server), options);
      connected.add(peer);
      return peer;
    },
    async survives(act) {
      const known = world.gateway.logs.length;
      const calls = bystanders.map(keepCalling);
      const isNew = (pid: number): boolean => !baseline.includes(pid);
      let left: readonly number[] = [];
      try {
        await act();
      } finally {
        await endAll();
        left = await settled(() => childrenOf(world.gateway.pid).filter(isNew));
        await Promise.all(calls.map((call) => call.stop()));
      }
      expect(processAlive(world.gateway.pid), 'mcp-run runs').toBe(true);
      // What is left fails this test, and no other.
      baseline = [...baseline, ...left];
      const died = world.gateway.logs.slice(known).filter(({ event }) => event === 'server.died');
      expect(left.map(describe), `orphans (${JSON.stringify(died)})`).toEqual([]);
      expect(
        bystanders.flatMap(({ strays }) => strays),
        "somebody else's answers",
      ).toEqual([]);
      expect(unreadable(world.gateway.logs.slice(known)), 'log lines').toEqual([]);
    },
  };
  return world;

  /** Also those of a test that has failed: its rest must not fail the next one. */
  async function endAll(): Promise<void> {
    await Promise.all([...connected].map((peer) => peer.end()));
    connected.clear();
  }
}

/** Keeps a call in flight until the peer drops. */
async function stayBusy(peer: Peer): Promise<void> {
  try {
    for (;;) await call(peer, 'never');
  } catch (error) {
    if (!(error instanceof PeerGone)) throw error;
  }
}

/** Calls before, during and after; each call has to be answered with its own payload. */
function keepCalling(peer: Peer): { stop: () => Promise<void> } {
  let over = false;
  let count = 0;
  const running = (async () => {
    // One more when it is over: the call after.
    for (let last = false; !last;) {
      last = over;
      count += 1;
      await expectEcho(peer, { count, from: 'bystander' });
      await delay(BYSTANDER_PAUSE_MS);
    }
  })();
  running.catch(() => {});
  return {
    async stop() {
      over = true;
      await running;
    },
  };
}

/** The session works, and answers with what it was asked. */
export async function expectEcho(peer: Peer, payload: Json = { still: 'here' }): Promise<void> {
  const { message } = await inTime(call(peer, 'echo', payload), 'echo');
  const echoed = at(message, 'result', 'structuredContent', 'arguments');
  expect(echoed, `the answer is ${JSON.stringify(message).slice(0, 400)}`).toEqual(payload);
}

export function call(
  peer: Peer,
  name: string,
  args: Json = {},
  id?: string | number,
): ReturnType<Peer['request']> {
  return peer.request('tools/call', { name, arguments: args, _meta: { progressToken: id ?? 'token' } }, id);
}

/** Nothing may hang: whatever is waited for here comes, or the test names it. */
export async function inTime<T>(promise: Promise<T>, what: string, ms = PATIENCE_MS): Promise<T> {
  const timer = new AbortController();
  const late = delay(ms, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`${what}: nothing within ${ms} ms`);
  });
  late.catch(() => {});
  return await Promise.race([promise, late]).finally(() => timer.abort());
}

/** What `look` finds once it finds nothing, or after the time in which it should. */
export async function settled<T>(look: () => readonly T[], ms = PATIENCE_MS): Promise<readonly T[]> {
  const deadline = Date.now() + ms;
  let found = look();
  while (found.length > 0 && Date.now() < deadline) {
    await delay(POLL_MS);
    found = look();
  }
  return found;
}

/** Lines that are no use to an operator: not in the log's format, or with a programmer's details. */
export function unreadable(logs: readonly Json[]): readonly string[] {
  return logs
    .filter(({ event }) => event !== 'server.stderr')
    .filter((line) => {
      const isPlain = line['raw'] === undefined && line['msg'] !== undefined && line['stack'] === undefined;
      return !isPlain || /\\n\s+at |unhandled|\(node:\d+\)/i.test(JSON.stringify(line));
    })
    .map((line) => JSON.stringify(line));
}

/** Of one answer that has failed, over any transport. */
export function faultOf(message: Json): { code: unknown; reason: unknown } {
  return { code: at(message, 'error', 'code'), reason: at(message, 'error', 'data', 'reason') };
}

function describe(pid: number): string {
  return `${pid} ${commandOf(pid)}`;
}
