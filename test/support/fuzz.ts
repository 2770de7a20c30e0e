import { TIER } from '../../scripts/tiers.js';

export interface Fuzz {
  readonly seed: number;
  readonly numRuns: number;
}

/** @param runs the number of inputs in the quick tier, which are the same in every run */
export function fuzz(runs: number): Fuzz {
  const { seed = newSeed(), fuzzFactor } = TIER;
  return { seed, numRuns: fuzzFactor * runs };
}

export function newSeed(): number {
  return Math.floor(Math.random() * 2 ** 31);
}
