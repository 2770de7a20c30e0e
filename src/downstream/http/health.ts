import type { FastifyRequest } from 'fastify';
import type { EndpointOptions } from '../listeners.ts';
import type { ProbeAccess } from './admit/admission.ts';
import { sendJson } from './responses/reply.ts';
import type { Route } from './route.ts';

/** Liveness: this process answers. Probes reach it by any Host. */
const LIVENESS_PATH = '/healthz';
/** Readiness: its servers can be used. */
const READINESS_PATH = '/readyz';

/** Path → the probes that it is open to. @param prefix in front of all paths; empty for none */
export function probesBelow(prefix: string): ReadonlyMap<string, ProbeAccess> {
  const base = prefix.replace(/\/$/, '');
  return new Map([
    [`${base}${LIVENESS_PATH}`, 'liveness'],
    [`${base}${READINESS_PATH}`, 'readiness'],
  ]);
}

export type HealthOptions = Pick<EndpointOptions, 'readiness'> & {
  /** Whether the request proves that its client may use the servers. */
  readonly isAuthenticated: (request: FastifyRequest) => Promise<boolean>;
};

/**
 * Open to every client that can connect, so that probes work: an anonymous one is answered in codes of a fixed
 * vocabulary, without the names of servers, hints or times.
 */
export function createHealthRoutes({ readiness, isAuthenticated }: HealthOptions): readonly Route[] {
  return [
    {
      path: LIVENESS_PATH,
      handlers: { GET: ({ reply }) => sendJson(reply, 200, Buffer.from('{"status":"ok"}')) },
    },
    {
      path: READINESS_PATH,
      handlers: {
        async GET({ reply }) {
          const isKnown = await isAuthenticated(reply.request);
          const { codes, servers, problems } = readiness();
          const isReady = codes.length === 0;
          const body = {
            status: isReady ? 'ready' : 'not ready',
            ...(!isReady && { reasons: codes }),
            ...(isKnown && { servers, ...(!isReady && { problems }) }),
          };
          void sendJson(reply, isReady ? 200 : 503, Buffer.from(JSON.stringify(body)));
        },
      },
    },
  ];
}
