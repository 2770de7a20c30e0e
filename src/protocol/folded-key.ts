/** Combining dot above: what is left of a capital I with a dot once it is in lower case. */
const DOT = '\u0307';
/** Longer than any name that is looked for. */
const MAX_NAME = 64;

/**
 * The same text for all keys that some parser takes for each other: parsers that ignore case (Go, .NET, Java) take the long s
 * for an s and the Kelvin sign for a k, and those that keep keys as C strings end a key at its first NUL.
 */
export function foldKey(key: string): string {
  const [text = ''] = key.slice(0, MAX_NAME).split('\0', 1);
  // Lower case turns the Kelvin sign into a k, upper case the long s into an S.
  return text.toLowerCase().replaceAll(DOT, '').toUpperCase();
}

/** Names of which no other spelling is to stand beside them, or in their place. */
export class ExactNames {
  readonly #names: ReadonlySet<string>;
  /** Folded name → name. */
  readonly #folded: ReadonlyMap<string, string>;
  /** How folded names begin. */
  readonly #initials: ReadonlySet<string>;

  constructor(...names: readonly string[]) {
    this.#names = new Set(names);
    this.#folded = new Map(names.map((name) => [foldKey(name), name]));
    this.#initials = new Set([...this.#folded.keys()].map((name) => name.slice(0, 1)));
  }

  /** @returns the name that the key is another spelling of */
  imitatedBy(key: string): string | undefined {
    if (this.#names.has(key) || !this.#initials.has(foldKey(key.slice(0, 1)))) return undefined;
    return this.#folded.get(foldKey(key));
  }
}
