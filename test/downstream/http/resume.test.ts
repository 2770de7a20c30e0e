import { describe, expect, it } from 'vitest';
import { listen, openSession, openStream, readStream, request, type Stream } from './listener.ts';

const progress = (value: number, pad = ''): { method: string; params: Record<string, unknown> } => ({
  method: 'notifications/progress',
  params: { progressToken: 't', progress: value, message: pad },
});
const note = (n: number, pad = ''): { method: string; params: Record<string, unknown> } => ({
  method: 'notifications/message',
  params: { n, pad },
});

describe('the stream of a POST', () => {
  it('goes on over a GET in the middle of its call', async () => {
    const harness = await listen();
    const session = await openSession(harness, '2025-11-25');
    const { accepted } = session;
    const pending = session.postOpen(request('slow'));
    await accepted.waitFor(({ method }) => method === 'slow');
    for (const value of [1, 2, 3]) void accepted.send(progress(value), 1);
    const first = readStream(await pending);
    const ids = await take(first, 4);
    first.incoming.destroy();
    void accepted.send(progress(4), 1);
    // The priming event, then 1, 2, 3: the client has seen up to 2.
    const second = await openStream(harness.mcp, session.headers, ids[2]);
    void accepted.send(progress(5), 1);
    void accepted.send({ id: 1, result: { done: true } });
    expect((await messages(second)).map(({ params, id }) => params?.['progress'] ?? id)).toEqual([
      3, 4, 5, 1,
    ]);
  });

  it('can be read again after its end, from any event', async () => {
    const harness = await listen();
    const session = await openSession(harness, '2025-11-25');
    const pending = session.postOpen(request('slow'));
    await session.accepted.waitFor(({ method }) => method === 'slow');
    for (const value of [1, 2]) void session.accepted.send(progress(value), 1);
    void session.accepted.send({ id: 1, result: {} });
    const events = await readStream(await pending).rest();
    expect(events).toHaveLength(4);
    for (const [index, { id }] of events.entries()) {
      const again = await messages(await openStream(harness.mcp, session.headers, id));
      expect(again).toHaveLength(3 - index);
    }
  });

  it('keeps its result for a client that left after the first event', async () => {
    const harness = await listen();
    const session = await openSession(harness, '2025-11-25');
    const pending = session.postOpen(request('slow'));
    await session.accepted.waitFor(({ method }) => method === 'slow');
    void session.accepted.send(progress(1), 1);
    const first = readStream(await pending);
    const { id } = await first.next();
    first.incoming.destroy();
    void session.accepted.send({ id: 1, result: { late: true } });
    const again = await messages(await openStream(harness.mcp, session.headers, id));
    expect(again.map((message) => message.id ?? 'progress')).toEqual(['progress', 1]);
  });

  it('gives back only its own events', async () => {
    const harness = await listen();
    const session = await openSession(harness, '2025-11-25');
    const pending = [session.postOpen(request('slow', 1)), session.postOpen(request('slow', 2))];
    await Promise.all([1, 2].map((id) => session.accepted.waitFor((frame) => frame.id === id)));
    for (const relatedRequestId of [1, 2, 1, 2])
      void session.accepted.send(progress(relatedRequestId), relatedRequestId);
    void session.accepted.send(note(0));
    for (const id of [1, 2]) void session.accepted.send({ id, result: {} });
    for (const [index, answer] of pending.entries()) {
      const [primer] = await readStream(await answer).rest();
      const again = await messages(await openStream(harness.mcp, session.headers, primer?.id));
      expect(again.map(({ params, id }) => params?.['progress'] ?? id)).toEqual([
        index + 1,
        index + 1,
        index + 1,
      ]);
    }
  });
});

describe('the GET stream', () => {
  it('goes on after the event that the client has seen last', async () => {
    const harness = await listen();
    const session = await openSession(harness, '2025-11-25');
    const first = await openStream(harness.mcp, session.headers);
    for (const n of [1, 2, 3]) void session.accepted.send(note(n));
    const ids = await take(first, 4);
    first.incoming.destroy();
    const second = await openStream(harness.mcp, session.headers, ids[1]);
    expect(await second.nextMessage()).toMatchObject({ params: { n: 2 } });
    expect(await second.nextMessage()).toMatchObject({ params: { n: 3 } });
    void session.accepted.send(note(4));
    expect(await second.nextMessage()).toMatchObject({ params: { n: 4 } });
  });

  it.each(['', 'x', '1', '-1-1', '0-', '99-1', '0-999999', '__proto__', '0-1-2', '1e3-1'])(
    'is opened for the last event id %j as well',
    async (id) => {
      const harness = await listen();
      const session = await openSession(harness, '2025-11-25');
      const stream = await openStream(harness.mcp, session.headers, id);
      void session.accepted.send(note(1));
      expect(await stream.nextMessage()).toMatchObject({ params: { n: 1 } });
    },
  );

  it('has ids that no other stream of the session has', async () => {
    const harness = await listen();
    const session = await openSession(harness, '2025-11-25');
    const stream = await openStream(harness.mcp, session.headers);
    const pending = session.postOpen(request('slow'));
    await session.accepted.waitFor(({ method }) => method === 'slow');
    for (const n of [1, 2]) {
      void session.accepted.send(note(n));
      void session.accepted.send(progress(n), 1);
    }
    void session.accepted.send({ id: 1, result: {} });
    const ids = [...(await take(stream, 3)), ...(await readStream(await pending).rest()).map(({ id }) => id)];
    expect(ids).toHaveLength(7);
    expect(new Set(ids).size).toBe(7);
  });
});

describe('the first event', () => {
  it('is an id without a message from 2025-11-25 on', async () => {
    const harness = await listen();
    const session = await openSession(harness, '2025-11-25');
    const stream = await openStream(harness.mcp, session.headers);
    expect(await stream.next()).toMatchObject({ data: '', id: expect.stringMatching(/./) });
  });

  it.each(['2025-06-18', '2025-03-26', '2024-11-05'])('is a message in %s', async (revision) => {
    const harness = await listen();
    const session = await openSession(harness, revision);
    const stream = await openStream(harness.mcp, session.headers);
    void session.accepted.send(note(1));
    expect(JSON.parse((await stream.next()).data)).toMatchObject({ params: { n: 1 } });
  });
});

describe('what is kept', () => {
  it('is bounded in bytes: the oldest events are gone', async () => {
    const harness = await listen({ resumeLimitBytes: 10_000 });
    const session = await openSession(harness, '2025-11-25');
    for (let n = 0; n < 100; n += 1) void session.accepted.send(note(n, 'x'.repeat(1_000)));
    const stream = await openStream(harness.mcp, session.headers);
    const { params } = await stream.nextMessage();
    expect((params as { n: number }).n).toBeGreaterThan(85);
    expect((params as { n: number }).n).toBeLessThan(95);
  });

  it('is at least the one message that nobody has seen yet', async () => {
    const harness = await listen({ resumeLimitBytes: 10 });
    const session = await openSession(harness, '2025-11-25');
    void session.accepted.send(note(1, 'x'.repeat(1_000)));
    const stream = await openStream(harness.mcp, session.headers);
    expect(await stream.nextMessage()).toMatchObject({ params: { n: 1 } });
  });
});

interface Message {
  readonly id?: unknown;
  readonly params?: Record<string, unknown>;
}

async function take(stream: Stream, count: number): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) ids.push(String((await stream.next()).id));
  return ids;
}

/** The messages until the stream ends. */
async function messages(stream: Stream): Promise<Message[]> {
  const events = await stream.rest();
  return events.flatMap(({ data }) => (data === '' ? [] : [JSON.parse(data) as Message]));
}
