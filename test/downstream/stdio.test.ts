import { once } from 'node:events';
import { PassThrough, Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { createStdioDownstream } from '../../src/downstream/stdio.ts';
import { RunError } from '../../src/errors.ts';
import { frameOf, type Frame } from '../../src/protocol/frame.ts';
import type { Link } from '../../src/link/link.ts';

interface Opened {
  readonly link: Link;
  readonly input: PassThrough;
  readonly output: PassThrough;
  readonly frames: readonly Frame[];
  readonly events: readonly string[];
  /** What was written so far, line by line. */
  written(): Promise<unknown[]>;
}

function open(onframe: (frame: Frame) => void | Promise<void> = () => {}): Opened {
  const input = new PassThrough();
  const output = new PassThrough();
  const frames: Frame[] = [];
  const events: string[] = [];
  const link = createStdioDownstream({ input, output, lineLimitBytes: 1_000, clock: systemClock });
  link.onframe((frame) => {
    frames.push(frame);
    return onframe(frame);
  });
  link.onend(() => void events.push('end'));
  link.onclose(() => void events.push('close'));
  return {
    link,
    input,
    output,
    frames,
    events,
    async written() {
      for (let count = 0; count < 5; count += 1) await turn();
      const text = String((output.read() as Buffer | null) ?? '');
      return text.split('\n').flatMap((line): unknown[] => (line === '' ? [] : [JSON.parse(line)]));
    },
  };
}

const ping = (id: number): string => `{"jsonrpc":"2.0","id":${id},"method":"ping"}\n`;

describe('what the client says', () => {
  it('arrives message by message, as its bytes', async () => {
    const { input, frames } = open();
    const text = '{"jsonrpc":"2.0", "id":1, "method":"x", "params":{"n":12345678901234567890}}';
    input.write(`${text}\r\n\n${ping(2)}{"jsonrpc":"2.0","meth`);
    input.write('od":"n"}\n');
    await turn();
    expect(frames.map(({ id, method }) => [id, method])).toEqual([
      [1, 'x'],
      [2, 'ping'],
      [undefined, 'n'],
    ]);
    expect(String(frames[0]?.bytes)).toBe(text);
  });

  it.each([
    ['no JSON', 'nonsense', -32_700, 'parse_error'],
    ['no JSON-RPC', '{"foo":1}', -32_600, 'invalid_request'],
    ['a batch', '[]', -32_600, 'invalid_request'],
    ['too long', `{"x":"${'x'.repeat(2_000)}"}`, -32_600, 'invalid_request'],
  ])(
    'and is %s gets an error with a null id, and the next line its chance',
    async (_title, line, code, reason) => {
      const { input, frames, written } = open();
      input.write(`${line}\n${ping(1)}`);
      expect(await written()).toMatchObject([
        { jsonrpc: '2.0', id: null, error: { code, data: { reason } } },
      ]);
      expect(frames).toMatchObject([{ id: 1 }]);
    },
  );

  it.each([
    ['has null params', '{"jsonrpc":"2.0","id":7,"method":"x","params":null}', -32_600],
    ['has no "jsonrpc"', '{"id":7,"method":"x"}', -32_600],
    ['has a large id', '{"id":1767000000123456789,"method":"x"}', -32_600],
    ['is not JSON throughout', '{"jsonrpc":"2.0","id":7,"method":"x","params":{"text":"\u0001"}}', -32_700],
    [
      'is over the limit',
      `{"jsonrpc":"2.0","id":7,"method":"x","params":{"text":"${'x'.repeat(1_000)}"}}`,
      -32_600,
    ],
  ])('and %s gets its error under its own id all the same', async (_title, line, code) => {
    const { input, output } = open();
    input.write(`${line}\n`);
    const text = await once(output, 'data');
    expect(String(text)).toContain(`"id":${/"id":(\d+)/.exec(line)?.[1]},"error":{"code":${code}`);
  });

  it('may begin with one byte order mark', async () => {
    const { input, frames, written } = open();
    input.write(`\uFEFF${ping(1)}\uFEFF${ping(2)}`);
    expect(await written()).toMatchObject([{ id: 2, error: { code: -32_700 } }]);
    expect(frames.map(({ id }) => id)).toEqual([1]);
  });

  it('and is not accepted gets its error under its own id', async () => {
    const { input, written } = open(({ id = '' }) => {
      throw new RunError('DUPLICATE_ID', { id: String(id) });
    });
    input.write(ping(7));
    expect(await written()).toMatchObject([
      { id: 7, error: { code: -32_600, data: { reason: 'duplicate_id' } } },
    ]);
  });

  it('waits while the server does not keep up', async () => {
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const { input, frames } = open(({ id }) => (id === 1 ? gate : undefined));
    input.write(ping(1));
    await turn();
    input.write(ping(2));
    await turn();
    expect(frames).toMatchObject([{ id: 1 }]);
    release();
    await turn();
    await turn();
    expect(frames).toMatchObject([{ id: 1 }, { id: 2 }]);
  });

  it('may end without a line end', async () => {
    const { input, frames, events } = open(() => {
      expect(events).toEqual([]);
    });
    input.end(ping(1).trim());
    await turn();
    await turn();
    expect(frames).toMatchObject([{ id: 1 }]);
    expect(events).toEqual(['end']);
  });
});

describe('the end', () => {
  it('of the input is told once, and the client can no longer be asked but still be answered', async () => {
    const { link, input, events, written } = open();
    expect(link.supports.requests).toBe(true);
    input.end();
    await turn();
    await turn();
    input.emit('error', new Error('EIO'));
    expect(events).toEqual(['end']);
    expect(link.supports.requests).toBe(false);
    void link.send(frameOf({ id: 1, result: {} }));
    expect(await written()).toMatchObject([{ id: 1 }]);
  });

  it('comes when the input breaks', async () => {
    const { input, events } = open();
    input.destroy(new Error('EIO'));
    await turn();
    expect(events).toEqual(['end']);
  });

  it.each(['breaks', 'is closed'])('of the link is told once when the output %s', async (how) => {
    const { link, output, events } = open();
    output.destroy(how === 'breaks' ? new Error('EPIPE') : undefined);
    await turn();
    expect(events).toEqual(['close']);
    await link.close();
    expect(events).toEqual(['close']);
    await link.send(frameOf({ method: 'x' }));
  });

  it('comes after what was sent right before', async () => {
    const { link, events, written } = open();
    void link.send(frameOf({ id: 1, result: {} }));
    await Promise.all([link.close(), link.close()]);
    expect(events).toEqual(['close']);
    expect(await written()).toMatchObject([{ id: 1 }]);
  });
});

it('waits for a client that does not read', async () => {
  const output = new Writable({ highWaterMark: 10, write: () => {} });
  const link = createStdioDownstream({
    input: new PassThrough(),
    output,
    lineLimitBytes: 1_000,
    clock: systemClock,
  });
  const wait = link.send(frameOf({ method: 'x', params: { t: 'x'.repeat(100_000) } }));
  expect(wait).toBeInstanceOf(Promise);
  output.destroy();
  await wait;
});
