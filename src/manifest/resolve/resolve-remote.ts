import { resolve } from 'node:path';
import { isRunError, type RunError } from '../../errors.ts';
import { workspaceFolderOf } from '../read/workspace-folder.ts';
import { toHeaders } from '../schema/headers.ts';
import { toDiagnostic, type KeyPath, type Problem } from '../read/diagnostics.ts';
import { readClientSecret, readHeaderFile, readPrivateKey, type FromFile } from './remote-files.ts';
import {
  contradictionsIn,
  createRemoteTarget,
  mergeRemote,
  refusalOf,
  type OAuthOptions,
  type RemoteOptions,
} from './remote-target.ts';
import type { ServerEntry } from '../schema/server-schema.ts';
import type { RemoteTarget, RemoteTransport } from '../../config/types.ts';
import type { Located } from '../read/validate.ts';

export interface RemoteContext {
  /** Our own environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What the command line says over the entry. */
  readonly remote: RemoteOptions;
  readonly problems: Problem[];
  readonly warnings: Problem[];
  /** URLs that are not opened, although there is no error in the entry. */
  readonly refusals: Refusal[];
}

export interface Refusal {
  readonly error: RunError;
  readonly problem: Problem;
}

/** What an entry says about a remote server, its files read; what is wrong goes to `problems`. */
export async function resolveRemote(
  server: string,
  url: string,
  transport: RemoteTransport,
  entry: ServerEntry,
  located: Located,
  context: RemoteContext,
): Promise<RemoteTarget> {
  const problemAt = (keys: KeyPath, detail: string): Problem =>
    located.source.problem([...located.path, ...keys], detail);
  const absolute = (file: string | undefined): string | undefined =>
    file === undefined ? undefined : resolve(workspaceFolderOf(located.source.path), file);
  const own: RemoteOptions = {
    transport,
    headers: {
      ...(await readAt(['headersFile'], entry.headersFile, readHeaderFile)),
      ...toHeaders(Object.entries(entry.headers ?? {}).map(([name, value]) => [name, String(value)])),
    },
    allowHttp: entry.allowHttp,
    caFile: absolute(entry.caFile),
    certFile: absolute(entry.certFile),
    keyFile: absolute(entry.keyFile),
    oauth: await readOAuth(),
  };
  const options = mergeRemote(own, context.remote);
  for (const [keys, detail] of contradictionsIn(options)) context.problems.push(problemAt(keys, detail));
  const refusal = refusalOf(server, url, options);
  if (refusal !== undefined) {
    const culprits = [toDiagnostic(problemAt(['url'], refusal.message))];
    const error = refusalOf(server, url, options, culprits) ?? refusal;
    context.refusals.push({ error, problem: problemAt(['url'], `${refusal.message}. ${refusal.hint}`) });
  }
  return createRemoteTarget(url, options, context.env);

  async function readOAuth(): Promise<RemoteOptions['oauth']> {
    const { oauth } = entry;
    if (oauth === undefined || oauth === false) return oauth;
    const fromFile = await readAt(['oauth', 'clientSecretFile'], oauth.clientSecretFile, readClientSecret);
    return {
      grant: oauth.grant,
      clientId: oauth.clientId,
      clientSecret: oauth.clientSecret ?? fromFile,
      privateKey: await readAt(['oauth', 'privateKeyFile'], oauth.privateKeyFile, readPrivateKey),
      clientMetadataUrl: oauth.clientMetadataUrl,
      scope: oauth.scope === undefined ? undefined : listOf(oauth.scope).join(' '),
      resource: oauth.resource,
      issuer: oauth.issuer,
      audience: oauth.audience,
      assumePkce: oauth.assumePkce,
      browser: oauth.browser,
      callbackHost: oauth.callbackHost,
      callbackPort: oauth.callbackPort,
      timeoutMs: oauth.timeout,
    } satisfies OAuthOptions;
  }

  async function readAt<T>(
    keys: KeyPath,
    name: string | undefined,
    read: (file: string) => Promise<FromFile<T>>,
  ): Promise<T | undefined> {
    const file = absolute(name);
    if (file === undefined) return undefined;
    try {
      const { value, warnings } = await read(file);
      context.warnings.push(...warnings.map((warning) => problemAt(keys, warning)));
      return value;
    } catch (error) {
      if (!isRunError(error, 'MANIFEST_UNREADABLE')) throw error;
      context.problems.push(problemAt(keys, error.message));
      return undefined;
    }
  }
}

function listOf(value: string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return [];
  return typeof value === 'string' ? [value] : value;
}
