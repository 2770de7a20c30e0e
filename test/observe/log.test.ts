import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { describe, expect, it, onTestFinished } from 'vitest';
import { fixtureServer } from '../support/paths.ts';

describe('JSON', () => {
  it('has one object a line, with the level by name, the time and the text', async () => {
    const { stderr, stdout } = await run('json', 'info', 'each');
    expect(stdout).toBe('');
    const lines = stderr.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as object)).toEqual(
      ['info', 'warn', 'error'].map((level) => ({
        level,
        time: expect.any(Number),
        server: 'files',
        event: `test.${level}`,
        n: 1,
        msg: `text of ${level}`,
      })),
    );
  });

  it('keeps a line whose fields are no JSON', async () => {
    const { stderr } = await run('json', 'info', 'odd');
    const bound = { level: 'info', time: expect.any(Number), server: 'files', session: 's1' };
    expect(
      stderr
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as object),
    ).toEqual([
      { ...bound, event: 'test.odd', text: 'a\nb', msg: 'left out' },
      { ...bound, event: 'test.circle', msg: 'no JSON' },
    ]);
  });

  it.each([
    ['trace', 5],
    ['debug', 4],
    ['info', 3],
    ['warn', 2],
    ['error', 1],
    ['silent', 0],
  ])('at level %s has %i of five lines', async (level, count) => {
    const { stderr } = await run('json', level, 'each');
    expect(stderr.split('\n').length - 1).toBe(count);
  });
});

describe('for people', () => {
  it('is one line each with time, level, server and text, and without colours unless asked for', async () => {
    const { stderr, stdout } = await run('human', 'info', 'each');
    expect(stdout).toBe('');
    const lines = stderr.trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[1]).toMatch(/^\[?\d\d:\d\d:\d\d\]? WARN.*\[files\] text of warn/);
    // oxlint-disable-next-line no-control-regex
    expect(stderr).not.toMatch(/\x1B/);
  });

  it('has colours where they are wanted', async () => {
    // oxlint-disable-next-line no-control-regex
    expect((await run('human', 'info', 'each', 'colour')).stderr).toMatch(/\x1B\[/);
  });
});

describe('a stderr that nobody reads', () => {
  it.each(['json', 'human'])(
    'does not stop the program, which drops lines and says so later (%s)',
    async (format) => {
      const child = start(format, 'info', '20000');
      // 20 MB of lines: far more than the pipe and the buffer take.
      const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
      expect(JSON.parse(chunk.toString())).toMatchObject({ ms: expect.any(Number) });
      const stderr = collect(child.stderr);
      child.stdin.write('go\n');
      await once(child, 'close');
      const text = await stderr;
      expect(text.length).toBeLessThan(4 * 1024 * 1024);
      expect(text).toMatch(/lines dropped|log\.dropped/);
      expect(text.trimEnd().split('\n').at(-1)).toContain('last');
    },
  );

  it('that is closed does not stop the program either', async () => {
    const child = start('json', 'info', '20000');
    child.stderr.destroy();
    await once(child.stdout, 'data');
    child.stdin.write('go\n');
    const [code] = (await once(child, 'close')) as [number];
    expect(code).toBe(0);
  });
});

type Running = ChildProcessByStdio<Writable, Readable, Readable>;

function start(...args: string[]): Running {
  const [command = '', ...rest] = fixtureServer('unit/logs', ...args);
  const child = spawn(command, rest, { stdio: 'pipe' });
  child.stdin.on('error', () => {});
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

async function run(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const child = start(...args);
  child.stdin.end();
  const [stdout, stderr] = await Promise.all([collect(child.stdout), collect(child.stderr)]);
  return { stdout, stderr };
}

async function collect(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
