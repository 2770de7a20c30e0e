import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageFile } from '../files/package-file.ts';
import { RunError } from '../errors.ts';
import type { Inventory } from '../manifest/read/inventory.ts';
import type { SettingsLayer } from '../manifest/resolve/layers.ts';
import type { LoadOptions } from '../manifest/load.ts';
import type { OptionGroup } from '../manifest/schema/options.ts';
import type { ChildOptions } from '../manifest/resolve/resolve-server.ts';
import { maskUrl } from '../manifest/read/secrets.ts';
import type { Manifest } from '../manifest/settings.ts';
import type { CliContext } from './context.ts';
import { forgetSecrets } from './forget-secrets.ts';
import { LAUNCH_OPTIONS, SETTING_OPTIONS } from './options/options.generated.ts';
import { readLaunch, settingsFromFlags, settingsFromVariables, type Launch } from './options/options.ts';
import type { RemoteRequest } from './options/remote-options.ts';

export const DEMO_SOURCE = 'built-in demo';

export interface ServeArguments {
  /** The positional argument. */
  readonly manifest: string | undefined;
  /** Everything after `--`; absent without it. */
  readonly command: readonly string[] | undefined;
  /** commander's values, by key. */
  readonly flags: Readonly<Record<string, unknown>>;
}

/**
 * What the command line asks to serve: a command, the demo, or a manifest.
 * @throws RunError for a command line or a manifest that cannot be served.
 */
export async function readManifest(args: ServeArguments, context: CliContext): Promise<Manifest> {
  const manifest = await loadAny(args, context);
  forgetSecrets(manifest, context);
  return manifest;
}

async function loadAny(args: ServeArguments, context: CliContext): Promise<Manifest> {
  const request = readRequest(args, context);
  const own = await readOwnServer(request, context);
  if (own !== undefined) return own;
  const { loadManifest } = await import('../manifest/load.ts');
  const { readRemote } = await import('./options/remote-options.ts');
  const remote = await readRemote(args.flags, context);
  return await withRemote(await loadManifest(await loadOptions(request, remote, context)), remote, args);
}

/**
 * The same without the intention to serve it. What is declared but cannot be started is in the inventory, which
 * a command of the command line and the demo do not have.
 * @throws RunError for a command line or a manifest that cannot be understood.
 */
export async function readInspection(
  args: ServeArguments,
  context: CliContext,
): Promise<{ readonly manifest: Manifest; readonly inventory: Inventory | undefined }> {
  const request = readRequest(args, context);
  const manifest = await readOwnServer(request, context);
  if (manifest !== undefined) {
    forgetSecrets(manifest, context);
    return { manifest, inventory: undefined };
  }
  const { inspectManifest } = await import('../manifest/load.ts');
  const { readRemote } = await import('./options/remote-options.ts');
  const remote = await readRemote(args.flags, context);
  const inspection = await inspectManifest(await loadOptions(request, remote, context));
  const complete = await withRemote(inspection.manifest, remote, args);
  forgetSecrets(complete, context);
  return { ...inspection, manifest: complete };
}

async function withRemote(
  manifest: Manifest,
  { options, warnings }: RemoteRequest,
  args: ServeArguments,
): Promise<Manifest> {
  const { checkRemoteUse } = await import('./options/remote-options.ts');
  checkRemoteUse(manifest, options, given(args, 'The remote server'));
  return { ...manifest, warnings: [...manifest.warnings, ...warnings] };
}

/** What the command line says, in base units. */
interface Request {
  readonly command: readonly string[] | undefined;
  readonly url: string | undefined;
  readonly flags: ServeArguments['flags'];
  readonly launch: Launch;
  readonly files: readonly string[];
  readonly settings: SettingsLayer;
  readonly child: ChildOptions;
}

function readRequest(args: ServeArguments, context: CliContext): Request {
  refuseContradictions(args);
  const { manifest, command, flags } = args;
  const launch = readLaunch(flags, context.env);
  const isRemote = manifest !== undefined && isUrl(manifest);
  return {
    command,
    url: isRemote ? manifest : undefined,
    flags,
    launch,
    files: [...launch.config, ...(manifest === undefined || isRemote ? [] : [manifest])],
    settings: withAbsolutePaths(
      { ...settingsFromVariables(context.env), ...settingsFromFlags(flags) },
      context,
    ),
    child: childOptions(launch, context),
  };
}

/** The server that needs no manifest; undefined when one is asked for. */
async function readOwnServer(request: Request, context: CliContext): Promise<Manifest | undefined> {
  const { command, url, launch, files, settings, child } = request;
  if (url !== undefined) return await serveUrl(url, request, context);
  if (command !== undefined) return await serveCommand(command, launch, settings, child, context);
  // A file that is named counts more than the variable MCP_RUN_DEMO.
  if (launch.demo && files.length === 0) return await serveDemo(launch, settings, child, context);
  return undefined;
}

async function loadOptions(
  { files, launch, settings, child }: Request,
  { options: remote }: RemoteRequest,
  context: CliContext,
): Promise<LoadOptions> {
  const url = files.find(isUrl);
  if (url !== undefined)
    throw new RunError('USAGE', { detail: `${maskUrl(url)} is no file; a URL goes without --config` });
  return {
    files,
    servers: launch.server,
    overrides: settings,
    child,
    remote,
    ignoreTools: launch.ignoreTools,
    cwd: context.cwd,
    env: context.env,
    ask: context.canAsk ? await terminalAsk(context) : undefined,
    strict: launch.strict,
  };
}

function refuseContradictions(args: ServeArguments): void {
  const { manifest, command, flags } = args;
  const isRemote = manifest !== undefined && isUrl(manifest);
  const chosen = [
    command !== undefined && 'a command after --',
    flags['demo'] === true && '--demo',
    manifest !== undefined && (isRemote ? `the URL ${maskUrl(manifest)}` : `the manifest ${manifest}`),
    flags['config'] !== undefined && '--config',
  ].filter((what) => what !== false);
  const hasOwnServer = command !== undefined || flags['demo'] === true || isRemote;
  if (hasOwnServer && chosen.length > 1) {
    throw new RunError('USAGE', { detail: `Choose one: ${chosen.join(', ')}` });
  }
  if (hasOwnServer && flags['server'] !== undefined) {
    throw new RunError('USAGE', { detail: '--server chooses from a manifest, and there is none' });
  }
  if (command === undefined && !isRemote && flags['name'] !== undefined) {
    throw new RunError('USAGE', {
      detail: '--name names the server of a command after -- or of a URL, and there is none',
    });
  }
  const [forCommands] = isRemote ? given(args, 'The server process') : [];
  if (forCommands !== undefined)
    throw new RunError('USAGE', { detail: `${forCommands} is about a process, and a URL has none` });
  const [forRemote] = hasOwnServer && !isRemote ? given(args, 'The remote server') : [];
  if (forRemote !== undefined)
    throw new RunError('USAGE', { detail: `${forRemote} is about a remote server, and there is none` });
}

/** The launch flags of a group that were typed. */
function given({ flags }: ServeArguments, group: OptionGroup): readonly string[] {
  return LAUNCH_OPTIONS.flatMap(({ key, flag, group: own }) => {
    const [name = ''] = flag?.split(' ') ?? [];
    // commander says true where a --no-… is absent.
    const isGiven = name.startsWith('--no-') ? flags[key] === false : flags[key] !== undefined;
    return own === group && isGiven ? [name] : [];
  });
}

async function serveUrl(url: string, request: Request, context: CliContext): Promise<Manifest> {
  const { launch, settings, flags } = request;
  const { readRemote } = await import('./options/remote-options.ts');
  const { options, warnings } = await readRemote(flags, context);
  const { createUrlManifest } = await import('../manifest/resolve/one-off.ts');
  const { env } = context;
  const manifest = await createUrlManifest({
    url,
    name: launch.name,
    ignoreTools: launch.ignoreTools,
    settings,
    remote: options,
    env,
  });
  return { ...manifest, warnings: [...manifest.warnings, ...warnings] };
}

async function serveCommand(
  [command, ...args]: readonly string[],
  { name, ignoreTools }: Launch,
  settings: SettingsLayer,
  child: ChildOptions,
  { env }: CliContext,
): Promise<Manifest> {
  if (command === undefined || command === '') {
    throw new RunError('USAGE', { detail: 'There is no command after --' });
  }
  if (isUrl(command)) throw new RunError('USAGE', { detail: 'A URL goes without the -- before it' });
  const { createCommandManifest } = await import('../manifest/resolve/one-off.ts');
  return await createCommandManifest({ command, args, name, ignoreTools, settings, child, env });
}

async function serveDemo(
  { ignoreTools }: Launch,
  settings: SettingsLayer,
  child: ChildOptions,
  { env }: CliContext,
): Promise<Manifest> {
  const { createCommandManifest } = await import('../manifest/resolve/one-off.ts');
  const file = fileURLToPath(packageFile('dist/demo/server.js'));
  const { execPath: command } = process;
  return await createCommandManifest({
    command,
    args: [file],
    name: 'demo',
    source: DEMO_SOURCE,
    ignoreTools,
    settings,
    child,
    env,
  });
}

function childOptions({ env, envFile, passEnv, cwd }: Launch, context: CliContext): ChildOptions {
  return {
    env,
    envFiles: envFile.map((file) => resolve(context.cwd, file)),
    passEnv,
    cwd: cwd === undefined ? undefined : resolve(context.cwd, cwd),
  };
}

/** A path on the command line is relative to the working directory. */
function withAbsolutePaths(settings: SettingsLayer, { cwd }: CliContext): SettingsLayer {
  const absolute = { ...settings };
  for (const { kind, setting } of SETTING_OPTIONS) {
    const path = settings[setting];
    if (kind === 'file' && typeof path === 'string')
      Object.assign(absolute, { [setting]: resolve(cwd, path) });
  }
  return absolute;
}

/** Whether an argument is a URL rather than a file. */
export function isUrl(text: string): boolean {
  return /^[a-z][a-z\d+.-]*:\/\//i.test(text);
}

async function terminalAsk(context: CliContext) {
  const { askOnTerminal } = await import('./output/prompt.ts');
  return (question: Parameters<typeof askOnTerminal>[1]) => askOnTerminal(context, question);
}
