import { expect, it } from 'vitest';
import { repliesIn } from '../../../src/upstream/http/reply.ts';

it('the replies in a stream are read up to 1,000 events', () => {
  const event = (id: number): string => `data: ${JSON.stringify({ jsonrpc: '2.0', id, result: {} })}\n\n`;
  const events = Array.from({ length: 1_500 }, (_, id) => event(id));
  expect(repliesIn(events.slice(0, 900).join(''))).toHaveLength(900);
  expect(repliesIn(events.join(''))).toHaveLength(1_000);
});
