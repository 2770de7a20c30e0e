import { spawn } from 'node:child_process';
import { mkdtemp, realpath, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { readRegularFile } from '../files/regular-file.ts';
import { findCommand } from './find-command.ts';
import { MARKER, RELEASED } from './marker.ts';

/**
 * Containers that a server command starts. A container is no descendant of its client: when the client is killed, only
 * the engine can end it, and the client is asked to write its id to a file for that (`--cidfile`).
 */

interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string | undefined;
  readonly env: Readonly<Record<string, string>>;
}

/** A command line of a container engine that runs a container. */
export interface RunCommand {
  /** What names the engine: the command and its global options. */
  readonly engine: readonly string[];
  /** Index in `args` behind `run`. */
  readonly runsAt: number;
  /** Value of `--cidfile`, if it is given. */
  readonly cidFile: string | undefined;
  /** The client ends before its container. */
  readonly isDetached: boolean;
  /** The engine removes the container when it has ended. */
  readonly isRemoved: boolean;
}

const ENGINES = /^(?:docker|podman|nerdctl)$/;
/** Global options with a value, by their last letters or whole name. All others have none. */
const WITH_VALUE = new Set(
  [
    '-H --host -c --context --config -l --log-level --tlscacert --tlscert --tlskey',
    '--connection --url --identity --ssh --root --runroot --storage-driver --storage-opt --cgroup-manager --runtime',
    '--runtime-flag --tmpdir --conmon --events-backend --hooks-dir --imagestore --module --network-cmd-path',
    '--network-config-dir --out --volumepath --cdi-spec-dir --db-backend --default-mounts-file',
    '-a --address -n --namespace --snapshotter --data-root --hosts-dir --cni-path --cni-netconfpath --bridge-ip',
  ].flatMap((names) => names.split(' ')),
);
/** Options of `run` without a value. All others have one, or are written with `=`. */
const SWITCH_LETTERS = /^[itdPq]+/;
const SWITCHES = new Set(
  [
    '--interactive --tty --detach --publish-all --quiet --rm --init --privileged --read-only --help --sig-proxy',
    '--no-healthcheck --oom-kill-disable --disable-content-trust --use-api-socket',
    '--env-host --http-proxy --no-hosts --no-hostname --passwd --read-only-tmpfs --replace --rmi --rootfs --tls-verify',
    '--insecure-registry',
  ].flatMap((names) => names.split(' ')),
);
const KILL_MS = 10_000;
const ID = /^[a-z0-9][\w.-]{0,127}$/i;
/** Answers about a container that has ended by itself meanwhile. */
const GONE =
  /no such container|no container with|not found|(?:is )?not running|already (?:in progress|stopped)|can only kill/i;

/** Undefined for any other command. `sudo docker` and the like stay as they are: their rules may name the arguments. */
export function parseRun(command: string, args: readonly string[]): RunCommand | undefined {
  const name = command.split(/[\\/]/).at(-1)?.toLowerCase() ?? '';
  // Windows programs that are started from Linux (WSL) have other paths.
  if (!ENGINES.test(process.platform === 'win32' ? name.replace(/\.exe$/, '') : name)) return undefined;
  let at = 0;
  for (; args[at]?.startsWith('-') === true; at++) if (WITH_VALUE.has(args[at] ?? '')) at += 1;
  const globals = args.slice(0, at);
  if (args[at] === 'container') at += 1;
  if (args[at] !== 'run') return undefined;
  const options = optionsOfRun(args.slice(at + 1));
  const cidAt = options.findIndex((option) => /^--cidfile(?:=|$)/.test(option));
  const cid = options[cidAt] ?? '';
  return {
    engine: [command, ...globals],
    runsAt: at + 1,
    cidFile:
      cidAt === -1 ? undefined : cid.includes('=') ? cid.slice(cid.indexOf('=') + 1) : options[cidAt + 1],
    isDetached: options.some((option) => /^(?:-[itPq]*d[itPq]*|--detach(?:=true)?)$/.test(option)),
    isRemoved: options.some((option) => /^--rm(?:=true)?$/.test(option)),
  };
}

/** The options before the image: what follows that belongs to the container. */
function optionsOfRun(args: readonly string[]): readonly string[] {
  let at = 0;
  while (args[at]?.startsWith('-') === true && args[at] !== '--') at += takesValue(args[at] ?? '') ? 2 : 1;
  return args.slice(0, at);
}

function takesValue(option: string): boolean {
  if (!option.startsWith('--')) {
    // -it, -i; -p 1:1, -ip 1:1; -p1:1
    const letters = option.slice(1).replace(SWITCH_LETTERS, '');
    return letters.length === 1;
  }
  return !option.includes('=') && !SWITCHES.has(option);
}

export interface ContainerEnding {
  readonly id: string;
  /** Why the engine could not end it. */
  readonly failure: string | undefined;
}

export class Container {
  readonly launch: Launch;
  readonly run: RunCommand;
  readonly cidFile: string;
  /** Ours, to be removed. */
  readonly directory: string | undefined;
  /** With `--cidfile`. */
  readonly args: readonly string[];

  constructor(launch: Launch, run: RunCommand, cidFile: string, directory: string | undefined) {
    this.launch = launch;
    this.run = run;
    this.cidFile = cidFile;
    this.directory = directory;
    const { args } = launch;
    const { runsAt } = run;
    this.args =
      directory === undefined
        ? args
        : [...args.slice(0, runsAt), '--cidfile', cidFile, ...args.slice(runsAt)];
  }

  /**
   * Ends the container.
   * @param isOver the client has seen its end
   * @returns undefined if there is nothing to end
   */
  async end(isOver: boolean): Promise<ContainerEnding | undefined> {
    try {
      const id = isOver && !this.run.isDetached ? undefined : await this.#id();
      return id === undefined ? undefined : { id, failure: await this.#kill(id).catch(String) };
    } finally {
      await this.dispose();
    }
  }

  async dispose(): Promise<void> {
    if (this.directory !== undefined)
      await rm(this.directory, { recursive: true, force: true }).catch(() => {});
  }

  async #id(): Promise<string | undefined> {
    const id = (await readRegularFile(this.cidFile).catch(() => '')).toString().trim();
    return ID.test(id) ? id : undefined;
  }

  async #kill(id: string): Promise<string | undefined> {
    const failure = await this.#ask(['kill', id]);
    if (failure === undefined) return undefined;
    // One that was created and never started cannot be killed.
    const remains = this.run.isRemoved ? await this.#ask(['rm', '-f', id]) : failure;
    return remains === undefined || GONE.test(remains) ? undefined : remains;
  }

  /** @returns what the engine says if it fails */
  #ask(question: readonly string[]): Promise<string | undefined> {
    const [command = '', ...globals] = this.run.engine;
    return new Promise((settle) => {
      const child = spawn(command, [...globals, ...question], {
        cwd: this.launch.cwd,
        env: { ...this.launch.env, [MARKER]: RELEASED },
        stdio: ['ignore', 'ignore', 'pipe'],
        timeout: KILL_MS,
        killSignal: 'SIGKILL',
        windowsHide: true,
      });
      let words = '';
      child.stderr.on('data', (chunk: Buffer) => {
        words = (words + chunk.toString()).slice(-500);
      });
      child.once('error', (error) => settle(error.message));
      child.once('exit', (code, signal) =>
        // What it has said comes before `close`, which a process of its own may hold back.
        setImmediate(() => settle(code === 0 ? undefined : words.trim() || `ended with ${signal ?? code}`)),
      );
    });
  }
}

/**
 * Prepares a command that runs a container for its end.
 * @returns undefined for any other command, and where the id cannot be had
 */
export async function prepareContainer(launch: Launch): Promise<Container | undefined> {
  const run = parseRun(launch.command, launch.args);
  if (run === undefined) return undefined;
  if (run.cidFile !== undefined) {
    const file = resolve(launch.cwd ?? '', run.cidFile);
    // The client refuses a file that exists: the container in it is another one.
    return (await exists(file)) ? undefined : new Container(launch, run, file, undefined);
  }
  // A snap has a /tmp of its own, and would not find the directory.
  if (await isSnap(launch)) return undefined;
  try {
    const directory = await mkdtemp(join(tmpdir(), 'mcp-run-'));
    return new Container(launch, run, join(directory, 'cid'), directory);
  } catch {
    return undefined;
  }
}

async function isSnap({ command, cwd, env }: Launch): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  const path = await findCommand(command, env, cwd);
  if (path === undefined) return false;
  const target = await realpath(path).catch(() => path);
  return [path, target].some((one) => /^(?:\/var\/lib\/snapd)?\/snap\/|\/snap$/.test(one));
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
