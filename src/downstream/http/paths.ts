import { RunError } from '../../errors.ts';
import type { Route } from './route.ts';

/** One endpoint of MCP. */
export interface Endpoint {
  /** Method → its handler. */
  readonly handlers: ReadonlyMap<string, Route[string]>;
  /** For the `Allow` header. */
  readonly allow: string;
  readonly server: string;
}

/** The paths of a listener. The last endpoint that was added to a path counts. */
export class Paths {
  readonly #announced = new Map<string, Endpoint>();
  readonly #decoded = new Map<string, Endpoint>();
  /** The same under the forms that a name may take on its way. */
  readonly #changed = new Map<string, Endpoint>();
  /** How many segments the paths of endpoints have. */
  readonly #lengths = new Set<number>();

  /**
   * @param name undefined: without a name
   * @param path of the endpoint, below the name of its server
   */
  add(name: string | undefined, path: string, route: Route, server: string): void {
    const handlers = new Map(Object.entries(route));
    const endpoint = { handlers, allow: [...handlers.keys()].join(', '), server };
    this.#announced.set(name === undefined ? path : `/${encodeURIComponent(name)}${path}`, endpoint);
    this.#decoded.set(keyOf(name, path), endpoint);
    for (const form of changedForms(name)) this.#changed.set(keyOf(form, path), endpoint);
    this.#lengths.add(segmentsOf(path).length);
  }

  /**
   * The endpoint of a request target (RFC 9112, section 3.2). A slash at its end and a query make no difference, nor does
   * the spelling of a name: proxies encode and decode what they pass on, slashes in it included.
   * @throws RunError `INVALID_REQUEST` if it cannot be decoded.
   */
  find(target: string): Endpoint | undefined {
    // Most clients write a path as it was announced to them.
    return this.#announced.get(target) ?? this.#findSpelled(segmentsOf(pathOf(target)));
  }

  #findSpelled(segments: readonly string[]): Endpoint | undefined {
    for (const length of this.#lengths) {
      const [name, path] = [segments.slice(0, -length), segments.slice(-length)];
      const decoded = path.map(decode);
      // A slash that belongs to the path of an endpoint is not encoded.
      if (decoded.some((segment) => segment.includes('/'))) continue;
      const key = keyOf(name.length === 0 ? undefined : decode(name.join('/')), `/${decoded.join('/')}`);
      const endpoint = this.#decoded.get(key) ?? this.#changed.get(key);
      if (endpoint !== undefined) return endpoint;
    }
    return undefined;
  }
}

/** No name holds the character between the two. */
function keyOf(name: string | undefined, path: string): string {
  return name === undefined ? path : `${name}\0${path}`;
}

/**
 * What proxies and editors make of a name: those merge slashes, these compose characters in different ways. Names that
 * differ in nothing else are refused with the manifest.
 */
function changedForms(name: string | undefined): readonly string[] {
  if (name === undefined) return [];
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

/** Once, so that `%252F` is a literal `%2F`. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw new RunError('INVALID_REQUEST', { detail: `the path ${text} cannot be decoded` }, { cause: error });
  }
}
