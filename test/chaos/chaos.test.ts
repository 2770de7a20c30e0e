/**
 * Clients without manners on servers that die, for as long and as the tier has it (`scripts/tiers.js`): every request
 * of a connected client has exactly one answer, its own; nothing hangs; nothing is left, be it processes or memory.
 */
import { describe, expect, test } from 'vitest';
import { TIER } from '../../scripts/tiers.js';
import { settled, unreadable } from '../abuse/harness.ts';
import { newSeed } from '../support/fuzz.ts';
import { measurable, type Measurable } from '../support/memory.ts';
import { serve, startMcpRun, type ListeningMcpRun } from '../support/mcp-run.ts';
import { fixtureServer } from '../support/paths.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { childrenOf, commandOf, orphans } from '../support/processes.ts';
import { act, type Tally } from './client.ts';
import { createRandom } from '../support/random.ts';

const { chaosMs: DURATION_MS, seed: SEED = newSeed() } = TIER;
const ACTORS = 6;
/**
 * Short enough for all to end after a round, and long enough for clients on a busy machine. A question that was taken for
 * that of a cancelled call is given up before the call that has asked it times out.
 */
const LIMITS = [
  ...['--session-idle', '6s'],
  ...['--child-idle', '2s'],
  ...['--input-ttl', '6s'],
  ...['--request-timeout', '20s'],
  ...['--max-request-time', '25s'],
  ...['--drain-timeout', '1s'],
];
/** The longest that a session lives whose client is gone: its calls time out, and then it is idle. */
const ABANDONED_MS = 25_000 + 6_000;

const ISOLATIONS = ['session', 'shared'] as const;
type Isolation = (typeof ISOLATIONS)[number];
/** Two for each, and a short one before. */
const ROUND_MS = DURATION_MS / ISOLATIONS.length / 2.25;

describe.each(ISOLATIONS)('isolation: %s', (isolation) => {
  test(`survives chaos (seed ${SEED})`, { timeout: DURATION_MS + 5 * PATIENCE_MS }, async () => {
    const server = fixtureServer('behaviours', '--grandchild');
    const memory = measurable();
    const gateway = await startMcpRun(
      serve(['--http', '--sse'], server, '--isolation', isolation, ...LIMITS),
      { env: memory.env },
    );
    // The first clients warm the code up, and make it the room that it needs.
    await play(gateway, isolation, ROUND_MS / 4);
    const first = await playRound(gateway, memory, isolation, ROUND_MS);
    const second = await playRound(gateway, memory, isolation, ROUND_MS);
    const summary = `seed ${SEED}: ${first.summary}; ${second.summary}`;
    process.stdout.write(`${summary}\n`);
    expect([...first.violations, ...second.violations], summary).toEqual([]);
    expect(second.restMb / first.restMb, summary).toBeLessThan(1.2);
    const pids = childrenOf(gateway.pid);
    expect(await gateway.stop()).toEqual({ code: 0, signal: null });
    expect(await orphans(pids)).toEqual([]);
    expect(unreadable(gateway.logs)).toEqual([]);
  });
});

interface Round {
  readonly violations: readonly string[];
  readonly restMb: number;
  readonly summary: string;
}

/** Every round of a seed has the same plan. */
async function play({ url }: ListeningMcpRun, isolation: Isolation, durationMs: number): Promise<Tally> {
  const tally: Tally = { violations: [], steps: new Map(), answers: 0 };
  const until = Date.now() + durationMs;
  const isShared = isolation === 'shared';
  const urls = { http: `${url}/mcp`, sse: `${url}/sse` };
  await Promise.all(
    Array.from({ length: ACTORS }, (_, index) =>
      act({ name: `client ${index}`, random: createRandom(SEED + index), urls, tally, until, isShared }),
    ),
  );
  return tally;
}

async function playRound(
  gateway: ListeningMcpRun,
  memory: Measurable,
  isolation: Isolation,
  durationMs: number,
): Promise<Round> {
  const { pid } = gateway;
  const tally = await play(gateway, isolation, durationMs);
  // A shared server stays, with its grandchild.
  const allowed = isolation === 'shared' ? 2 : 0;
  const left = await settled(() => serversOf(pid).slice(allowed));
  const restMb = await restOf(memory, pid);
  const steps = [...tally.steps].map(([name, count]) => `${count} ${name}`).join(', ');
  return {
    violations: [...tally.violations, ...left.map((orphan) => `orphan: ${orphan} ${commandOf(orphan)}`)],
    restMb,
    summary: `${tally.answers} answers in ${steps}, then ${restMb.toFixed(0)} MB`,
  };
}

/** MB that are left of a round: the least until the last session that it has abandoned has ended. */
async function restOf(memory: Measurable, pid: number): Promise<number> {
  let least = Infinity;
  for (const until = Date.now() + ABANDONED_MS; Date.now() < until;)
    least = Math.min(least, await memory.liveMb(pid));
  return least;
}

function serversOf(pid: number): number[] {
  return childrenOf(pid).filter((child) => commandOf(child).includes('fixtures/servers/'));
}
