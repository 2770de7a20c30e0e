/** The output of one server is handled in several turns, so that clients of other servers do not wait for all of it. */
import { describe, expect, test } from 'vitest';
import { FairReader } from '../../src/upstream/fair-reader.ts';

/** Takes two bytes a turn. */
function setUp(): { reader: FairReader; events: string[] } {
  const events: string[] = [];
  const reader = new FairReader({
    take(chunk) {
      events.push(chunk.subarray(0, 2).toString());
      return Math.min(2, chunk.length);
    },
    pause: () => void events.push('pause'),
    resume: () => void events.push('resume'),
  });
  return { reader, events };
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('a chunk', () => {
  test('of one turn is handled at once, without a pause', () => {
    const { reader, events } = setUp();
    reader.push(Buffer.from('ab'));
    expect(events).toEqual(['ab']);
  });

  test('of several turns leaves room for others between them, and pauses the stream', async () => {
    const { reader, events } = setUp();
    reader.push(Buffer.from('abcdef'));
    setImmediate(() => events.push('another client'));
    expect(events).toEqual(['ab', 'pause']);
    await turns(4);
    expect(events).toEqual(['ab', 'pause', 'cd', 'another client', 'ef', 'resume']);
  });

  test('that comes in spite of the pause waits for its turn', async () => {
    const { reader, events } = setUp();
    reader.push(Buffer.from('abcd'));
    reader.push(Buffer.from('efg'));
    await turns(5);
    expect(events).toEqual(['ab', 'pause', 'cd', 'ef', 'g', 'resume']);
  });
});

test('flushing handles all that has been read, in order, and the stream is resumed once', async () => {
  const { reader, events } = setUp();
  reader.push(Buffer.from('abcd'));
  reader.push(Buffer.from('ef'));
  reader.flush();
  expect(events).toEqual(['ab', 'pause', 'cd', 'ef']);
  await turns(3);
  expect(events).toEqual(['ab', 'pause', 'cd', 'ef', 'resume']);
});

test('each pause has its resume, also when more is read right after flushing', async () => {
  const { reader, events } = setUp();
  reader.push(Buffer.from('abcd'));
  reader.flush();
  reader.push(Buffer.from('efgh'));
  await turns(5);
  const count = (event: string): number => events.filter((one) => one === event).length;
  expect(events.filter((event) => event.length === 2)).toEqual(['ab', 'cd', 'ef', 'gh']);
  expect(count('pause')).toBe(count('resume'));
});
