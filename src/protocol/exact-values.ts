import { foldKey } from './folded-key.ts';
import { scanBeginning, type Member } from './scan.ts';

/** Servers may take different values for it: a key on the way is there twice, or in another spelling. */
export const AMBIGUOUS = 'ambiguous';

/** The JSON text of a value; undefined if there is none. */
export type ExactValue = Buffer | typeof AMBIGUOUS | undefined;

/**
 * Finds the values that paths of keys lead to. Each object on the way is scanned once, however many paths lead through it.
 * @param object JSON text; nothing is found in a value of another type
 * @returns the values in the order of the paths
 */
export function findValues(object: Buffer, paths: readonly (readonly string[])[]): ExactValue[] {
  const found = paths.map((): ExactValue => undefined);
  const wanted = paths.map((path, index) => ({ path, index }));
  findInto(found, object, wanted, 0);
  return found;
}

interface Wanted {
  readonly path: readonly string[];
  /** Where the value belongs among those that are found. */
  readonly index: number;
}

function findInto(found: ExactValue[], object: Buffer, wanted: readonly Wanted[], level: number): void {
  const further = new Map<string, Wanted[]>();
  for (const one of wanted) {
    const key = one.path[level];
    if (key === undefined) found[one.index] = object;
    else further.set(key, [...(further.get(key) ?? []), one]);
  }
  if (further.size === 0) return;
  const members = membersLike([...further.keys()], object);
  for (const [key, through] of further) {
    const [member, second] = members.get(foldKey(key)) ?? [];
    if (member === undefined) continue;
    if (second === undefined && member.key === key)
      findInto(found, object.subarray(member.start, member.end), through, level + 1);
    else for (const { index } of through) found[index] = AMBIGUOUS;
  }
}

/** The members with these keys in any spelling, by their folded keys. */
function membersLike(keys: readonly string[], object: Buffer): ReadonlyMap<string, Member[]> {
  const members = new Map(keys.map((key): [string, Member[]] => [foldKey(key), []]));
  for (const member of scanBeginning(object)?.members ?? []) members.get(foldKey(member.key))?.push(member);
  return members;
}
