import { RunError, type Diagnostic } from '../../errors.ts';
import { tokenStoreDirectory } from '../read/config-directory.ts';
import type { Headers } from '../schema/headers.ts';
import { isExposed } from '../schema/remote-checks.ts';
import { maskUrl } from '../read/secrets.ts';
import type { OAuthSettings, RemoteTarget, RemoteTransport, Transport } from '../../config/types.ts';

/** What one place, an entry or the command line, says about remote servers. Paths are absolute. */
export interface RemoteOptions {
  readonly transport?: RemoteTransport | undefined;
  readonly headers?: Headers | undefined;
  readonly allowHttp?: boolean | undefined;
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** false: no authorization. */
  readonly oauth?: false | OAuthOptions | undefined;
}

export type OAuthOptions = {
  readonly [Key in Exclude<keyof OAuthSettings, 'storeDirectory'>]?: OAuthSettings[Key] | undefined;
};

type Variables = Readonly<Record<string, string | undefined>>;

const CALLBACK_HOST = '127.0.0.1';
const AUTHORIZATION_MS = 5 * 60_000;
/** A client that starts mcp-run over stdio sends `initialize` once, and takes a failure as final. */
const STDIO_PATIENCE_MS = 10_000;

/** All that is needed to reach a remote server. */
export function createRemoteTarget(url: string, options: RemoteOptions, env: Variables): RemoteTarget {
  const { transport = 'auto', headers = {}, caFile, certFile, keyFile } = options;
  return {
    kind: 'remote',
    url,
    transport,
    headers,
    tls: { caFile, certFile, keyFile },
    oauth: completeOAuth(options, env),
    patienceMs: 0,
  };
}

/** How long an outage at the start is waited out, which depends on the client. */
export function patienceFor(transports: readonly Transport[]): number {
  return transports.every((transport) => transport === 'stdio') ? STDIO_PATIENCE_MS : 0;
}

/** Lays what `upper` says over what `lower` says. */
export function mergeRemote(lower: RemoteOptions, upper: RemoteOptions): RemoteOptions {
  return {
    ...lower,
    ...withoutGaps(upper),
    headers: { ...lower.headers, ...upper.headers },
    oauth: mergeOAuth(lower.oauth, upper.oauth),
  };
}

function mergeOAuth(lower: RemoteOptions['oauth'], upper: RemoteOptions['oauth']): RemoteOptions['oauth'] {
  if (upper === undefined) return lower;
  if (upper === false || lower === undefined || lower === false) return upper;
  const isOtherClient = upper.clientId !== undefined && upper.clientId !== lower.clientId;
  const { clientSecret, privateKey, ...others } = lower;
  // A secret belongs to its client.
  return { ...others, ...(isOtherClient ? {} : { clientSecret, privateKey }), ...withoutGaps(upper) };
}

function withoutGaps(options: object): object {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function completeOAuth(
  { oauth = {}, headers = {} }: RemoteOptions,
  env: Variables,
): OAuthSettings | undefined {
  // A header of that name is an authorization already.
  if (oauth === false || Object.hasOwn(headers, 'authorization')) return undefined;
  const { clientId, clientSecret, privateKey, clientMetadataUrl, scope, resource, callbackPort } = oauth;
  const { issuer, audience, assumePkce } = oauth;
  return {
    grant: oauth.grant ?? 'authorization-code',
    clientId,
    clientSecret,
    privateKey,
    clientMetadataUrl,
    scope,
    resource,
    issuer,
    audience,
    assumePkce,
    browser: oauth.browser ?? true,
    callbackHost: oauth.callbackHost ?? CALLBACK_HOST,
    callbackPort,
    timeoutMs: oauth.timeoutMs ?? AUTHORIZATION_MS,
    storeDirectory: tokenStoreDirectory(env),
  };
}

/** What does not go together; each with the key of an entry that it concerns. */
export function contradictionsIn({
  certFile,
  keyFile,
  oauth,
}: RemoteOptions): (readonly [key: readonly string[], detail: string])[] {
  const found: (readonly [readonly string[], string])[] = [];
  if (certFile !== undefined && keyFile === undefined)
    found.push([['certFile'], 'a certificate needs its key as well ("keyFile", --key-file)']);
  if (keyFile !== undefined && certFile === undefined)
    found.push([['keyFile'], 'a key needs its certificate as well ("certFile", --cert-file)']);
  if (oauth === undefined || oauth === false) return found;
  const { grant, clientId, clientSecret, privateKey, clientMetadataUrl } = oauth;
  const hasSecret = clientSecret !== undefined;
  const hasKey = privateKey !== undefined;
  if (hasSecret && hasKey)
    found.push([['oauth'], 'a client proves itself with a secret or with a private key, not with both']);
  if (hasSecret && clientId === undefined)
    found.push([['oauth'], 'a client secret needs the id of its client ("clientId", --oauth-client-id)']);
  if (hasKey && clientId === undefined && clientMetadataUrl === undefined)
    found.push([['oauth'], 'a private key needs the id of its client ("clientId", --oauth-client-id)']);
  if (grant === 'client-credentials' && !hasSecret && !hasKey)
    found.push([
      ['oauth'],
      'the grant client-credentials needs a client with a secret or a private key ("clientId" and "clientSecretFile" or "privateKeyFile")',
    ]);
  return found;
}

/** The error of a URL whose traffic others could read, unless plain HTTP is allowed. */
export function refusalOf(
  server: string,
  url: string,
  { allowHttp }: RemoteOptions,
  culprits: readonly Diagnostic[] = [],
): RunError | undefined {
  if (allowHttp === true || !isExposed(url)) return undefined;
  const [culprit] = culprits;
  const place =
    culprit === undefined ? '' : ` (${culprit.file}:${culprit.line}:${culprit.column}: ${culprit.key})`;
  return new RunError('PLAIN_HTTP_REFUSED', { server, url: maskUrl(url), place }, { culprits });
}
