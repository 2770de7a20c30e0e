import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RunError } from '../errors.ts';
import type { SettingsLayer } from '../manifest/layers.ts';
import type { ChildOptions } from '../manifest/resolve-server.ts';
import type { Manifest } from '../manifest/settings.ts';
import type { CliContext } from './context.ts';
import { readLaunch, settingsFromFlags, settingsFromVariables, type Launch } from './options.ts';

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
  refuseContradictions(args);
  const launch = readLaunch(args.flags, context.env);
  const settings = withAbsolutePaths(
    { ...settingsFromVariables(context.env), ...settingsFromFlags(args.flags) },
    context,
  );
  const child = childOptions(launch, context);
  if (args.command !== undefined) return await serveCommand(args.command, launch, settings, child, context);

  const files = [...launch.config, ...(args.manifest === undefined ? [] : [args.manifest])];
  // A file that is named counts more than the variable MCP_RUN_DEMO.
  if (launch.demo && files.length === 0) return await serveDemo(settings, child, context);
  files.forEach(refuseUrl);
  const { loadManifest } = await import('../manifest/load.ts');
  return await loadManifest({
    files,
    servers: launch.server,
    overrides: settings,
    child,
    cwd: context.cwd,
    env: context.env,
    ask: context.canAsk ? await terminalAsk(context) : undefined,
  });
}

function refuseContradictions({ manifest, command, flags }: ServeArguments): void {
  const chosen = [
    command !== undefined && 'a command after --',
    flags['demo'] === true && '--demo',
    manifest !== undefined && `the manifest ${manifest}`,
    flags['config'] !== undefined && '--config',
  ].filter((what) => what !== false);
  const hasOwnServer = command !== undefined || flags['demo'] === true;
  if (hasOwnServer && chosen.length > 1) {
    throw new RunError('USAGE', { detail: `Choose one: ${chosen.join(', ')}` });
  }
  if (hasOwnServer && flags['server'] !== undefined) {
    throw new RunError('USAGE', { detail: '--server chooses from a manifest, and there is none' });
  }
  if (command === undefined && flags['name'] !== undefined) {
    throw new RunError('USAGE', {
      detail: '--name names the server of a command after --, and there is none',
    });
  }
}

async function serveCommand(
  [command, ...args]: readonly string[],
  { name }: Launch,
  settings: SettingsLayer,
  child: ChildOptions,
  { env }: CliContext,
): Promise<Manifest> {
  if (command === undefined || command === '') {
    throw new RunError('USAGE', { detail: 'There is no command after --' });
  }
  refuseUrl(command);
  const { createCommandManifest } = await import('../manifest/one-off.ts');
  return await createCommandManifest({ command, args, name, settings, child, env });
}

async function serveDemo(
  settings: SettingsLayer,
  child: ChildOptions,
  { env }: CliContext,
): Promise<Manifest> {
  const { createCommandManifest } = await import('../manifest/one-off.ts');
  const file = fileURLToPath(new URL('../demo/server.js', import.meta.url));
  const { execPath: command } = process;
  return await createCommandManifest({
    command,
    args: [file],
    name: 'demo',
    source: DEMO_SOURCE,
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

/** A path on the command line is relative to where that was typed. */
function withAbsolutePaths(settings: SettingsLayer, { cwd }: CliContext): SettingsLayer {
  const { tokenFile } = settings;
  return tokenFile === undefined ? settings : { ...settings, tokenFile: resolve(cwd, tokenFile) };
}

function refuseUrl(text: string): void {
  if (!/^https?:\/\//i.test(text)) return;
  const server = URL.canParse(text) ? new URL(text).hostname : text;
  throw new RunError('REMOTE_UNSUPPORTED', { server, url: text });
}

async function terminalAsk(context: CliContext) {
  const { askOnTerminal } = await import('./prompt.ts');
  return (question: Parameters<typeof askOnTerminal>[1]) => askOnTerminal(context, question);
}
