import { resolve } from 'node:path';
import { isRunError, type RunError } from '../../errors.ts';
import { workspaceFolderOf } from '../read/workspace-folder.ts';
import { toHeaders } from '../schema/headers.ts';
import { withoutPath, type KeyPath, type ManifestDiagnostic } from '../read/diagnostics.ts';
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
  readonly problems: ManifestDiagnostic[];
  readonly warnings: ManifestDiagnostic[];
  /** URLs that are not opened, although there is no error in the entry. */
  readonly refusals: Refusal[];
}

export interface Refusal {
  readonly error: RunError;
  readonly diagnostic: ManifestDiagnostic;
}

/** Reads the remote options of one entry, and the files that it names, which are relative to the manifest. */
class EntryReader {
  readonly #entry: ServerEntry;
  readonly #located: Located;
  readonly #context: RemoteContext;

  constructor(entry: ServerEntry, located: Located, context: RemoteContext) {
    this.#entry = entry;
    this.#located = located;
    this.#context = context;
  }

  async read(transport: RemoteTransport): Promise<RemoteOptions> {
    const { headersFile, headers = {}, allowHttp, caFile, certFile, keyFile } = this.#entry;
    return {
      transport,
      headers: {
        ...(await this.#readFile(['headersFile'], headersFile, readHeaderFile)),
        ...toHeaders(Object.entries(headers).map(([name, value]) => [name, String(value)])),
      },
      allowHttp,
      caFile: this.#absolute(caFile),
      certFile: this.#absolute(certFile),
      keyFile: this.#absolute(keyFile),
      oauth: await this.#readOAuth(),
    };
  }

  async #readOAuth(): Promise<RemoteOptions['oauth']> {
    const { oauth } = this.#entry;
    if (oauth === undefined || oauth === false) return oauth;
    const fromFile = await this.#readFile(
      ['oauth', 'clientSecretFile'],
      oauth.clientSecretFile,
      readClientSecret,
    );
    return {
      grant: oauth.grant,
      clientId: oauth.clientId,
      clientSecret: oauth.clientSecret ?? fromFile,
      privateKey: await this.#readFile(['oauth', 'privateKeyFile'], oauth.privateKeyFile, readPrivateKey),
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

  async #readFile<T>(
    keys: KeyPath,
    name: string | undefined,
    read: (file: string) => Promise<FromFile<T>>,
  ): Promise<T | undefined> {
    const file = this.#absolute(name);
    if (file === undefined) return undefined;
    try {
      const { value, warnings } = await read(file);
      this.#context.warnings.push(...warnings.map((warning) => diagnosticAt(this.#located, keys, warning)));
      return value;
    } catch (error) {
      if (!isRunError(error, 'MANIFEST_UNREADABLE')) throw error;
      this.#context.problems.push(diagnosticAt(this.#located, keys, error.message));
      return undefined;
    }
  }

  #absolute(file: string | undefined): string | undefined {
    return file === undefined ? undefined : resolve(workspaceFolderOf(this.#located.source.path), file);
  }
}

/** The remote server of an entry, with the contents of its files; errors go to `problems`. */
export async function resolveRemote(
  server: string,
  url: string,
  transport: RemoteTransport,
  entry: ServerEntry,
  located: Located,
  context: RemoteContext,
): Promise<RemoteTarget> {
  const own = await new EntryReader(entry, located, context).read(transport);
  const options = mergeRemote(own, context.remote);
  for (const [keys, detail] of contradictionsIn(options))
    context.problems.push(diagnosticAt(located, keys, detail));
  const refusal = refusalOf(server, url, options);
  if (refusal !== undefined) {
    const culprits = [withoutPath(diagnosticAt(located, ['url'], refusal.message))];
    const error = refusalOf(server, url, options, culprits) ?? refusal;
    const diagnostic = diagnosticAt(located, ['url'], `${refusal.message}. ${refusal.hint}`);
    context.refusals.push({ error, diagnostic });
  }
  return createRemoteTarget(url, options, context.env);
}

function diagnosticAt({ source, path }: Located, keys: KeyPath, detail: string): ManifestDiagnostic {
  return source.diagnostic([...path, ...keys], detail);
}

function listOf(value: string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return [];
  return typeof value === 'string' ? [value] : value;
}
