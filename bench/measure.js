// What the rows of the bench have in common: gateways under one load, in turn, and the comparison of two of them.
import { startGateway } from './gateway.js';
import { openSession, runLoad } from './load.js';

/**
 * Measures the gateways of a row in turn, in every other round from the last to the first.
 * @returns for each round, the measurements by name
 */
export async function measureRounds({ gateways, load }, rounds) {
  const measured = [];
  for (let round = 0; round < rounds; round += 1) {
    const byName = {};
    for (const name of round % 2 === 0 ? gateways : gateways.toReversed())
      byName[name] = await measure(name, load);
    measured.push(byName);
  }
  return measured;
}

/**
 * Starts a gateway, loads it once to warm it up and once to measure it, and stops it.
 * @returns messages to the client per second, and CPU time of the gateway per message in µs: a call brings its result
 *   and, before that, the notifications of the load
 */
async function measure(name, { warmUp, calls, notifications = 0, ...load }) {
  const gateway = await startGateway(name);
  try {
    const { url, isModern } = gateway;
    const session = isModern ? undefined : await openSession(url);
    const run = (number) => runLoad({ ...load, url, session, calls: number, notifications, isModern });
    await run(warmUp);
    const cpuBefore = gateway.cpuMs();
    const wallMs = await run(calls);
    const cpuMs = gateway.cpuMs() - cpuBefore;
    const messages = calls * (notifications + 1);
    return { perSecond: (messages / wallMs) * 1000, cpuUs: (cpuMs / messages) * 1000 };
  } finally {
    await gateway.stop();
  }
}

/** @returns the median of a figure, `perSecond` or `cpuUs`, of one gateway */
export function figureOf(rounds, name, figure) {
  return median(rounds.map((round) => round[name][figure]));
}

/** @returns the median, over the rounds, of the figure of one gateway divided by that of another */
export function ratioOf(rounds, [ours, theirs], figure) {
  return median(rounds.map((round) => round[ours][figure] / round[theirs][figure]));
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
