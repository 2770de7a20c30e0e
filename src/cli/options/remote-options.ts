import { resolve } from 'node:path';
import { RunError } from '../../errors.ts';
import { parseInteger } from '../../manifest/schema/checks.ts';
import { variableLookup } from '../../manifest/resolve/environment.ts';
import { expandText } from '../../manifest/resolve/expand.ts';
import { parseHeader, toHeaders, type Headers } from '../../manifest/schema/headers.ts';
import {
  parseCallbackHost,
  parseClientMetadataUrl,
  parseIssuer,
  parseResource,
} from '../../manifest/schema/remote-checks.ts';
import {
  readClientSecret,
  readHeaderFile,
  readPrivateKey,
  type FromFile,
} from '../../manifest/resolve/remote-files.ts';
import type { OAuthOptions, RemoteOptions } from '../../manifest/resolve/remote-target.ts';
import { OAUTH_GRANTS, REMOTE_TRANSPORTS } from '../../config/types.ts';
import type { Manifest } from '../../manifest/settings.ts';
import { parseDuration, type Parsed } from '../../manifest/schema/units.ts';
import type { CliContext } from '../context.ts';
import { launchValues, must, oneOf, textOf, textsOf } from './options.ts';

/** What the command line and the variables say about remote servers. */
export interface RemoteRequest {
  readonly options: RemoteOptions;
  readonly warnings: readonly string[];
}

/**
 * Reads them, and the files that they name.
 * @throws RunError `USAGE`, `MANIFEST_UNREADABLE`
 */
export async function readRemote(
  flags: Readonly<Record<string, unknown>>,
  context: CliContext,
): Promise<RemoteRequest> {
  const values = launchValues(flags, context.env);
  const warnings: string[] = [];
  const text = (key: string): string | undefined => textOf(values.get(key));
  const path = (key: string): string | undefined => absolute(text(key));
  const options: RemoteOptions = {
    transport: checked('transport', (value) => oneOf(REMOTE_TRANSPORTS, value, '--transport')),
    headers: await readHeaders(),
    allowHttp: booleanOf(values.get('allowHttp')),
    caFile: path('caFile'),
    certFile: path('certFile'),
    keyFile: path('keyFile'),
    oauth: await readOAuth(),
  };
  return { options, warnings };

  async function readHeaders(): Promise<Headers> {
    const lines = textsOf(values.get('header')).map((line) => headerOf(line, context));
    let headers: Headers = {};
    for (const file of textsOf(values.get('headerFile')))
      headers = { ...headers, ...(await contentOf(absolute(file), readHeaderFile)) };
    return { ...headers, ...toHeaders(lines) };
  }

  async function readOAuth(): Promise<RemoteOptions['oauth']> {
    if (values.get('oauth') === false) return false;
    const oauth: OAuthOptions = {
      grant: checked('oauthGrant', (value) => oneOf(OAUTH_GRANTS, value, '--oauth-grant')),
      clientId: text('oauthClientId'),
      clientSecret:
        (await contentOf(path('oauthClientSecretFile'), readClientSecret)) ?? text('oauthClientSecret'),
      privateKey: await contentOf(path('oauthPrivateKeyFile'), readPrivateKey),
      clientMetadataUrl: parsed(
        'oauthClientMetadataUrl',
        '--oauth-client-metadata-url',
        parseClientMetadataUrl,
      ),
      scope: text('oauthScope'),
      resource: parsed('oauthResource', '--oauth-resource', parseResource),
      issuer: parsed('oauthIssuer', '--oauth-issuer', parseIssuer),
      audience: text('oauthAudience'),
      assumePkce: booleanOf(values.get('oauthAssumePkce')),
      browser: booleanOf(values.get('browser')),
      callbackHost: parsed('callbackHost', '--callback-host', parseCallbackHost),
      callbackPort: parsed('callbackPort', '--callback-port', (value) => parseInteger(value, 1, 65_535)),
      timeoutMs: parsed('authTimeout', '--auth-timeout', parseDuration),
    };
    return Object.values(oauth).every((value) => value === undefined) ? undefined : oauth;
  }

  function checked<T>(key: string, check: (value: string) => T): T | undefined {
    const value = text(key);
    return value === undefined ? undefined : check(value);
  }

  function parsed<T>(key: string, flag: string, parse: (value: string) => Parsed<T>): T | undefined {
    return checked(key, (value) => must(parse(value), flag));
  }

  /** A path on the command line is relative to where that was typed. */
  function absolute(file: string): string;
  function absolute(file: string | undefined): string | undefined;
  function absolute(file: string | undefined): string | undefined {
    return file === undefined ? undefined : resolve(context.cwd, file);
  }

  async function contentOf<T>(
    file: string | undefined,
    read: (file: string) => Promise<FromFile<T>>,
  ): Promise<T | undefined> {
    if (file === undefined) return undefined;
    const content = await read(file);
    warnings.push(...content.warnings);
    return content.value;
  }
}

/** `${NAME}` in it is taken from the environment: what is written out can be read by all users of the machine. */
function headerOf(line: string, { env }: CliContext): readonly [string, string] {
  const expanded = expandText(line, {
    env: variableLookup(env),
    input: () => ({ fault: 'inputs belong to a manifest' }),
    known: new Map(),
  });
  return must('fault' in expanded ? expanded : parseHeader(expanded.value), '--header');
}

function booleanOf(value: unknown): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined;
}

/**
 * Sees to it that what is said about remote servers is about some, and that what proves who we are goes to one only.
 * @param given the flags that say it
 * @throws RunError `USAGE`
 */
export function checkRemoteUse(
  { servers, rejected = [], source }: Manifest,
  { headers = {}, oauth, certFile }: RemoteOptions,
  given: readonly string[],
): void {
  // The rejected ones count: where credentials go must not depend on the environment.
  const kinds = [...servers.map(({ name, target: { kind } }) => ({ name, kind })), ...rejected];
  const remote = kinds.filter(({ kind }) => kind === 'remote').map(({ name }) => name);
  const [flag] = given;
  if (remote.length === 0 && flag !== undefined)
    throw new RunError('USAGE', {
      detail: `${flag} is about remote servers, and ${source} has none to serve`,
    });
  const isPersonal =
    Object.keys(headers).length > 0 ||
    certFile !== undefined ||
    (oauth !== undefined &&
      oauth !== false &&
      (oauth.clientId ?? oauth.clientSecret ?? oauth.privateKey) !== undefined);
  if (remote.length < 2 || !isPersonal) return;
  const detail = `Headers and credentials for one server would go to several (${remote.join(', ')}); choose one with --server, or put them into its entry`;
  throw new RunError('USAGE', { detail });
}
