import { readDeclarations } from './formats.ts';
import type { Ask } from './inputs.ts';
import type { SettingsLayer } from './layers.ts';
import { locateManifests } from './locate.ts';
import { readManifestFile } from './read.ts';
import type { ChildOptions } from './resolve-server.ts';
import { resolveManifest } from './resolve.ts';
import type { Manifest } from './settings.ts';

export interface LoadOptions {
  /** Files to merge, the later wins; without any, the usual places are searched. */
  readonly files?: readonly string[];
  /** Only these servers, also disabled ones; without any, all that are enabled. */
  readonly servers?: readonly string[];
  /** Settings that win over the files' `serve` blocks. */
  readonly overrides?: SettingsLayer;
  /** For every server, over what the files say. */
  readonly child?: ChildOptions;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Asks a person for the value of an input; without it such a value must be in the environment. */
  readonly ask?: Ask | undefined;
}

/**
 * Reads, checks and resolves a manifest.
 * @throws RunError `MANIFEST_NOT_FOUND`, `MANIFEST_UNREADABLE`, `MANIFEST_INVALID` (with everything that is wrong),
 * `SERVER_UNKNOWN`, `SERVER_AMBIGUOUS`, `NO_SERVERS`, `REMOTE_UNSUPPORTED` or `BIND_REFUSED`.
 */
export async function loadManifest(options: LoadOptions = {}): Promise<Manifest> {
  const cwd = options.cwd ?? process.cwd();
  const env = options.env ?? process.env;
  const files = await locateManifests(options.files ?? [], cwd, env);
  const sources = await Promise.all(files.map((file) => readManifestFile(file, cwd)));
  return await resolveManifest(sources.map(readDeclarations), {
    env,
    servers: options.servers ?? [],
    overrides: options.overrides ?? {},
    child: options.child ?? {},
    ask: options.ask,
  });
}
