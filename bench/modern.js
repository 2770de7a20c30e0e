// Calls of revision 2026-07-28, each a POST without a session, to a server of that revision: mcp-run against the minimal
// forwarder, in turn.
import { measure, median, ratiosOf } from './measure.js';

/**
 * The targets are for the first, which needs as many calls again to warm up: until the code is compiled, the compiler
 * takes as much CPU as the calls.
 */
export const MODERN_LOADS = [
  { bytes: 100, calls: 8_000, warmUp: 16_000, concurrency: 8, isModern: true },
  { bytes: 100_000, calls: 600, concurrency: 64, isModern: true },
];
export const MODERN_TARGETS = { calls: 0.7, cpu: 1.6 };

/** @returns a row for each of the loads, medians of all rounds */
export async function measureModern(rounds) {
  const rows = [];
  for (const load of MODERN_LOADS) {
    const measured = [];
    for (let round = 0; round < rounds; round += 1) measured.push(await compare(load));
    const of = (pick) => median(measured.map(pick));
    rows.push({
      load,
      ours: { callsPerSecond: of(({ ours }) => ours.callsPerSecond), cpuUs: of(({ ours }) => ours.cpuUs) },
      theirs: {
        callsPerSecond: of(({ theirs }) => theirs.callsPerSecond),
        cpuUs: of(({ theirs }) => theirs.cpuUs),
      },
      calls: of(({ calls }) => calls),
      cpu: of(({ cpu }) => cpu),
    });
  }
  return rows;
}

async function compare(load) {
  const ours = await measure('modern server', load);
  const theirs = await measure('modern forwarder', load);
  return { ours, theirs, ...ratiosOf(ours, theirs) };
}
