import { once } from 'node:events';
import { PassThrough, Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { frameOf, type Frame } from '../../src/protocol/frame.ts';
import { createLineWriter } from '../../src/protocol/line-writer.ts';

/** A stream that takes a write only when the test says so. */
class SlowStream extends Writable {
  readonly taken: string[] = [];
  #waiting: (() => void) | undefined;

  constructor() {
    super({ highWaterMark: 1024 });
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.taken.push(chunk.toString());
    this.#waiting = done;
  }

  take(): boolean {
    const done = this.#waiting;
    this.#waiting = undefined;
    done?.();
    return done !== undefined;
  }

  async takeAll(): Promise<void> {
    while (this.take()) await turn();
  }
}

describe('lines', () => {
  it('ends every frame with one LF', async () => {
    const { stream, text } = collecting();
    const writer = createLineWriter(stream);
    void writer.send(note('a'));
    void writer.send(note('b'));
    await turn();
    expect(text()).toBe(`${line('a')}${line('b')}`);
  });

  it('sends the frames of one turn in one write', async () => {
    const stream = new SlowStream();
    const writer = createLineWriter(stream);
    for (const name of ['a', 'b', 'c']) void writer.send(note(name));
    expect(stream.taken).toEqual([]);
    await turn();
    expect(stream.taken).toEqual([`${line('a')}${line('b')}${line('c')}`]);
  });

  it('sends what is waiting on flush, and only once', async () => {
    const { stream, text } = collecting();
    const writer = createLineWriter(stream);
    void writer.send(note('a'));
    expect(writer.flush()).toBeUndefined();
    expect(text()).toBe(line('a'));
    await turn();
    expect(text()).toBe(line('a'));
    expect(writer.flush()).toBeUndefined();
  });

  it('keeps order and bytes across small and large frames', async () => {
    const { stream, text } = collecting();
    const writer = createLineWriter(stream);
    const names = Array.from(
      { length: 40 },
      (_none, index) => `${index}-${'x'.repeat(index % 5 === 0 ? 100_000 : 10)}`,
    );
    for (const name of names) await writer.send(note(name));
    await writer.flush();
    await turn();
    expect(text()).toBe(names.map(line).join(''));
  });
});

describe('backpressure', () => {
  it('is not asked for while the reader keeps up', async () => {
    const { stream } = collecting();
    const writer = createLineWriter(stream);
    for (let count = 0; count < 20; count += 1) {
      expect(writer.send(note('a'))).toBeUndefined();
      await turn();
    }
  });

  it('makes the sender wait until the reader has caught up', async () => {
    const stream = new SlowStream();
    const writer = createLineWriter(stream);
    const wait = writer.send(note('x'.repeat(100_000)));
    expect(wait).toBeInstanceOf(Promise);
    const state = watch(wait);
    await turn();
    expect(state.settled).toBe(false);
    await stream.takeAll();
    await wait;
    expect(writer.send(note('a'))).toBeUndefined();
  });

  it('gives everyone who sends meanwhile something to wait for', async () => {
    const stream = new SlowStream();
    const writer = createLineWriter(stream);
    const first = writer.send(note('x'.repeat(100_000)));
    const second = writer.send(note('b'));
    expect(second).toBeInstanceOf(Promise);
    await turn();
    await stream.takeAll();
    await Promise.all([first, second]);
    expect(stream.taken.join('')).toBe(`${line('x'.repeat(100_000))}${line('b')}`);
  });

  it('leaves no listener behind', async () => {
    const stream = new SlowStream();
    const writer = createLineWriter(stream);
    for (let count = 0; count < 15; count += 1) {
      const wait = writer.send(note('x'.repeat(100_000)));
      await turn();
      await stream.takeAll();
      await wait;
    }
    for (const event of ['drain', 'close', 'error']) expect(stream.listenerCount(event)).toBe(0);
  });
});

describe('a reader that is gone', () => {
  it('lets the waiting sender go on', async () => {
    const stream = new SlowStream();
    stream.on('error', () => {});
    const wait = createLineWriter(stream).send(note('x'.repeat(100_000)));
    expect(wait).toBeInstanceOf(Promise);
    stream.destroy();
    await wait;
  });

  it('lets the waiting sender go on when it fails', async () => {
    const stream = new SlowStream();
    stream.on('error', () => {});
    const wait = createLineWriter(stream).send(note('x'.repeat(100_000)));
    stream.destroy(new Error('EPIPE'));
    await wait;
  });

  it.each(['ended', 'destroyed'])('never makes anyone wait once it is %s', async (how) => {
    const stream = new PassThrough();
    stream.on('error', () => {});
    if (how === 'ended') stream.end();
    else stream.destroy();
    const writer = createLineWriter(stream);
    for (let count = 0; count < 5; count += 1) await writer.send(note('x'.repeat(100_000)));
    await writer.flush();
    await turn();
  });

  it('does not hold the sender when the stream is ended while it waits', async () => {
    const stream = new SlowStream();
    const writer = createLineWriter(stream);
    const wait = writer.send(note('x'.repeat(100_000)));
    stream.end();
    const closed = once(stream, 'close');
    await turn();
    await stream.takeAll();
    await closed;
    await wait;
  });
});

function note(name: string): Frame {
  return frameOf({ method: name });
}

function line(name: string): string {
  return `{"jsonrpc":"2.0","method":"${name}"}\n`;
}

function collecting(): { stream: Writable; text: () => string } {
  const parts: Buffer[] = [];
  const stream = new Writable({
    highWaterMark: 1024 * 1024,
    write(chunk: Buffer, _encoding, done) {
      parts.push(chunk);
      done();
    },
  });
  return { stream, text: () => Buffer.concat(parts).toString() };
}

function watch(wait: void | Promise<void>): { readonly settled: boolean } {
  const state = { settled: wait === undefined };
  void wait?.then(() => {
    state.settled = true;
  });
  return state;
}
