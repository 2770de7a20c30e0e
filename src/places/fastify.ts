import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify';
import fastifyPlugin from 'fastify-plugin';
import { systemClock } from '../clock.ts';
import { HttpEndpoints } from '../downstream/http/endpoints.ts';
import type { Authenticate, Listener } from '../downstream/listeners.ts';
import type { Transport } from '../config/types.ts';
import { isRunError, RunError } from '../errors.ts';
import { createGateway, type Application } from '../gateway/gateway.ts';
import type { Principal } from '../link/principal.ts';
import { loadManifest } from '../manifest/load.ts';
import type { Manifest } from '../manifest/settings.ts';
import { logTo } from '../observe/host-log.ts';
import { secretsOf } from '../observe/known-secrets.ts';
import type { Log } from '../observe/log.ts';
import { createMask } from '../observe/mask.ts';
import { maskLog } from '../observe/masked-log.ts';
import { redact } from '../observe/redact.ts';
import { closeWith } from './closing.ts';

/** The client of a request: its id alone, or with the claims that the application knows of it. Nothing: 401. */
export type Identity = string | Partial<Principal> | null | undefined;

export interface McpRunOptions {
  /** As `loadManifest` returns it, or the path of a file. */
  readonly manifest: Manifest | string;
  /** In front of all paths, such as `/tools`; none by default. */
  readonly prefix?: string;
  /**
   * Tells clients apart: processes, sessions and tasks belong to the `id`. Takes the place of the manifest's tokens;
   * without either, every client is the same one.
   */
  readonly principal?: (request: FastifyRequest) => Identity | Promise<Identity>;
  /** Whether `<prefix>/healthz` and `<prefix>/readyz` are served as well; not by default. */
  readonly health?: boolean;
}

const NETWORK: readonly Transport[] = ['http', 'sse'];
/** The application listens: the address in a manifest does not tell which clients can connect. */
const ELSEWHERE = { host: '127.0.0.1' };

/**
 * MCP's endpoints as a Fastify plugin: `<prefix>/mcp` and `<prefix>/sse`, and below `<prefix>/<name>/` for each server. Hooks
 * of the application run first. Closing the application ends running calls after the manifest's drain time.
 * @throws RunError as `loadManifest` does; `NO_SERVERS`
 */
const mcpRun: FastifyPluginAsync<McpRunOptions> = async (app, options) => {
  const manifest = await manifestOf(options.manifest);
  const log = logTo(app.log.child({ plugin: 'mcp-run' }));
  const gateway = createGateway({ manifest, log, application: applicationOf(app, options) });
  closeWith(app, gateway, systemClock);
  reportManifest(manifest, log);
  await gateway.start();
};

export default fastifyPlugin(mcpRun, { name: 'mcp-run', fastify: '5.x', encapsulate: true });

/** A manifest without stdio, which an application does not serve. */
async function manifestOf(manifest: Manifest | string): Promise<Manifest> {
  const loaded = typeof manifest === 'string' ? await load(manifest) : manifest;
  if (loaded?.settings === undefined)
    throw new RunError('USAGE', {
      detail: 'the option `manifest` has to be a path, or what loadManifest returns',
    });
  const network = loaded.settings.transports.filter((transport) => transport !== 'stdio');
  const transports = network.length === 0 ? NETWORK : network;
  return { ...loaded, settings: { ...loaded.settings, transports } };
}

async function load(file: string): Promise<Manifest> {
  const files = [file];
  try {
    return await loadManifest({ files, overrides: ELSEWHERE });
  } catch (error) {
    // Over stdio only one of its servers could be served.
    if (!isRunError(error, 'SERVER_AMBIGUOUS')) throw error;
    return await loadManifest({ files, overrides: { ...ELSEWHERE, transports: NETWORK } });
  }
}

/** The texts quote the manifest, which may hold secrets; what the gateway logs it masks by itself. */
function reportManifest({ servers, rejected = [], warnings }: Manifest, log: Log): void {
  const masked = maskLog(log, createMask(servers.flatMap(({ target }) => secretsOf(target))));
  for (const warning of warnings) masked.warn({ event: 'manifest.warning' }, warning);
  for (const { name, error } of rejected) {
    const text = `rejected server "${name}"; the others are served: ${redact(error.message)}`;
    masked.error({ event: 'manifest.entry-rejected', server: name, code: error.code }, text);
  }
}

function applicationOf(app: FastifyInstance, { principal, health = false }: McpRunOptions): Application {
  let bound: readonly string[] = [];
  const boundTo = (): readonly string[] => {
    // A Unix socket has a path, and clients of other machines may come by it.
    if (bound.length === 0) bound = app.addresses().map((at) => (typeof at === 'string' ? at : at.address));
    return bound;
  };
  return {
    boundTo,
    authenticate: principal && authenticateBy(principal),
    async open(options, clock): Promise<Listener> {
      const endpoints = new HttpEndpoints({ ...options, health, boundTo, prefix: app.prefix }, clock);
      await endpoints.declare(app);
      endpoints.start();
      return endpoints;
    },
  };
}

function authenticateBy(identify: NonNullable<McpRunOptions['principal']>): Authenticate {
  return async (request) => principalOf(await identify(request));
}

/** @throws RunError `UNAUTHORIZED`, `INTERNAL` */
function principalOf(identity: Identity): Principal {
  if (identity === undefined || identity === null)
    throw new RunError('UNAUTHORIZED', { detail: 'the application does not know the client' });
  const { id, claims = {} } = typeof identity === 'string' ? { id: identity } : identity;
  if (typeof id === 'string' && id !== '') return { id, claims };
  throw new RunError('INTERNAL', { detail: 'the option `principal` has to return an id' });
}
