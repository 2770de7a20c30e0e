import type { Era } from '../../link/link.ts';

/**
 * What a server has shown to speak; undefined = nobody has found out. The era is a property of the server, not of a
 * request (2026-07-28, basic/versioning, backward compatibility), so what one client has found out serves all.
 */
export interface EraCache {
  legacy: boolean | undefined;
  modern: boolean | undefined;
  /** When an `initialize` of our own was not answered in time, in ms since 1970. */
  silentAt?: number;
}

/** @param pinned the only one that it is to be spoken to in */
export function createEraCache(pinned: Era | undefined): EraCache {
  if (pinned === undefined) return { legacy: undefined, modern: undefined };
  return { legacy: pinned === 'legacy', modern: pinned === 'modern' };
}
