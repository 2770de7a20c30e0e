import type { Problem } from './problems.ts';

/** Faults that the parser found although it could go on, by the part of the file that they concern. */
export interface SortedFaults {
  readonly ofFile: readonly Problem[];
  /** By the JSON of the entry's path. */
  readonly ofEntries: ReadonlyMap<string, readonly Problem[]>;
  /** Each in an item of `inputs`. */
  readonly ofInputs: readonly Problem[];
}

/** A key that occurs twice inside one entry is no reason to reject the file. */
export function sortFaults(faults: readonly Problem[], serverKeys: readonly string[]): SortedFaults {
  const ofFile: Problem[] = [];
  const ofEntries = new Map<string, Problem[]>();
  const ofInputs: Problem[] = [];
  for (const fault of faults) {
    const [block, name] = fault.path;
    if (typeof block === 'string' && typeof name === 'string' && serverKeys.includes(block)) {
      const key = JSON.stringify([block, name]);
      ofEntries.set(key, [...(ofEntries.get(key) ?? []), fault]);
    } else if (block === 'inputs' && typeof name === 'number') ofInputs.push(fault);
    else ofFile.push(fault);
  }
  return { ofFile, ofEntries, ofInputs };
}
