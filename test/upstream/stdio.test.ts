import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { frameOf, type Frame } from '../../src/protocol/frame.ts';
import type { Link } from '../../src/link/link.ts';
import { Upstreams } from '../../src/upstream/upstream.ts';
import { createRecordingLog, type RecordingLog } from '../observe/recording-log.ts';
import { fixtureServer } from '../support/paths.ts';

interface Opened {
  readonly link: Link;
  readonly frames: readonly Frame[];
  /** How often, and with what, the link has closed. */
  readonly closes: readonly (Error | undefined)[];
  readonly closed: Promise<Error | undefined>;
  readonly log: RecordingLog;
  waitFor(matches: (frame: Frame) => boolean): Promise<Frame>;
}

const upstreams = new Upstreams(systemClock);
const links: Link[] = [];
afterAll(() => Promise.all(links.map((link) => link.close())));

/** Starts a process that does these steps, and reads what it writes. */
async function run(
  steps: readonly unknown[],
  onframe?: (frame: Frame) => void | Promise<void>,
  stdout: 'skip' | 'strict' = 'skip',
): Promise<Opened> {
  const log = createRecordingLog();
  const frames: Frame[] = [];
  const closes: (Error | undefined)[] = [];
  const watchers = new Set<(frame: Frame) => void>();
  const [command = '', ...args] = fixtureServer('unit/lines', JSON.stringify(steps));
  const link = await upstreams.open(
    { kind: 'stdio', command, args, cwd: undefined, env: {} },
    { server: 'files', lineLimitBytes: 10_000, stdout, log },
  );
  links.push(link);
  const closed = new Promise<Error | undefined>((resolve) => {
    link.onclose((error) => {
      closes.push(error);
      resolve(error);
    });
  });
  link.onframe((frame) => {
    frames.push(frame);
    for (const watch of watchers) watch(frame);
    return onframe?.(frame);
  });
  return {
    link,
    frames,
    closes,
    closed,
    log,
    waitFor(matches) {
      const known = frames.find(matches);
      if (known !== undefined) return Promise.resolve(known);
      return new Promise((resolve) => {
        const watch = (frame: Frame): void => {
          if (!matches(frame)) return;
          watchers.delete(watch);
          resolve(frame);
        };
        watchers.add(watch);
      });
    },
  };
}

const answer = (id: number | string, text = ''): string =>
  `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"t":"${text}"}}\n`;

describe.concurrent('an answer that cannot be read', () => {
  it.each([
    ['bad UTF-8', String.raw`{"result":{"t":"\xff"},"id":7,"jsonrpc":"2.0"}`, 'not UTF-8'],
    ['control characters', String.raw`{"id":7,"result":{"t":"\x01"},"jsonrpc":"2.0"}`, 'not JSON'],
    ['no "jsonrpc"', '{"id":7,"result":{}}', '"jsonrpc" must be "2.0"'],
    ['a null method', '{"jsonrpc":"2.0","method":null,"id":7,"result":{}}', '"method" must be a string'],
    ['an error that is a text', '{"error":"no","jsonrpc":"2.0","id":7}', '"error" must be an object'],
  ])('for its %s is an error with the reason', async (_title, line, detail) => {
    const out = line.replace(String.raw`\xff`, '\u00ff').replace(String.raw`\x01`, '\u0001');
    const { waitFor, log } = await run([{ out: `${out}\n`, latin1: true }]);
    const { message } = await waitFor(({ id }) => id === 7);
    expect(message.error).toMatchObject({ code: -32_603, data: { reason: 'unreadable_answer' } });
    expect(message.error?.message).toContain(detail);
    expect(log.of('server.answer-unreadable')).toMatchObject([{ level: 'warn', id: 7 }]);
    expect(log.of('server.stdout-skipped')).toEqual([]);
  });

  it('is told apart from the lines that a raw line break makes of it', async () => {
    const { waitFor, log } = await run([
      { out: '{"result":{"t":"one\ntwo"},"id":7,"jsonrpc":"2.0"}\n' },
      { out: '{"jsonrpc":"2.0","id":8,"result":{"t":"one\ntwo"}}\n' },
    ]);
    for (const answered of [7, 8])
      expect((await waitFor(({ id }) => id === answered)).message.error?.code).toBe(-32_603);
    expect(log.of('server.answer-unreadable')).toHaveLength(2);
  });

  it('is a warning three times', async () => {
    const { waitFor, log } = await run([
      { out: '{"jsonrpc":"2.0","id":#}\n', repeat: 10 },
      { out: answer('last') },
    ]);
    await waitFor(({ id }) => id === 'last');
    expect(log.of('server.answer-unreadable').filter(({ level }) => level === 'warn')).toHaveLength(3);
  });

  it('is none if it is a line of a log', async () => {
    const { waitFor, frames, log } = await run([
      { out: '{"level":"error","id":7,"error":"boom","msg":"no"}\n{"id":7}\n' },
      { out: answer(1) },
    ]);
    await waitFor(({ id }) => id === 1);
    expect(frames).toHaveLength(1);
    expect(log.of('server.stdout-skipped')).toHaveLength(1);
  });

  it('ends a server whose stdout is strict, at once', async () => {
    const { closed, frames } = await run([{ out: '{"id":7,"result":{}}\n' }, 'echo'], undefined, 'strict');
    expect(await closed).toMatchObject({ code: 'STDOUT_NOT_MCP' });
    expect(frames).toEqual([]);
  });
});

it('a request of the server that cannot be read is refused with its id', async () => {
  const { waitFor, log } = await run([
    { out: '{"id":"q","jsonrpc":"2.0","method":"roots/list","params":null}\n' },
    'echo',
  ]);
  // It takes the refusal for a request, and echoes it.
  const echoed = await waitFor(({ id }) => id === 'q');
  expect(echoed.kind).toBe('response');
  expect(log.of('server.request-unreadable')).toMatchObject([{ level: 'warn', id: 'q' }]);
});

describe.concurrent('a server that closes a stream and lives on', () => {
  it('has ended when that is its stdout: what it has said before is delivered, and it is stopped', async () => {
    const { link, closed, frames, closes, log } = await run([
      { out: answer(1) },
      { err: 'bye\n' },
      { close: 1 },
    ]);
    expect(await closed).toMatchObject({
      code: 'UPSTREAM_HUNG_UP',
      fields: { stream: 'stdout', stderr: 'bye' },
    });
    expect(frames).toHaveLength(1);
    await link.close();
    expect(log.of('server.exited')).toHaveLength(1);
    expect(closes).toHaveLength(1);
  });

  it('has ended when that is its stdin, as soon as something is said to it', async () => {
    const { link, closed, waitFor } = await run([{ close: 0 }, { out: answer(1) }]);
    await waitFor(({ id }) => id === 1);
    void link.send(frameOf({ id: 2, method: 'x' }));
    expect(await closed).toMatchObject({ code: 'UPSTREAM_HUNG_UP', fields: { stream: 'stdin' } });
  });

  it('is no fault of one that is being stopped', async () => {
    const { link, closed, waitFor } = await run([{ out: answer(1) }, 'echo']);
    await waitFor(({ id }) => id === 1);
    await link.close();
    expect(await closed).toMatchObject({ code: 'UPSTREAM_CLOSED' });
  });
});

describe.concurrent('messages', () => {
  it('go to the server as lines, and its answers come back', async () => {
    const { link, waitFor } = await run(['echo']);
    for (let id = 1; id <= 100; id += 1) void link.send(frameOf({ id, method: 'x', params: { n: id } }));
    expect((await waitFor(({ id }) => id === 100)).message.result).toEqual({ params: { n: 100 } });
  });

  it('that are none are skipped with one warning, and the next one is read', async () => {
    const { waitFor, frames, log } = await run([
      { out: 'Server started\n\n{"level":"info"}\n{"jsonrpc":\n[1]\n' },
      { out: answer(1) },
      'echo',
    ]);
    await waitFor(({ id }) => id === 1);
    expect(frames).toHaveLength(1);
    expect(log.of('server.stdout-skipped')).toHaveLength(1);
    expect(log.of('server.stdout-skipped')[0]).toMatchObject({ level: 'warn' });
  });

  it('that are none are shown in the log at debug only', async () => {
    const { waitFor, log } = await run([{ out: 'a secret\n' }, { out: answer(1) }, 'echo']);
    await waitFor(({ id }) => id === 1);
    const showing = log.entries.filter((entry) => JSON.stringify(entry).includes('secret'));
    expect(showing).toMatchObject([{ level: 'debug', event: 'server.stdout-line' }]);
  });

  it('may end in CRLF', async () => {
    const { waitFor } = await run([{ out: answer(1).replace('\n', '\r\n') }, 'echo']);
    expect(String((await waitFor(({ id }) => id === 1)).bytes)).toBe(answer(1).trim());
  });

  it('in a batch are taken one by one', async () => {
    const { waitFor, frames } = await run([
      {
        out: '[{"jsonrpc":"2.0","method":"n"},{"jsonrpc":"2.0","id":1,"result":{"n":12345678901234567890}}]\n',
      },
      { out: answer(2) },
      'echo',
    ]);
    await waitFor(({ id }) => id === 2);
    expect(frames.map(({ bytes }) => String(bytes))).toEqual([
      '{"jsonrpc":"2.0","method":"n"}',
      '{"jsonrpc":"2.0","id":1,"result":{"n":12345678901234567890}}',
      answer(2).trim(),
    ]);
  });

  it('in a batch do not suffer from one that is none', async () => {
    const { waitFor, frames, log } = await run([
      { out: `[${answer(1).trim()},{"id":2,"jsonrpc":"2.0","error":"no"},3]\n` },
      { out: answer(4) },
    ]);
    await waitFor(({ id }) => id === 4);
    expect(frames.map(({ id, message }) => [id, message.error?.code])).toEqual([
      [1, undefined],
      [2, -32_603],
      [4, undefined],
    ]);
    expect(log.of('server.stdout-skipped')).toHaveLength(1);
  });

  it('may have one byte order mark in front of the first', async () => {
    const { waitFor, log } = await run([{ out: `\uFEFF${answer(1)}\uFEFF${answer(2)}${answer(3)}` }]);
    await waitFor(({ id }) => id === 3);
    expect((await waitFor(({ id }) => id === 1)).message.result).toEqual({ t: '' });
    expect((await waitFor(({ id }) => id === 2)).message.error).toMatchObject({ code: -32_603 });
    expect(log.of('server.stdout-skipped')).toEqual([]);
  });

  it('over the limit are answered with an error in their place', async () => {
    const { waitFor, frames, log } = await run([
      { out: answer(1, 'x'.repeat(20_000)) },
      { out: `{"result":{"t":"${'x'.repeat(20_000)}"},"jsonrpc":"2.0","id":"two"}\r\n` },
      { out: `{"method":"notifications/message","params":{"t":"${'x'.repeat(20_000)}"},"jsonrpc":"2.0"}\n` },
      { out: answer(3) },
      'echo',
    ]);
    await waitFor(({ id }) => id === 3);
    expect(frames.map(({ id }) => id)).toEqual([1, 'two', 3]);
    for (const frame of frames.slice(0, 2)) {
      expect(frame.message.error).toMatchObject({ code: -32_603, data: { reason: 'line_too_long' } });
    }
    expect(log.of('server.line-too-long')).toHaveLength(3);
  });

  it('wait where the client does not keep up', async () => {
    let seen = 0;
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const { waitFor } = await run(
      [{ out: answer('#', 'x'.repeat(5_000)), repeat: 2_000 }, { out: answer('last') }, 'echo'],
      () => {
        seen += 1;
        return gate;
      },
    );
    await waitFor(() => true);
    await delay(100);
    // What was read before the pause is delivered; the rest stays in the pipe and in the server.
    expect(seen).toBeLessThan(200);
    release();
    await waitFor(({ id }) => id === 'last');
    expect(seen).toBe(2_001);
  });
});

describe.concurrent('the log of the server', () => {
  it('is its stderr, line by line', async () => {
    const { closed, log } = await run([{ err: 'one\ntwo\r\n\nthree\n' }, 0]);
    await closed;
    expect(log.of('server.stderr').map(({ text }) => text)).toEqual(['one', 'two', 'three']);
  });

  it('has also the last line, without a line end', async () => {
    const { closed, log } = await run([{ err: 'Error: out of memory' }, 1]);
    await closed;
    expect(log.of('server.stderr').map(({ text }) => text)).toEqual(['Error: out of memory']);
  });

  it('has the ends of a line that is too long', async () => {
    const { closed, log } = await run([{ err: `start${'x'.repeat(100_000)}end\nnext\n` }, 0]);
    await closed;
    const [long, next] = log.of('server.stderr').map(({ text }) => text);
    expect(long).toMatch(/^start.*end$/);
    expect(long?.length).toBeLessThan(20_000);
    expect(next).toBe('next');
  });
});

describe.concurrent('the end of the server', () => {
  it('is told once, with its exit code', async () => {
    const { closed, closes, link, log } = await run([3]);
    expect(await closed).toMatchObject({ code: 'UPSTREAM_EXITED', fields: { server: 'files', exitCode: 3 } });
    await link.close();
    await link.close();
    expect(closes).toHaveLength(1);
    expect(log.of('server.exited')).toMatchObject([{ level: 'debug', code: 3 }]);
  });

  it('comes after its last answer', async () => {
    const order: unknown[] = [];
    const { closed } = await run(
      [{ out: answer('#'), repeat: 500 }, { out: answer('last') }, 0],
      ({ id }) => void order.push(id),
    );
    await closed.then(() => order.push('closed'));
    expect(order.slice(-2)).toEqual(['last', 'closed']);
    expect(order).toHaveLength(502);
  });

  it('comes after its last answer, also for a client that is slower than the server', async () => {
    const order: unknown[] = [];
    const { closed } = await run(
      [{ out: answer('#', 'x'.repeat(1_000)), repeat: 200 }, { out: answer('last') }, 0],
      async ({ id }) => {
        order.push(id);
        await delay(300);
      },
    );
    await closed.then(() => order.push('closed'));
    expect(order.slice(-2)).toEqual(['last', 'closed']);
  });

  it('is no accident if we have asked for it', async () => {
    const { closed, link, log } = await run(['echo']);
    await link.close();
    expect(await closed).toMatchObject({ code: 'UPSTREAM_CLOSED', fields: { exitCode: 0 } });
    expect(log.of('server.exited')).toMatchObject([{ level: 'debug' }]);
  });

  it('lets what is sent afterwards go nowhere', async () => {
    const { closed, link } = await run([0]);
    await closed;
    for (let count = 0; count < 10; count += 1)
      await link.send(frameOf({ method: 'x', params: { t: 'x'.repeat(100_000) } }));
  });
});

it('sends what was said right before it is closed', async () => {
  const { link, frames, closed } = await run(['echo']);
  void link.send(frameOf({ id: 1, method: 'x' }));
  await link.close();
  await closed;
  expect(frames).toMatchObject([{ id: 1 }]);
});

it.each([
  ['no-such-command-anywhere', 'COMMAND_NOT_FOUND'],
  ['/', 'SPAWN_FAILED'],
])('cannot start %s', async (command, code) => {
  const options = {
    server: 'files',
    lineLimitBytes: 1_000,
    stdout: 'skip',
    log: createRecordingLog(),
  } as const;
  const target = { kind: 'stdio', command, args: [], cwd: undefined, env: { PATH: '/usr/bin' } } as const;
  await expect(upstreams.open(target, options)).rejects.toMatchObject({ code });
});
