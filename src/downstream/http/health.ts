import type { IncomingMessage } from 'node:http';
import type { HttpOptions } from '../listeners.ts';
import { sendJson } from './responses/reply.ts';
import type { Route } from './route.ts';

/** Liveness: this process answers. Probes reach it by any Host. */
export const LIVENESS_PATH = '/healthz';
/** Readiness: its servers can be used. */
const READINESS_PATH = '/readyz';

export type HealthOptions = Pick<HttpOptions, 'readiness'> & {
  /** Whether the request proves that its client may use the servers. */
  readonly isAuthenticated: (request: IncomingMessage) => boolean;
};

/**
 * Open to every client that can connect, so that probes work: an anonymous one is answered in codes of a fixed
 * vocabulary, without the names of servers, hints or times.
 */
export function createHealthRoutes({
  readiness,
  isAuthenticated,
}: HealthOptions): [path: string, route: Route][] {
  return [
    [LIVENESS_PATH, { GET: ({ response }) => sendJson(response, 200, Buffer.from('{"status":"ok"}')) }],
    [
      READINESS_PATH,
      {
        GET({ request, response }) {
          const { codes, servers, problems } = readiness();
          const isReady = codes.length === 0;
          const body = {
            status: isReady ? 'ready' : 'not ready',
            ...(!isReady && { reasons: codes }),
            ...(isAuthenticated(request) && { servers, ...(!isReady && { problems }) }),
          };
          void sendJson(response, isReady ? 200 : 503, Buffer.from(JSON.stringify(body)));
        },
      },
    ],
  ];
}
