import type { LookupFunction } from 'node:net';
import type { Dispatcher } from 'undici';
import type { Clock } from '../../clock.ts';
import type { TlsSettings } from '../../config/types.ts';
import { NodeHttpDispatcher } from './node-http-dispatcher.ts';
import type { HttpDispatcher } from './http-call.ts';
import { createSwitchingDispatcher } from './switching-dispatcher.ts';
import type { TlsContext } from './tls-files.ts';

export interface DispatcherOptions {
  readonly server: string;
  readonly tls: TlsSettings;
  /** In place of the system's name resolution, for connections without a proxy. */
  readonly lookup?: LookupFunction | undefined;
  /** For `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, in lower case too, and `NODE_EXTRA_CA_CERTS`; our own by default. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

const CONNECT_MS = 10_000;
/** How long a connection that nothing uses stays open, unless the server says less. */
const KEEP_ALIVE_MS = 30_000;
/** Requests after which undici is loaded: it takes a third less for each than Node's own client, and 60 ms to load. */
const WORTH_LOADING = 200;

/**
 * Connections to a remote server, kept alive and used again; through a proxy if the environment names one.
 * @throws RunError `TLS_FILE_UNREADABLE`
 */
export async function openDispatcher(
  url: URL,
  options: DispatcherOptions & { readonly clock: Clock },
): Promise<HttpDispatcher> {
  if (proxiesOf(options) !== undefined) return await createDispatcher(options);
  const { lookup, clock } = options;
  const tls = await readTls(options);
  const limits = { connectMs: CONNECT_MS, keepAliveMs: KEEP_ALIVE_MS };
  const first = await NodeHttpDispatcher.open({ origin: url, tls, lookup, clock, ...limits });
  const load = async (): Promise<HttpDispatcher> =>
    first.hasContinued ? first : await createDispatcher(options);
  return createSwitchingDispatcher(first, load, WORTH_LOADING);
}

/**
 * The same for servers of any origin, by undici.
 * @throws RunError `TLS_FILE_UNREADABLE`
 */
export async function createDispatcher(options: DispatcherOptions): Promise<Dispatcher> {
  const { env = process.env, lookup } = options;
  const proxies = proxiesOf(options);
  const tls = await readTls(options);
  const { Agent, EnvHttpProxyAgent } = await import('undici');
  const common = {
    connect: { ...tls, timeout: CONNECT_MS, ...(lookup !== undefined && { lookup }) },
    keepAliveTimeout: KEEP_ALIVE_MS,
  };
  if (proxies === undefined) return new Agent(common);
  return new EnvHttpProxyAgent({
    ...common,
    ...proxies,
    requestTls: tls,
    proxyTls: tls,
    // Proxies need not make tunnels for what is not encrypted.
    proxyTunnel: false,
    noProxy: variable(env, 'NO_PROXY') ?? '',
  });
}

/** Whether connections may be made by a proxy. */
export function mayUseProxy(env: NonNullable<DispatcherOptions['env']> = process.env): boolean {
  return proxiesOf({ env }) !== undefined;
}

function proxiesOf({ env = process.env }: Pick<DispatcherOptions, 'env'>) {
  const httpProxy = variable(env, 'HTTP_PROXY');
  const httpsProxy = variable(env, 'HTTPS_PROXY');
  if (httpProxy === undefined && httpsProxy === undefined) return undefined;
  return { ...(httpProxy !== undefined && { httpProxy }), ...(httpsProxy !== undefined && { httpsProxy }) };
}

async function readTls({ server, tls, env = process.env }: DispatcherOptions): Promise<TlsContext> {
  if (Object.values(tls).every((file) => file === undefined)) return {};
  const { readTlsFiles } = await import('./tls-files.ts');
  return await readTlsFiles(server, tls, env['NODE_EXTRA_CA_CERTS']);
}

function variable(env: Readonly<Record<string, string | undefined>>, name: string): string | undefined {
  const value = env[name.toLowerCase()] ?? env[name];
  return value === '' ? undefined : value;
}
