/** Commands run as a user would in a terminal: in a process group of their own, whole output kept. */
import { spawn } from 'node:child_process';
import { PATIENCE_MS } from '../../support/patience.ts';

export interface ShellOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

export interface Running {
  /** Both streams, as far as they have come. */
  output(): string;
  /** Resolves when the output matches; rejects when the command ends first. */
  until(pattern: RegExp): Promise<void>;
  /** Sends the signal to the whole group, as a terminal does. */
  signal(name: NodeJS.Signals): boolean;
  /** Whether any process of the group is left. */
  isAlive(): boolean;
  /** Resolves with the exit code, or the signal's name, when the command has ended and its output is complete. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
  /** Ends the whole group, politely first. */
  stop(): Promise<void>;
}

export function startShell(commands: string, { cwd, env }: ShellOptions): Running {
  const child = spawn('sh', ['-euc', commands], {
    cwd,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      for (const check of waiting) check();
    });
  }
  const ended = new Promise<number | NodeJS.Signals | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? signal));
  });

  function until(pattern: RegExp): Promise<void> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        if (!pattern.test(output)) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      check();
      void ended.then(
        (code) => reject(new Error(`ended with ${code} before ${pattern}:\n${output}`)),
        reject,
      );
    });
  }

  /** Whether there was a group to receive it. */
  function signal(name: NodeJS.Signals | 0): boolean {
    try {
      return child.pid !== undefined && process.kill(-child.pid, name);
    } catch {
      return false;
    }
  }

  async function stop(): Promise<void> {
    signal('SIGTERM');
    const impatience = setTimeout(() => signal('SIGKILL'), PATIENCE_MS);
    await ended;
    clearTimeout(impatience);
    signal('SIGKILL');
  }

  return { output: () => output, until, signal, isAlive: () => signal(0), ended, stop };
}

/** Where a gateway that logs JSON lines serves its first server over Streamable HTTP, once it does. */
export async function readyUrl(gateway: Running): Promise<URL> {
  await gateway.until(/"event":"gateway\.ready".*\n/);
  const line =
    gateway
      .output()
      .split('\n')
      .find((text) => text.includes('"event":"gateway.ready"')) ?? '';
  return new URL(JSON.parse(line).servers[0].http);
}
