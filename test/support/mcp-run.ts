/** Runs the real `mcp-run` and watches it. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { isJson, type Json } from './json.ts';
import { MCP_RUN, NODE } from './paths.ts';
import { PATIENCE_MS } from './patience.ts';

export interface RunOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** The Node to run it with. */
  readonly node?: string;
  /** Outlives the test; whoever started it stops it. */
  readonly keep?: boolean;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface McpRun {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Log lines so far; what is not JSON is under `raw`. */
  readonly logs: readonly Json[];
  readonly exited: Promise<Exit>;
  /** The first line that matches, whether it was logged already or not. */
  waitForLog(matches: (line: Json) => boolean): Promise<Json>;
  signal(name: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL if that does not help. */
  stop(): Promise<Exit>;
}

export interface ListeningMcpRun extends McpRun {
  /** Its origin, without a path. */
  readonly url: string;
  /** The `gateway.ready` line. */
  readonly ready: Json;
}

const running = new Set<ChildProcessByStdio<Writable, Readable, Readable>>();
// A worker that is ended by the runner must not leave its processes behind.
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** Starts `mcp-run …args`, and returns at once. */
export function spawnMcpRun(args: readonly string[], options: RunOptions = {}): McpRun {
  const child = spawn(options.node ?? NODE, [MCP_RUN, ...args], {
    cwd: options.cwd,
    env: { ...process.env, MCP_RUN_LOG_FORMAT: 'json', ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  running.add(child);
  // Writing to a process that has just died is part of some tests, and no error of theirs.
  child.stdin.on('error', () => {});
  const exited = new Promise<Exit>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });
  const { logs, waitForLog } = readLogs(child.stderr, exited);
  if (options.keep !== true) onTestFinished(async () => void (await stop()));

  return {
    pid: child.pid ?? 0,
    stdin: child.stdin,
    stdout: child.stdout,
    logs,
    exited,
    waitForLog,
    signal,
    stop,
  };

  function signal(name: NodeJS.Signals): void {
    child.kill(name);
  }

  async function stop(): Promise<Exit> {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
    // Output that nobody reads would keep `close` from coming.
    child.stdout.resume();
    return await exited.finally(() => clearTimeout(timer));
  }
}

/** Starts `mcp-run …args` with a network transport, and waits until it listens. */
export async function startMcpRun(
  args: readonly string[],
  options: RunOptions = {},
): Promise<ListeningMcpRun> {
  const run = spawnMcpRun(args, options);
  const ready = await run.waitForLog(({ event }) => event === 'gateway.ready');
  return { ...run, ready, url: String(ready['url']) };
}

/** `mcp-run serve --http … -- server`, on a free port. */
export function serve(
  transports: readonly string[],
  server: readonly string[],
  ...more: readonly string[]
): string[] {
  return ['serve', ...transports, '--port', '0', ...more, '--', ...server];
}

function readLogs(stderr: Readable, exited: Promise<Exit>): Pick<McpRun, 'logs' | 'waitForLog'> {
  const logs: Json[] = [];
  const watchers = new Set<(line: Json) => void>();
  createInterface({ input: stderr }).on('line', (text) => {
    const line = parse(text);
    logs.push(line);
    watchers.forEach((watch) => watch(line));
  });

  return {
    logs,
    waitForLog: (matches) =>
      new Promise((resolve, reject) => {
        const known = logs.find(matches);
        if (known !== undefined) return resolve(known);
        const watch = (line: Json): void => {
          if (!matches(line)) return;
          watchers.delete(watch);
          resolve(line);
        };
        watchers.add(watch);
        const give = (why: string): void =>
          reject(
            new Error(
              `mcp-run ended (${why}) before that line:\n${logs.map((line) => JSON.stringify(line)).join('\n')}`,
            ),
          );
        exited.then(
          ({ code, signal }) => give(String(code ?? signal)),
          (error: unknown) => give(String(error)),
        );
      }),
  };
}

function parse(text: string): Json {
  try {
    const value: unknown = JSON.parse(text);
    return isJson(value) ? value : { raw: text };
  } catch {
    return { raw: text };
  }
}
