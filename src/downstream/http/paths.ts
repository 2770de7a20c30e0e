import { RunError } from '../../errors.ts';
import type { Route } from './route.ts';

/** What a path leads to. */
export interface Place {
  /** Method → what it does. */
  readonly handlers: ReadonlyMap<string, Route[string]>;
  /** For the `Allow` header. */
  readonly allow: string;
  readonly server: string;
}

export interface Paths {
  add(path: string, route: Route, server: string): void;
  /**
   * Where a request target (RFC 9112, section 3.2) leads. A slash at its end and a query make no difference.
   * @throws RunError `INVALID_REQUEST` if it cannot be decoded.
   */
  find(target: string): Place | undefined;
}

/** The paths of a listener. What was added last to a path counts. */
export function createPaths(): Paths {
  const places = new Map<string, Place>();

  return {
    add(path, route, server) {
      const handlers = new Map(Object.entries(route));
      places.set(normalise(path), { handlers, allow: [...handlers.keys()].join(', '), server });
    },
    // Most clients write a path as it was told to them.
    find: (target) => places.get(target) ?? places.get(normalise(pathOf(target))),
  };
}

/** The path of a request target, which a proxy may send with scheme and host in front. */
export function pathOf(target: string): string {
  return target.replace(/^https?:\/\/[^/?]*/i, '').replace(/[?#].*$/s, '');
}

/** Segments that mean the same are written the same, so that no encoding leads around a comparison. */
function normalise(path: string): string {
  const segments = path.replace(/(?<=.)\/$/, '').split('/');
  try {
    return segments.map((segment) => encodeURIComponent(decodeURIComponent(segment))).join('/');
  } catch (error) {
    const detail = `the path ${path} cannot be decoded`;
    throw new RunError('INVALID_REQUEST', { detail }, { cause: error });
  }
}
