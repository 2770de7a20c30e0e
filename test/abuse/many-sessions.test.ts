/** Hundreds of clients that come and are never seen again. */
import { describe, expect, test } from 'vitest';
import type { Json } from '../support/json.ts';
import { measurable } from '../support/memory.ts';
import { connectPeer } from '../support/peer.ts';
import { ROOT } from '../support/paths.ts';
import { inTime, ISOLATIONS, NETWORK, setUpHarness, type Network } from './harness.ts';

const TINY = ['/bin/sh', `${ROOT}fixtures/servers/tiny.sh`];
/** Of a round: there are two for each transport. */
const SESSIONS = { session: 200, shared: 1_250 } as const;
const PROCESSES = { session: 200, shared: 1 } as const;
const AT_ONCE = 25;
const LIMITS = ['--session-idle', '2s', '--max-children', '250', '--children-per-server', '250'];

describe.each(ISOLATIONS)('isolation: %s', (isolation) => {
  const memory = measurable();
  const world = setUpHarness(
    { tiny: TINY },
    {
      isolation,
      env: memory.env,
      used: isolation === 'shared' ? ['tiny'] : [],
      isIdleShort: true,
      args: [...LIMITS, '--log-level', 'debug'],
    },
  );

  test.each(NETWORK)('sessions over %s that are opened and abandoned leave nothing behind', async (kind) => {
    // What the first round leaves is warm code and room for it; the second must not need more.
    const [first, second] = [await restAfter(kind), await restAfter(kind)];
    expect(second / first).toBeLessThan(1.2);
  });

  /** MB that mcp-run holds when all are gone. */
  async function restAfter(kind: Network): Promise<number> {
    let rest = 0;
    await world.survives(async () => {
      await openAndAbandon(kind);
      rest = await memory.liveMb(world.gateway.pid);
    });
    return rest;
  }

  async function openAndAbandon(kind: Network): Promise<void> {
    const known = isolation === 'shared' ? 0 : startedTiny().length;
    for (let count = 0; count < SESSIONS[isolation]; count += AT_ONCE) {
      const peers = await inTime(
        Promise.all(
          Array.from({ length: AT_ONCE }, () =>
            connectPeer(kind, world.url(kind, 'tiny'), { withoutStream: true }),
          ),
        ),
        'the sessions',
      );
      peers.forEach((peer) => peer.drop());
    }
    await expect.poll(() => startedTiny().length - known).toBe(PROCESSES[isolation]);
  }

  function startedTiny(): readonly Json[] {
    return world.gateway.logs.filter(({ event, server }) => event === 'server.started' && server === 'tiny');
  }
});
