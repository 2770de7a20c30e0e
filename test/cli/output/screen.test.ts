/** What a person at a terminal sees of `mcp-run check`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { joinResults } from '../../../src/cli/output/check-report.ts';
import { countLine, tableLines } from '../../../src/cli/output/check-screen.ts';
import { createPalette } from '../../../src/cli/output/palette.ts';
import { createProgress } from '../../../src/cli/output/progress.ts';
import { checkServers } from '../../../src/inspect/check-server.ts';
import { inspectManifest } from '../../../src/manifest/load.ts';
import { createWorkspace } from '../../manifest/workspace.ts';
import { fixtureServer } from '../../support/paths.ts';
import { BINARY } from '../binary.ts';
import { createTerminal } from '../terminal.ts';

const [command = '', ...good] = fixtureServer('behaviours');
const [, ...bad] = fixtureServer('dies-at-start');
const MANIFEST = JSON.stringify({
  mcpServers: {
    good: { command, args: good },
    'bad-one': { command, args: bad },
    off: { command, disabled: true },
  },
});

test('on a terminal there is a table, and below it what is wrong', async () => {
  const cwd = await createWorkspace({ 'mcp.json': MANIFEST });
  const { manifest, inventory } = await inspectManifest({ cwd, env: { PATH: process.env['PATH'] } });
  const options = {
    version: '1',
    timeoutMs: 30_000,
    lineLimitBytes: manifest.settings.lineLimitBytes,
    signal: new AbortController().signal,
    clock: systemClock,
  };
  const watcher = { started: () => {}, said: () => {}, ended: () => {} };
  const servers = joinResults(await checkServers(manifest.servers, options, watcher), inventory, []);
  const lines = tableLines(servers, createPalette(false));
  expect(lines[0]).toMatch(
    /^ {3}SERVER {3}IMPLEMENTATION {2,}REVISION {2,}ERA {2,}TOOLS {2}RESOURCES {2}PROMPTS {2,}START {2}ALSO$/,
  );
  expect(lines[1]).toMatch(
    /^✔ {2}good {5}behaviours 1\.2\.3 {2}2025-11-25 {2}legacy +\d+ +1 +\d+ +\d+ ms {2}logging/,
  );
  expect(lines.slice(2)).toEqual([
    '✖  bad-one  failed',
    '–  off      disabled',
    '',
    '✖ bad-one: Server "bad-one" exited (exit code 3)',
    '    its last lines on stderr:',
    '    | cannot start: the fixture was told so',
  ]);
  expect(countLine(servers)).toBe('3 servers: 1 ready, 1 failed, 1 disabled');
});

test('progress draws over itself, fits the terminal, and leaves nothing', () => {
  const { context, stderr } = createTerminal({ columns: () => 40 });
  const progress = createProgress(2, context, createPalette(false));
  progress.started('one');
  progress.said('one', `\u001B[31mdownloading ${'x'.repeat(100)}`);
  progress.started('two');
  progress.ended('two', false);
  progress.stop();
  const screen = draw(String(stderr.read()));
  expect(screen.final).toEqual([]);
  expect(screen.last.map((line) => line.replace(/\d\.\d s/, '0.0 s'))).toEqual([
    expect.stringMatching(/^. one {2}starting, 0\.0 s {2}downloading.*…$/),
    '✖ two',
    '  1 of 2 checked',
  ]);
  expect(Math.max(...screen.last.map((line) => line.length))).toBeLessThan(40);
});

/** A pseudo-terminal comes with util-linux. */
const SCRIPT = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'script'))
  .find(existsSync);

if (SCRIPT !== undefined && process.platform === 'linux') {
  test('on a real terminal the spinners are gone when the table comes, in colours', async () => {
    const cwd = await createWorkspace({ 'mcp.json': MANIFEST });
    const line = `'${process.execPath}' '${BINARY}' check`;
    const terminal = spawn(SCRIPT, ['-qec', line, '/dev/null'], {
      cwd,
      env: { PATH: process.env['PATH'], TERM: 'xterm' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    terminal.stdout.on('data', (chunk) => (output += String(chunk)));
    await once(terminal, 'close');
    expect(terminal.exitCode).toBe(4);
    expect(output).toMatch(/starting, \d\.\d s/);
    expect(output).toContain('\u001B[32m✔');
    const { final } = draw(output.replaceAll('\r\n', '\n'));
    expect(final[0]).toMatch(/^ {3}SERVER/);
    expect(final.at(-1)).toBe('3 servers: 1 ready, 1 failed, 1 disabled');
    expect(final.join('\n')).not.toContain('starting');
  });
}

/** What is on the screen at the end, and what was there before it was last cleared. */
function draw(output: string): { final: string[]; last: string[] } {
  let lines: string[] = [];
  let last: string[] = [];
  // oxlint-disable-next-line no-control-regex
  for (const part of output.split(/(?=\u001B\[\d+A\r\u001B\[J)/)) {
    // oxlint-disable-next-line no-control-regex
    const clear = /^\u001B\[(\d+)A\r\u001B\[J/.exec(part);
    if (clear !== null) {
      last = lines;
      lines = lines.slice(0, lines.length - Number(clear[1]));
    }
    // oxlint-disable-next-line no-control-regex
    const text = part.slice(clear?.[0].length ?? 0).replaceAll(/\u001B\[\d+m/g, '');
    lines = [...lines, ...text.split('\n').slice(0, -1)];
  }
  return { final: lines, last };
}
