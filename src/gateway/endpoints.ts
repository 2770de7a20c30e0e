import type { Transport } from '../config/types.ts';
import type { Manifest } from '../manifest/settings.ts';

/** Where one server can be reached; absolute URLs. */
export interface ServerEndpoints {
  readonly name: string;
  readonly http?: string;
  readonly sse?: string;
}

/** The servers of a gateway, and where they are served. */
export interface Endpoints {
  /** Of the HTTP listener, if there is one. */
  readonly url?: string;
  readonly transports: readonly Transport[];
  readonly servers: readonly ServerEndpoints[];
}

/** @param url of the HTTP listener; clients get the public one, if the settings have it */
export function describeEndpoints(manifest: Manifest, url: string | undefined): Endpoints {
  const { settings, servers, rejected = [] } = manifest;
  const { transports, httpPath, ssePath } = settings;
  if (url === undefined) return { transports, servers: servers.map(({ name }) => ({ name })) };
  const base = settings.baseUrl?.replace(/\/$/, '') ?? url;
  // A URL that clients are given must not change when the error in another entry is mended.
  const isAlone = servers.length === 1 && rejected.length === 0;
  const served = servers.map(({ name }): ServerEndpoints => {
    const root = isAlone ? base : `${base}/${encodeURIComponent(name)}`;
    return {
      name,
      ...(transports.includes('http') ? { http: `${root}${httpPath}` } : {}),
      ...(transports.includes('sse') ? { sse: `${root}${ssePath}` } : {}),
    };
  });
  return { url, transports, servers: served };
}
