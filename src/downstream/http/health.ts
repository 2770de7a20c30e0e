import type { HttpOptions } from '../downstream.ts';
import { sendJson } from './reply.ts';
import type { Route } from './route.ts';

/**
 * `/healthz`: this process answers. `/readyz`: its servers can be used. Open to anyone who can connect, so that probes
 * work: they tell states and names, nothing else.
 */
export function createHealthRoutes({ notReady, states }: HttpOptions): [path: string, route: Route][] {
  return [
    ['/healthz', { GET: ({ response }) => sendJson(response, 200, Buffer.from('{"status":"ok"}')) }],
    [
      '/readyz',
      {
        GET({ response }) {
          const problems = notReady();
          const body = {
            status: problems === undefined ? 'ready' : 'not ready',
            servers: states(),
            ...(problems !== undefined && { problems }),
          };
          void sendJson(response, problems === undefined ? 200 : 503, Buffer.from(JSON.stringify(body)));
        },
      },
    ],
  ];
}
