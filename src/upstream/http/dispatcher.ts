import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { LookupFunction } from 'node:net';
import { createSecureContext, rootCertificates } from 'node:tls';
import type { Agent, Dispatcher } from 'undici';
import { RunError } from '../../errors.ts';
import type { TlsSettings } from '../target.ts';

export interface DispatcherOptions {
  readonly server: string;
  readonly tls: TlsSettings;
  /** In place of the system's name resolution, for connections without a proxy. */
  readonly lookup?: LookupFunction;
  /** For `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, in lower case too, and `NODE_EXTRA_CA_CERTS`; our own by default. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

const CONNECT_MS = 10_000;
/** How long a connection that nothing uses stays open, unless the server says less. */
const KEEP_ALIVE_MS = 30_000;

/**
 * Connections to a remote server, kept alive and used again; through a proxy if the environment names one.
 * @throws RunError `TLS_FILE_UNREADABLE`
 */
export async function createDispatcher(options: DispatcherOptions): Promise<Dispatcher> {
  const { env = process.env, lookup } = options;
  const tls = await readTls(options);
  const common = {
    connect: { ...tls, timeout: CONNECT_MS, ...(lookup !== undefined && { lookup }) },
    keepAliveTimeout: KEEP_ALIVE_MS,
  };
  const httpProxy = variable(env, 'HTTP_PROXY');
  const httpsProxy = variable(env, 'HTTPS_PROXY');
  if (httpProxy === undefined && httpsProxy === undefined) {
    const LoadedAgent = await loadAgent();
    return new LoadedAgent(common);
  }
  const { EnvHttpProxyAgent } = await import('undici');
  return new EnvHttpProxyAgent({
    ...common,
    requestTls: tls,
    proxyTls: tls,
    // Proxies need not make tunnels for what is not encrypted.
    proxyTunnel: false,
    ...(httpProxy !== undefined && { httpProxy }),
    ...(httpsProxy !== undefined && { httpsProxy }),
    noProxy: variable(env, 'NO_PROXY') ?? '',
  });
}

/** The whole package takes three times as long to load as the part that is used most. */
async function loadAgent(): Promise<typeof Agent> {
  try {
    return (await import('undici/lib/dispatcher/agent.js')).default;
  } catch {
    // Another version may have it elsewhere.
    return (await import('undici')).Agent;
  }
}

interface TlsContext {
  readonly ca?: string[];
  readonly cert?: string;
  readonly key?: string;
}

async function readTls({ server, tls, env = process.env }: DispatcherOptions): Promise<TlsContext> {
  const { caFile, certFile, keyFile } = tls;
  const [ca, cert, key] = await Promise.all([caFile, certFile, keyFile].map((file) => readPem(server, file)));
  const extraFile = caFile === undefined ? undefined : env['NODE_EXTRA_CA_CERTS'];
  // Node.js says by itself that it cannot be read.
  const extra = await readPem(server, extraFile).catch(() => undefined);
  const context: TlsContext = {
    // A list of one's own replaces the usual one.
    ...(ca !== undefined && { ca: [...rootCertificates, ca, ...(extra === undefined ? [] : [extra])] }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
  if (ca !== undefined) check(server, caFile, () => new X509Certificate(ca));
  if (cert !== undefined) check(server, certFile, () => createSecureContext({ cert }));
  if (key !== undefined) check(server, keyFile, () => createSecureContext({ cert, key }));
  return context;
}

/** What is no certificate would be found out with the first connection, and nobody would know which file it was. */
function check(server: string, file = '', use: () => unknown): void {
  try {
    use();
  } catch (error) {
    throw unreadable(server, file, error);
  }
}

async function readPem(server: string, file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw unreadable(server, file, error);
  }
}

function unreadable(server: string, file: string, error: unknown): RunError {
  const detail = error instanceof Error ? error.message : String(error);
  return new RunError('TLS_FILE_UNREADABLE', { server, file, detail }, { cause: error });
}

function variable(env: Readonly<Record<string, string | undefined>>, name: string): string | undefined {
  const value = env[name.toLowerCase()] ?? env[name];
  return value === '' ? undefined : value;
}
