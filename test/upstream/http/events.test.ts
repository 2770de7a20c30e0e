import { expect, it } from 'vitest';
import { readEvents } from '../../../src/upstream/http/events.ts';
import type { BodyReader, HttpResponse } from '../../../src/upstream/http/http-call.ts';

/** The events of a stream that arrives in these chunks, as `[event, data]`. */
function eventsOf(chunks: readonly Uint8Array[]): [string | undefined, string][] {
  const events: [string | undefined, string][] = [];
  const response: HttpResponse = {
    status: 200,
    header: () => undefined,
    over: new Promise(() => {}),
    abort() {},
    read(reader: BodyReader) {
      for (const chunk of chunks) void reader.data(Buffer.from(chunk));
      reader.end();
    },
  };
  readEvents(response, {
    server: 'far',
    maxLength: 1_000,
    event: ({ event, data }) => void events.push([event, data]),
    retry() {},
    end() {},
  });
  return events;
}

/** All ways to cut it once, and one by one. */
function* cuts(bytes: Buffer): Generator<Uint8Array[]> {
  for (let at = 0; at <= bytes.length; at += 1) yield [bytes.subarray(0, at), bytes.subarray(at)];
  yield [...bytes].map((byte) => Uint8Array.of(byte));
}

it.for([
  ['LF', '\n'],
  ['CR LF', '\r\n'],
  ['CR', '\r'],
] as const)('reads the same events wherever a stream with lines ended by %s is cut', ([, end]) => {
  const lines = [
    ': hello',
    '',
    'event: endpoint',
    'data: é\u{1F40B}',
    '',
    'data:1',
    'data: 2',
    '',
    'data:',
    '',
    '',
  ];
  for (const start of ['', '\uFEFF']) {
    for (const chunks of cuts(Buffer.from(start + lines.join(end)))) {
      expect(eventsOf(chunks)).toEqual([
        ['endpoint', 'é\u{1F40B}'],
        [undefined, '1\n2'],
        [undefined, ''],
      ]);
    }
  }
});

it('ignores one byte order mark, at the start of a stream only', () => {
  const marked = 'data: 1\n\n';
  for (const chunks of cuts(Buffer.from(`\uFEFF${marked}`)))
    expect(eventsOf(chunks)).toEqual([[undefined, '1']]);
  // Behind it, the mark makes another field of the line.
  for (const text of [`\uFEFF\uFEFF${marked}`, `\n\uFEFF${marked}`]) {
    for (const chunks of cuts(Buffer.from(text))) expect(eventsOf(chunks)).toEqual([]);
  }
  expect(eventsOf([Buffer.from('data: \uFEFF1\n\n')])).toEqual([[undefined, '\uFEFF1']]);
});
