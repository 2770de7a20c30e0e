/** Admission stands in front of every path, whichever way it is declared. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createServer } from 'node:http';
import { fastify, type FastifyInstance, type RouteOptions } from 'fastify';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { createApp } from '../../../src/downstream/http/app.ts';
import { HttpEndpoints, type HttpEndpointsOptions } from '../../../src/downstream/http/endpoints.ts';
import { createRecordingLog } from '../../observe/recording-log.ts';
import { DEFAULTS } from '../../gateway/settings.ts';

const OPTIONS: HttpEndpointsOptions = {
  ...DEFAULTS,
  http: true,
  sse: true,
  servers: ['files', '@a/b'],
  boundTo: () => ['127.0.0.1'],
  prefix: '',
  tokens: [],
  health: true,
  admit: () => {},
  accept: () => expect.unreachable(),
  begin: () => expect.unreachable(),
  readiness: () => ({ codes: [], servers: {}, problems: {} }),
  log: createRecordingLog(),
};

function createEndpoints(options: Partial<HttpEndpointsOptions> = {}): HttpEndpoints {
  const endpoints = new HttpEndpoints({ ...OPTIONS, ...options }, systemClock);
  onTestFinished(() => endpoints.close());
  return endpoints;
}

/** Collects the routes of an application. */
function collectRoutes(app: FastifyInstance): RouteOptions[] {
  const routes: RouteOptions[] = [];
  app.addHook('onRoute', (route) => void routes.push(route));
  onTestFinished(() => app.close());
  return routes;
}

/** The statuses that a foreign Host gets on every path with every method, apart from liveness. */
async function statusesOf(
  app: FastifyInstance,
  routes: readonly RouteOptions[],
): Promise<Record<string, number>> {
  const statuses: Record<string, number> = {};
  for (const { method, url } of routes) {
    for (const each of [method].flat()) {
      const path = url.replaceAll(/:server\d*/g, 'files').replace('*', 'any');
      const request = { method: each as 'GET', url: path, headers: { host: 'foreign.example' } };
      if (path !== '/healthz' && path !== '/healthz/')
        statuses[`${each} ${url}`] = (await app.inject(request)).statusCode;
    }
  }
  return statuses;
}

describe('every route', () => {
  it.each([
    ['with sessions', {}],
    ['without sessions', { stateless: true }],
    ['of one server', { servers: ['files'] }],
    ['that pages may use', { cors: ['https://app.example'] }],
  ])('of the application of `mcp-run serve` rejects a foreign Host: %s', async (_title, options) => {
    const created: { routes: readonly RouteOptions[] } = { routes: [] };
    const onCreated = (message: unknown): void => {
      const { fastify: app } = message as { fastify: FastifyInstance };
      created.routes = collectRoutes(app);
    };
    subscribe('fastify.initialization', onCreated);
    onTestFinished(() => void unsubscribe('fastify.initialization', onCreated));
    const app = await createApp({ createServer, endpoints: createEndpoints(options) });
    const statuses = await statusesOf(app, created.routes);
    expect(Object.keys(statuses).length).toBeGreaterThan(50);
    expect(Object.entries(statuses).filter(([, status]) => status !== 403)).toEqual([]);
    for (const url of ['/', '/nowhere', '/files', '/a/b/c/d'])
      expect((await app.inject({ url, headers: { host: 'foreign.example' } })).statusCode).toBe(403);
  });

  it('of a scope with the endpoints rejects a foreign Host, one of another listener as well', async () => {
    const app = fastify();
    const routes = collectRoutes(app);
    await app.register(
      async (scope) => {
        await createEndpoints({ prefix: '/tools' }).declare(scope);
        scope.get('/later', ({ mcpRun }) => mcpRun);
        scope.post('/later', { onRequest: async () => {} }, ({ mcpRun }) => mcpRun);
        await scope.register(async (inner) => void inner.get('/inner', ({ mcpRun }) => mcpRun));
      },
      { prefix: '/tools' },
    );
    app.get('/own', () => 'own');
    const { 'GET /own': own, 'HEAD /own': head, ...others } = await statusesOf(app, routes);
    expect([own, head]).toEqual([200, 200]);
    expect(others).toMatchObject({
      'GET /tools/later': 403,
      'POST /tools/later': 403,
      'GET /tools/inner': 403,
    });
    const probes = Object.entries(others).filter(([path]) => !path.includes('/healthz'));
    expect(probes.filter(([, status]) => status !== 403)).toEqual([]);
    for (const url of ['/tools/later', '/tools/inner']) {
      const admitted = await app.inject({ url, headers: { host: 'localhost' } });
      expect(admitted.json()).toMatchObject({ principal: { id: 'local' } });
    }
  });
});
