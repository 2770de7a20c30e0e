import { readDeclarations, type Declarations } from './read/formats.ts';
import type { Ask } from './resolve/inputs.ts';
import { readInventoryOf, takeInventory, type Inventory } from './read/inventory.ts';
import type { SettingsLayer } from './resolve/layers.ts';
import { locateManifests } from './read/locate.ts';
import { readManifestFile } from './read/read.ts';
import type { RemoteOptions } from './resolve/remote-target.ts';
import type { ChildOptions } from './resolve/resolve-server.ts';
import { resolveManifest, type ResolveOptions } from './resolve/resolve.ts';
import type { Manifest } from './settings.ts';

export interface LoadOptions {
  /** Files to merge, the later wins; without any, the usual places are searched. */
  readonly files?: readonly string[];
  /** Only these servers, also disabled ones; without any, all that are enabled. */
  readonly servers?: readonly string[];
  /** Settings that win over the files' `serve` blocks. */
  readonly overrides?: SettingsLayer;
  /** For every server that is a command, over what the files say. */
  readonly child?: ChildOptions;
  /** For every remote server, over what the files say. */
  readonly remote?: RemoteOptions;
  /** For every server, besides what the files say; `*` stands for any text. */
  readonly ignoreTools?: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Asks a person for the value of an input; without it such a value must be in the environment. */
  readonly ask?: Ask | undefined;
  /** Fail for an error in any entry; without it such an entry is in `rejected`, and the others are served. */
  readonly strict?: boolean | undefined;
}

/**
 * Reads, checks and resolves a manifest.
 * @throws RunError `MANIFEST_NOT_FOUND`, `MANIFEST_UNREADABLE`, `MANIFEST_INVALID` (with every error, if no server
 * or not every named server can be served),
 * `SERVER_UNKNOWN`, `SERVER_AMBIGUOUS`, `NO_SERVERS`, `PLAIN_HTTP_REFUSED`, `BIND_REFUSED` or `TOKENS_INVALID`.
 */
export async function loadManifest(options: LoadOptions = {}): Promise<Manifest> {
  return await resolveManifest(await readFiles(options), { ...toResolve(options), inspectOnly: false });
}

export interface Inspection {
  /** The servers that are enabled or named. */
  readonly manifest: Manifest;
  /** All that are declared. */
  readonly inventory: Inventory;
}

/**
 * Reads, checks and resolves a manifest without the intention to serve it: several servers may meet stdio.
 * @throws RunError as `loadManifest` does, but for `SERVER_AMBIGUOUS`.
 */
export async function inspectManifest(options: LoadOptions = {}): Promise<Inspection> {
  const files = await readFiles(options);
  const manifest = await resolveManifest(files, { ...toResolve(options), inspectOnly: true });
  return { manifest, inventory: takeInventory(files) };
}

/**
 * What a manifest declares, with its references as they are written: no variable has to be set for it.
 * @throws RunError `MANIFEST_NOT_FOUND`, `MANIFEST_UNREADABLE` or `MANIFEST_INVALID`.
 */
export async function readInventory(options: LoadOptions = {}): Promise<Inventory> {
  const { servers = [], strict = false } = options;
  return readInventoryOf(await readFiles(options), servers, strict);
}

async function readFiles({
  files = [],
  cwd = process.cwd(),
  env = process.env,
}: LoadOptions): Promise<readonly Declarations[]> {
  const located = await locateManifests(files, cwd, env);
  const sources = await Promise.all(located.map((file) => readManifestFile(file, cwd)));
  return sources.map((source) => readDeclarations(source, cwd));
}

function toResolve(options: LoadOptions): Omit<ResolveOptions, 'inspectOnly'> {
  return {
    env: options.env ?? process.env,
    servers: options.servers ?? [],
    overrides: options.overrides ?? {},
    child: options.child ?? {},
    remote: options.remote ?? {},
    ignoreTools: options.ignoreTools ?? [],
    ask: options.ask,
    strict: options.strict ?? false,
  };
}
