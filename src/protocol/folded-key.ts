/** Combining dot above: what is left of a capital I with a dot once it is in lower case. */
const DOT = '\u0307';
/** Longer than any name that is looked for. */
const MAX_NAME = 64;
const ASCII = 128;
/** Keys that have as many characters once they are folded. */
// oxlint-disable-next-line no-control-regex
const PLAIN = /^[\x01-\x7f]*$/;

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
  readonly #lengths: ReadonlySet<number>;
  /** How folded names begin. */
  readonly #initials: ReadonlySet<string>;
  /** Whether a key may begin so, for each character of ASCII: most keys are told by that alone. */
  readonly #isInitial: readonly boolean[];

  constructor(...names: readonly string[]) {
    this.#names = new Set(names);
    this.#folded = new Map(names.map((name) => [foldKey(name), name]));
    this.#lengths = new Set([...this.#folded.keys()].map(({ length }) => length));
    this.#initials = new Set([...this.#folded.keys()].map((name) => name.slice(0, 1)));
    const isInitial = Array.from({ length: ASCII }, () => false);
    // In ASCII, a letter and its lower case are all that fold to it.
    for (const initial of this.#initials)
      for (const form of [initial, initial.toLowerCase()])
        if (form.charCodeAt(0) < ASCII) isInitial[form.charCodeAt(0)] = true;
    this.#isInitial = isInitial;
  }

  /** @returns the name that the key is another spelling of */
  imitatedBy(key: string): string | undefined {
    const mayBegin = this.#isInitial[key.charCodeAt(0)] ?? this.#initials.has(foldKey(key.slice(0, 1)));
    if (!mayBegin || this.#names.has(key)) return undefined;
    if (!this.#lengths.has(key.length) && PLAIN.test(key)) return undefined;
    return this.#folded.get(foldKey(key));
  }
}
