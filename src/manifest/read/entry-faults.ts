import type { KeyPath, ManifestDiagnostic } from './diagnostics.ts';

/** Faults that the parser found although it could go on, by the part of the file that they concern. */
export interface SortedFaults {
  readonly ofFile: readonly ManifestDiagnostic[];
  /** By `keyOfEntry`. */
  readonly ofEntries: ReadonlyMap<string, readonly ManifestDiagnostic[]>;
  /** Each in an item of a list of inputs. */
  readonly ofInputs: readonly ManifestDiagnostic[];
}

/** What an entry is found by: its path, as text. */
export function keyOfEntry(path: KeyPath): string {
  return JSON.stringify(path);
}

/**
 * A key that occurs twice inside one entry is no reason to reject the file.
 * @param sections the places that hold servers
 * @param inputs the places that hold inputs
 */
export function sortFaults(
  faults: readonly ManifestDiagnostic[],
  sections: readonly KeyPath[],
  inputs: readonly KeyPath[],
): SortedFaults {
  const ofFile: ManifestDiagnostic[] = [];
  const ofEntries = new Map<string, ManifestDiagnostic[]>();
  const ofInputs: ManifestDiagnostic[] = [];
  for (const fault of faults) {
    const section = sections.find((place) => isInside(fault.path, place));
    if (section !== undefined) {
      const key = keyOfEntry(fault.path.slice(0, section.length + 1));
      ofEntries.set(key, [...(ofEntries.get(key) ?? []), fault]);
    } else if (inputs.some((place) => isInside(fault.path, place))) ofInputs.push(fault);
    else ofFile.push(fault);
  }
  return { ofFile, ofEntries, ofInputs };
}

function isInside(path: KeyPath, place: KeyPath): boolean {
  return path.length > place.length && place.every((key, index) => path[index] === key);
}
