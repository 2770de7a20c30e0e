/** The names of servers, as the parameters of a path may spell them. */
export class ServerNames {
  readonly #exact: ReadonlySet<string>;
  /** Spellings that a name may take on its way → the name. */
  readonly #changed = new Map<string, string>();
  /** How many segments of a path the names take. */
  readonly #lengths = new Set([1]);

  constructor(names: readonly string[]) {
    this.#exact = new Set(names);
    for (const name of names) {
      for (const spelling of changedSpellings(name)) this.#changed.set(spelling, name);
      for (const spelling of [name, ...changedSpellings(name)]) this.#lengths.add(spelling.split('/').length);
    }
  }

  /** The parametric paths of an endpoint below all names; a slash in a name may be there as it is. */
  pathsTo(path: string): readonly string[] {
    return [...this.#lengths].map((length) => {
      const parameters = Array.from({ length }, (_, index) => `/:${parameterAt(index)}`);
      return parameters.join('') + path;
    });
  }

  /** The name that the decoded parameters of a path spell. A prefix may have parameters of its own. */
  find(parameters: unknown): string | undefined {
    if (typeof parameters !== 'object' || parameters === null) return undefined;
    let spelled = segmentAt(parameters, 0) ?? '';
    for (let index = 1; ; index++) {
      const segment = segmentAt(parameters, index);
      if (segment === undefined) break;
      spelled += `/${segment}`;
    }
    return this.#exact.has(spelled) ? spelled : this.#changed.get(spelled);
  }
}

function parameterAt(index: number): string {
  return index === 0 ? 'server' : `server${index + 1}`;
}

function segmentAt(parameters: object, index: number): string | undefined {
  const segment: unknown = Reflect.get(parameters, parameterAt(index));
  return typeof segment === 'string' ? segment : undefined;
}

/**
 * The spellings that proxies and editors make of a name: those merge slashes, these compose characters in different
 * ways. Names that differ in nothing else are rejected with the manifest.
 */
function changedSpellings(name: string): readonly string[] {
  const merged = name.replaceAll(/\/+/g, '/').replaceAll(/^\/|\/$/g, '');
  return [name, merged].flatMap((each) => [each.normalize(), each.normalize('NFD'), each]);
}

/** The request target's path without that of an endpoint, with the name as it is spelled there. */
export function prefixOf(target: string, path: string): string {
  const name = segmentsOf(pathOf(target)).slice(0, -segmentsOf(path).length);
  return name.map((segment) => `/${segment}`).join('');
}

/** The path of a request target, which a proxy may send with scheme and host in front. No target has a fragment. */
export function pathOf(target: string): string {
  return target.replace(/^https?:\/\/[^/?#]*/i, '').replace(/\?.*$/s, '');
}

/** A slash at the end makes no difference. */
function segmentsOf(path: string): readonly string[] {
  return path
    .replace(/(?<=.)\/$/, '')
    .split('/')
    .slice(1);
}
