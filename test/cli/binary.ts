import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

export const BINARY = fileURLToPath(new URL('../../bin/mcp-run.js', import.meta.url));

export interface Running {
  readonly process: ChildProcessWithoutNullStreams;
  /** Resolves with the stderr so far once it matches. */
  stderrUntil(pattern: RegExp): Promise<string>;
  readonly ended: Promise<{
    code: number | null;
    signal: NodeJS.Signals | null;
    stdout: string;
    stderr: string;
  }>;
}

/** Starts the built program with a small environment of its own. */
export function start(
  argv: readonly string[],
  options: { cwd?: string; env?: object; node?: string[] } = {},
): Running {
  const child = spawn(process.execPath, [...(options.node ?? []), BINARY, ...argv], {
    cwd: options.cwd,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...options.env },
  });
  let stdout = '';
  let stderr = '';
  const waiting = new Set<() => void>();
  child.stdout.on('data', (chunk) => (stdout += String(chunk)));
  child.stderr.on('data', (chunk) => {
    stderr += String(chunk);
    for (const check of waiting) check();
  });
  const ended = once(child, 'close').then(() => {
    for (const check of waiting) check();
    return { code: child.exitCode, signal: child.signalCode, stdout, stderr };
  });
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await ended;
  });
  return {
    process: child,
    ended,
    stderrUntil: (pattern) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          if (pattern.test(stderr)) resolve(stderr);
          else if (child.exitCode !== null) reject(new Error(`ended with ${child.exitCode}: ${stderr}`));
          else return;
          waiting.delete(check);
        };
        waiting.add(check);
        check();
      }),
  };
}
