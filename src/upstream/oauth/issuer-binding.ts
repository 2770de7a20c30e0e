import { createHash, randomUUID } from 'node:crypto';
import { readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { isRunError, RunError } from '../../errors.ts';
import { readRegularFile } from '../../files/regular-file.ts';
import type { OAuthSettings } from '../../config/types.ts';
import { authorizationFailed, type OAuthContext } from './context.ts';
import type { Authority } from './discovery.ts';
import { acquireFileLock } from './file-lock.ts';
import { isSameIssuer, isSamePlace } from './names.ts';

/**
 * The only issuer that the secret or the private key of the user's client is sent to. The server names it first, unless
 * `oauth.issuer` does.
 */
export interface Binding {
  /** The server's. */
  readonly url: string;
  readonly clientId: string;
  readonly issuer: string;
  /** Milliseconds since 1970. */
  readonly since: number;
}

/** The binding of one client at one server, which outlives the tokens. */
export interface BindingStore {
  /**
   * Binds the client, unless it is bound.
   * @returns the binding that counts, and whether it is new
   * @throws RunError `AUTHORIZATION_FAILED` if the file holds something else, which is no reason to bind it anew
   */
  bind(issuer: string, signal: AbortSignal): Promise<Bound>;
  /** @throws as `bind` does */
  read(): Promise<Binding | undefined>;
}

interface Bound {
  readonly binding: Binding;
  readonly isNew: boolean;
  /** Why it holds for this process only. */
  readonly unwritten?: string;
}

type Credentials = Pick<OAuthSettings, 'clientId' | 'clientMetadataUrl' | 'clientSecret' | 'privateKey'>;

const VERSION = 1;
const FILE = /^[\da-f]{32}\.issuer\.json$/;

/** The client whose secret or key is in the settings; undefined: there is none. */
export function secretClientOf(settings: Credentials): string | undefined {
  const { clientId, clientMetadataUrl, clientSecret, privateKey } = settings;
  return (clientSecret ?? privateKey) === undefined ? undefined : (clientId ?? clientMetadataUrl);
}

/**
 * Makes sure that the secret or the key of the settings may be sent to this authorization server; called before that.
 * @throws RunError `AUTHORIZATION_FAILED` if it belongs to another
 */
export async function bindToIssuer(authority: Authority, context: OAuthContext): Promise<void> {
  const { settings, binding: store, log, signal, tokenStore } = context;
  const clientId = secretClientOf(settings);
  if (clientId === undefined) return;
  if (settings.issuer !== undefined) return refuseForeignPlace(settings.issuer, authority, context);
  const { issuer } = authority;
  // Bound before there were files of bindings.
  const before = tokenStore.stored.clients.find((client) => client.clientId === clientId)?.issuer ?? issuer;
  const { binding, isNew, unwritten } = await store.bind(before, signal);
  const kind = settings.clientSecret === undefined ? 'private key' : 'secret';
  if (isNew) {
    const scope =
      unwritten === undefined ? '' : ` by this process (the binding cannot be stored: ${unwritten})`;
    log.warn(
      { event: 'oauth.issuer-bound', issuer: binding.issuer, clientId },
      `The ${kind} of the client ${clientId} is bound to ${binding.issuer}, the first issuer that the server names, and is sent to no other${scope}. To say so in the manifest, set "oauth": {"issuer": "${binding.issuer}"} in the entry, or --oauth-issuer`,
    );
  }
  if (isSameIssuer(binding.issuer, issuer)) return;
  throw authorizationFailed(
    context,
    `the client ${clientId} belongs to ${binding.issuer}, and the server now names ${issuer}, which is sent nothing`,
    undefined,
    `If its ${kind} is meant for ${issuer}, set "oauth": {"issuer": "${issuer}"} in the entry, or --oauth-issuer`,
  );
}

/** Whether the secret or the key may be sent, without binding it. */
export async function isBoundTo(
  authority: Authority,
  accepted: string | undefined,
  store: BindingStore,
): Promise<boolean> {
  const { issuer } = authority;
  if (accepted !== undefined) return isSameIssuer(issuer, accepted) && isSamePlace(accepted, authority.url);
  const binding = await store.read();
  return binding === undefined || isSameIssuer(binding.issuer, issuer);
}

/** The server chooses where metadata is looked for, and metadata of any host can name the issuer of the settings. */
function refuseForeignPlace(issuer: string, authority: Authority, context: OAuthContext): void {
  if (isSamePlace(issuer, authority.url)) return;
  throw authorizationFailed(
    context,
    `the client belongs to ${issuer}, and metadata of that issuer was found at ${authority.url} only, which the server names and which is sent nothing`,
    undefined,
    `Set oauth.issuer to an issuer with metadata of its own, such as ${authority.url}`,
  );
}

class BindingFile implements BindingStore {
  readonly #server: string;
  readonly #file: string;
  readonly #url: string;
  readonly #clientId: string;
  readonly #clock: Clock;
  /** A file that cannot be written. */
  #memory: Binding | undefined;

  constructor({ server, url, clock }: BindingOptions, file: string, clientId: string) {
    this.#server = server;
    this.#file = file;
    this.#url = url;
    this.#clientId = clientId;
    this.#clock = clock;
  }

  async read(): Promise<Binding | undefined> {
    // A file that cannot be opened was not written by this user.
    const text = (await readRegularFile(this.#file).catch(() => undefined))?.toString();
    if (text === undefined) return this.#memory;
    const binding = parseBinding(text);
    if (binding?.url === this.#url && binding.clientId === this.#clientId) return binding;
    throw new RunError('AUTHORIZATION_FAILED', {
      server: this.#server,
      detail: `the issuer that the client ${this.#clientId} is bound to cannot be read from ${this.#file}`,
      hint: 'Set "oauth": {"issuer": "…"} in the entry, or --oauth-issuer, or delete the file',
    });
  }

  async bind(issuer: string, signal: AbortSignal): Promise<Bound> {
    const known = await this.read();
    if (known !== undefined) return { binding: known, isNew: false };
    try {
      const release = await acquireFileLock(`${this.#file}.lock`, { signal, clock: this.#clock });
      try {
        return await this.#bindUnderLock(issuer);
      } finally {
        await release();
      }
    } catch (error) {
      signal.throwIfAborted();
      if (isRunError(error)) throw error;
      this.#memory = this.#create(issuer);
      const unwritten = error instanceof Error ? error.message : String(error);
      return { binding: this.#memory, isNew: true, unwritten };
    }
  }

  async #bindUnderLock(issuer: string): Promise<Bound> {
    const known = await this.read();
    if (known !== undefined) return { binding: known, isNew: false };
    const binding = this.#create(issuer);
    const draft = `${this.#file}.${randomUUID()}.tmp`;
    try {
      await writeFile(draft, formatBinding(binding), { mode: 0o600, flag: 'wx' });
      await rename(draft, this.#file);
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
    return { binding, isNew: true };
  }

  #create(issuer: string): Binding {
    return { url: this.#url, clientId: this.#clientId, issuer, since: this.#clock.date() };
  }
}

export interface BindingOptions {
  readonly server: string;
  readonly url: string;
  readonly clock: Clock;
}

export function openBindingStore(
  options: BindingOptions,
  settings: Credentials & Pick<OAuthSettings, 'storeDirectory'>,
): BindingStore {
  const clientId = secretClientOf(settings) ?? '';
  const key = JSON.stringify(['issuer', options.url, clientId]);
  const name = createHash('sha256').update(key).digest('hex').slice(0, 32);
  return new BindingFile(options, join(settings.storeDirectory, `${name}.issuer.json`), clientId);
}

/** All that can be read in a directory. */
export async function listBindings(directory: string): Promise<readonly Binding[]> {
  const names = await readdir(directory).catch(() => []);
  const files = names.filter((name) => FILE.test(name)).map((name) => join(directory, name));
  const texts = await Promise.all(files.map((file) => readRegularFile(file).catch(() => '')));
  return texts
    .flatMap((text) => parseBinding(text.toString()) ?? [])
    .toSorted((a, b) => a.url.localeCompare(b.url) || a.clientId.localeCompare(b.clientId));
}

function formatBinding(binding: Binding): string {
  return `${JSON.stringify({ version: VERSION, ...binding }, null, 2)}\n`;
}

function parseBinding(text: string): Binding | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const members = new Map<string, unknown>(Object.entries(value));
  const [version, url, clientId, issuer, since] = ['version', 'url', 'clientId', 'issuer', 'since'].map(
    (name) => members.get(name),
  );
  if (version !== VERSION || typeof url !== 'string' || typeof clientId !== 'string') return undefined;
  if (typeof issuer !== 'string' || issuer === '' || typeof since !== 'number') return undefined;
  return { url, clientId, issuer, since };
}
