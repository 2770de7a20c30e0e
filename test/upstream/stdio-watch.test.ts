/** What is said about a server's stdout, its silence and its last tail. */
import { describe, expect, it } from 'vitest';
import { StderrTail } from '../../src/upstream/supervision/stderr-tail.ts';
import { SlowStart } from '../../src/upstream/supervision/slow-start.ts';
import { InvalidStdout } from '../../src/upstream/invalid-stdout.ts';
import { createRecordingLog } from '../observe/recording-log.ts';
import { createFakeClock } from '../support/fake-clock.ts';

describe('lines on stdout that are not MCP', () => {
  function setUp() {
    const [log, clock] = [createRecordingLog(), createFakeClock()];
    const invalidStdout = new InvalidStdout(log, clock);
    const skip = (times: number): void => {
      for (let time = 0; time < times; time++) invalidStdout.skip(Buffer.from(`line ${time}`));
    };
    return { log, clock, invalidStdout, skip };
  }

  it('are told at once, then counted once a minute, then at the end', async () => {
    const { log, clock, invalidStdout, skip } = setUp();
    const counts = (): unknown[] => log.of('server.stdout-skipped').map(({ lines }) => lines);
    skip(1);
    expect(counts()).toEqual([1]);
    skip(999);
    await clock.pass(59_999);
    expect(counts()).toEqual([1]);
    await clock.pass(1);
    expect(counts()).toEqual([1, 1_000]);
    await clock.pass(600_000);
    expect(counts()).toEqual([1, 1_000]);
    skip(5);
    invalidStdout.end();
    expect(counts()).toEqual([1, 1_000, 1_005]);
    await clock.pass(600_000);
    expect(counts()).toEqual([1, 1_000, 1_005]);
  });

  it('are shown one by one at first, shortened and without control characters, at debug only', () => {
    const { log, invalidStdout, skip } = setUp();
    invalidStdout.skip(Buffer.from(`\u001B[31m${'x'.repeat(500)}`));
    skip(10);
    const shown = log.of('server.stdout-line');
    expect(shown).toHaveLength(3);
    expect(shown.map(({ level }) => level)).toEqual(['debug', 'debug', 'debug']);
    expect(shown[0]?.text).toBe(`skipped: ?[31m${'x'.repeat(115)}…`);
  });
});

describe('a server that has been asked and does not answer', () => {
  function setUp(command: string, ...args: string[]) {
    const [log, clock] = [createRecordingLog(), createFakeClock()];
    const slowStart = new SlowStart({ command, args, env: {} }, log, clock);
    return { clock, slowStart, said: () => log.of('server.slow-start').map(({ text }) => text) };
  }

  it('is told about once, after 5 s', async () => {
    const { clock, slowStart, said } = setUp('python3', 'server.py');
    slowStart.sent();
    await clock.pass(60_000);
    expect(said()).toEqual([
      'still starting after 5 s: Python may be holding its output back: add -u, or set PYTHONUNBUFFERED=1',
    ]);
  });

  it('is told about every 10 s when it may be downloading, until it answers', async () => {
    const { clock, slowStart, said } = setUp('npx', '-y', 'x');
    slowStart.sent();
    await clock.pass(25_000);
    slowStart.end();
    await clock.pass(60_000);
    expect(said()).toEqual([
      'still starting after 10 s: npx may be downloading the server',
      'still starting after 20 s: npx may be downloading the server',
    ]);
  });

  it('is given as long as it likes before it has been asked, and after it has answered', async () => {
    const { clock, slowStart, said } = setUp('node');
    await clock.pass(60_000);
    slowStart.end();
    slowStart.sent();
    await clock.pass(60_000);
    expect(said()).toEqual([]);
  });
});

describe('the tail of stderr', () => {
  it('are at most five lines', () => {
    const tail = new StderrTail();
    for (const line of ['1', '2', '', '3', '4', '  ', '5', '6', '7']) tail.add(line);
    expect(tail.text()).toBe('3\n4\n5\n6\n7');
  });

  it('are at most 2,048 characters, of the last line its beginning', () => {
    const tail = new StderrTail();
    tail.add('before');
    tail.add('x'.repeat(1_000_000));
    expect(tail.text()).toBe(`${'x'.repeat(2_047)}…`);
    tail.add('last');
    expect(tail.text()).toBe('last');
  });
});
