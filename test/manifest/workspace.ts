import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { RunError } from '../../src/errors.ts';
import { loadManifest, type LoadOptions } from '../../src/manifest/load.ts';
import type { RemoteTarget, StdioTarget } from '../../src/config/types.ts';
import type { Manifest, ServerSpec } from '../../src/manifest/settings.ts';

/** A folder with these files, gone when the test is over. */
export async function createWorkspace(
  files: Readonly<Record<string, string | Uint8Array>> = {},
): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'mcp-run-test-')));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  return folder;
}

/** Loads a manifest given as text, with nothing of this process's environment. */
export async function loadText(
  text: string,
  options: LoadOptions = {},
  name = 'mcp.json',
): Promise<Manifest> {
  const cwd = await createWorkspace({ [name]: text });
  return await loadManifest({ files: [name], cwd, env: {}, ...options });
}

/** Loads a manifest given as a value. */
export async function load(value: unknown, options: LoadOptions = {}): Promise<Manifest> {
  return await loadText(JSON.stringify(value), options);
}

/** The only server of a manifest. */
export function only({ servers }: Manifest): ServerSpec {
  const [spec, ...others] = servers;
  if (spec === undefined || others.length > 0) throw new Error(`${servers.length} servers`);
  return spec;
}

/** What a server that is a command is started with. */
export function commandOf({ target }: ServerSpec): StdioTarget {
  if (target.kind !== 'stdio') throw new Error(`a ${target.kind} target`);
  return target;
}

/** How a server that is a URL is reached. */
export function remoteOf({ target }: ServerSpec): RemoteTarget {
  if (target.kind !== 'remote') throw new Error(`a ${target.kind} target`);
  return target;
}

/** The error that loading ends with. */
export async function failureOf(loading: Promise<unknown>): Promise<RunError> {
  const error: unknown = await loading.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof RunError) return error;
  throw new Error(`expected a RunError, got ${String(error)}`, { cause: error });
}

/** The lines of `MANIFEST_INVALID`. */
export async function problemsOf(loading: Promise<unknown>): Promise<readonly string[]> {
  const error = await failureOf(loading);
  if (error.code !== 'MANIFEST_INVALID')
    throw new Error(`expected MANIFEST_INVALID, got ${error.code}: ${error.message}`);
  return error.message.split('\n');
}
