// What the rows of the bench have in common: one gateway under one load, and the comparison of two of them.
import { startGateway } from './gateway.js';
import { openSession, runLoad } from './load.js';

/**
 * Starts a gateway, loads it once to warm it up and once to measure it, and stops it.
 * @param {string} name of `GATEWAYS`
 * @param {{ bytes: number, calls: number, warmUp?: number, concurrency: number, isModern?: boolean }} load `warmUp`: calls
 *   that are not measured, a quarter of the others by default
 * @returns calls per second, and CPU time of the gateway per call in µs
 */
export async function measure(
  name,
  { bytes, calls, warmUp = Math.ceil(calls / 4), concurrency, isModern = false },
) {
  const gateway = await startGateway(name);
  try {
    const session = isModern ? undefined : await openSession(gateway.url);
    const load = { url: gateway.url, session, concurrency, bytes, isModern };
    await runLoad({ ...load, calls: warmUp });
    const cpuBefore = gateway.cpuMs();
    const wallMs = await runLoad({ ...load, calls });
    return { callsPerSecond: (calls / wallMs) * 1000, cpuUs: ((gateway.cpuMs() - cpuBefore) / calls) * 1000 };
  } finally {
    await gateway.stop();
  }
}

/** @returns how many times the calls, and the CPU per call, of the second one the first one has */
export function ratiosOf(ours, theirs) {
  return { calls: ours.callsPerSecond / theirs.callsPerSecond, cpu: ours.cpuUs / theirs.cpuUs };
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
