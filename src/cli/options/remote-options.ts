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

/** Reads the launch options that are about remote servers. Paths are relative to the working directory. */
class RemoteReader {
  readonly #values: ReadonlyMap<string, unknown>;
  readonly #context: CliContext;
  readonly #warnings: string[] = [];

  constructor(values: ReadonlyMap<string, unknown>, context: CliContext) {
    this.#values = values;
    this.#context = context;
  }

  async read(): Promise<RemoteRequest> {
    const options: RemoteOptions = {
      transport: this.#choice('transport', '--transport', REMOTE_TRANSPORTS),
      headers: await this.#readHeaders(),
      allowHttp: this.#boolean('allowHttp'),
      caFile: this.#path('caFile'),
      certFile: this.#path('certFile'),
      keyFile: this.#path('keyFile'),
      oauth: await this.#readOAuth(),
    };
    return { options, warnings: this.#warnings };
  }

  async #readHeaders(): Promise<Headers> {
    const lines = textsOf(this.#values.get('header')).map((line) => headerOf(line, this.#context));
    let headers: Headers = {};
    for (const file of textsOf(this.#values.get('headerFile')))
      headers = { ...headers, ...(await this.#readFile(this.#absolute(file), readHeaderFile)) };
    return { ...headers, ...toHeaders(lines) };
  }

  async #readOAuth(): Promise<RemoteOptions['oauth']> {
    if (this.#values.get('oauth') === false) return false;
    const secretFile = this.#path('oauthClientSecretFile');
    const oauth: OAuthOptions = {
      grant: this.#choice('oauthGrant', '--oauth-grant', OAUTH_GRANTS),
      clientId: this.#text('oauthClientId'),
      clientSecret: (await this.#readFile(secretFile, readClientSecret)) ?? this.#text('oauthClientSecret'),
      privateKey: await this.#readFile(this.#path('oauthPrivateKeyFile'), readPrivateKey),
      clientMetadataUrl: this.#parsed(
        'oauthClientMetadataUrl',
        '--oauth-client-metadata-url',
        parseClientMetadataUrl,
      ),
      scope: this.#text('oauthScope'),
      resource: this.#parsed('oauthResource', '--oauth-resource', parseResource),
      issuer: this.#parsed('oauthIssuer', '--oauth-issuer', parseIssuer),
      audience: this.#text('oauthAudience'),
      assumePkce: this.#boolean('oauthAssumePkce'),
      browser: this.#boolean('browser'),
      callbackHost: this.#parsed('callbackHost', '--callback-host', parseCallbackHost),
      callbackPort: this.#parsed('callbackPort', '--callback-port', (text) => parseInteger(text, 1, 65_535)),
      timeoutMs: this.#parsed('authTimeout', '--auth-timeout', parseDuration),
    };
    return Object.values(oauth).every((value) => value === undefined) ? undefined : oauth;
  }

  #text(key: string): string | undefined {
    return textOf(this.#values.get(key));
  }

  #boolean(key: string): boolean | undefined {
    const value = this.#values.get(key);
    return typeof value === 'boolean' ? value : undefined;
  }

  #choice<T extends string>(key: string, flag: string, choices: readonly T[]): T | undefined {
    const text = this.#text(key);
    return text === undefined ? undefined : oneOf(choices, text, flag);
  }

  #parsed<T>(key: string, flag: string, parse: (text: string) => Parsed<T>): T | undefined {
    const text = this.#text(key);
    return text === undefined ? undefined : must(parse(text), flag);
  }

  #path(key: string): string | undefined {
    const text = this.#text(key);
    return text === undefined ? undefined : this.#absolute(text);
  }

  #absolute(file: string): string {
    return resolve(this.#context.cwd, file);
  }

  async #readFile<T>(
    file: string | undefined,
    read: (file: string) => Promise<FromFile<T>>,
  ): Promise<T | undefined> {
    if (file === undefined) return undefined;
    const { value, warnings } = await read(file);
    this.#warnings.push(...warnings);
    return value;
  }
}

/**
 * Reads them, and the files that they name.
 * @throws RunError `USAGE`, `MANIFEST_UNREADABLE`
 */
export async function readRemote(
  flags: Readonly<Record<string, unknown>>,
  context: CliContext,
): Promise<RemoteRequest> {
  return await new RemoteReader(launchValues(flags, context.env), context).read();
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

/**
 * Checks that there are remote servers if options are about them, and that credentials go to one server only.
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
