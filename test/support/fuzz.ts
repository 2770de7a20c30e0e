import { TIER } from '../../scripts/tiers.js';

export interface Fuzz {
  readonly seed: number;
  readonly numRuns: number;
}

/** The seed of a random test, and how many inputs it has: `runs` and the same ones in the quick tier. */
export function fuzz(runs: number): Fuzz {
  const { seed = newSeed(), fuzzFactor } = TIER;
  return { seed, numRuns: fuzzFactor * runs };
}

export function newSeed(): number {
  return Math.floor(Math.random() * 2 ** 31);
}
