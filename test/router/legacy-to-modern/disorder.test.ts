/** Whatever the order of things, every call has one answer, and nothing is left of it. */
import { array, assert, asyncProperty, constantFrom, nat, record, type Arbitrary } from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { RequestId } from '../../../src/protocol/frame.ts';
import { acknowledge, inputRequired, introduced, toolCall, type Facade } from './facade.ts';
import { fuzz } from '../../support/fuzz.ts';
import { aliveMb } from '../../support/garbage.ts';

const CAPABILITIES = { elicitation: { form: {}, url: {} } };
const FORM = {
  method: 'elicitation/create',
  params: { message: 'name?', requestedSchema: { type: 'object' } },
};
const URL_MODE = {
  method: 'elicitation/create',
  params: { mode: 'url', message: 'go there', url: 'https://a.example' },
};

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** What one of the two does, to whatever `nth` of what is there. */
const Step = record({
  what: constantFrom(
    'call',
    'cancel',
    'complete',
    'refuse',
    'ask',
    'ask-url',
    'poll',
    'answer',
    'reject',
    'wait',
    'subscribe',
    'unsubscribe',
    'acknowledge',
    'end-listen',
  ),
  nth: nat(50),
});
type Step = typeof Step extends Arbitrary<infer T> ? T : never;

interface World {
  readonly facade: Facade;
  readonly called: RequestId[];
  readonly cancelled: Set<RequestId>;
  /** Requests that the server has answered. */
  readonly settled: Set<RequestId>;
}

test('every call has exactly one answer, or none if it was cancelled, and leaves no timer', async () => {
  await assert(
    asyncProperty(array(Step, { maxLength: 60 }), async (steps) => {
      const facade = await introduced({}, { capabilities: CAPABILITIES });
      const world: World = { facade, called: [], cancelled: new Set(), settled: new Set() };
      for (const step of steps) await take(world, step);
      await finish(world);
      for (const id of world.called) {
        const answers = facade.received.filter(
          ({ message }) => message.id === id && message.method === undefined,
        );
        if (world.cancelled.has(id)) expect(answers.length).toBeLessThanOrEqual(1);
        else expect(answers).toHaveLength(1);
      }
      await facade.link.close();
      expect(vi.getTimerCount()).toBe(0);
    }),
    fuzz(200),
  );
});

async function take({ facade, called, cancelled, settled }: World, { what, nth }: Step): Promise<void> {
  const request = pick(open(facade, settled), nth);
  const question = pick(facade.questions(), nth)?.id ?? 'none';
  switch (what) {
    case 'call': {
      const id = called.length;
      called.push(id);
      return facade.send(toolCall(id, { _meta: { progressToken: id } }));
    }
    case 'cancel': {
      const id = pick(called, nth);
      if (id === undefined) return;
      cancelled.add(id);
      return facade.send({ method: 'notifications/cancelled', params: { requestId: id } });
    }
    case 'complete':
      return settle(request, (id) => facade.say({ id, result: { resultType: 'complete', content: [] } }));
    case 'refuse':
      return settle(request, (id) => facade.say({ id, error: { code: -32603, message: 'no' } }));
    case 'ask':
      return settle(request, (id) => facade.say(inputRequired(id, { a: FORM, b: FORM }, 's')));
    case 'ask-url':
      return settle(request, (id) => facade.say(inputRequired(id, { a: URL_MODE })));
    case 'poll':
      return settle(request, (id) => facade.say(inputRequired(id, undefined, 's')));
    case 'answer':
      return facade.send({ id: question, result: { action: 'accept', content: {} } });
    case 'reject':
      return facade.send({ id: question, error: { code: -1, message: 'no' } });
    case 'wait':
      return void (await vi.advanceTimersByTimeAsync(nth * 100));
    case 'subscribe':
      return facade.send({ id: `s${nth}`, method: 'resources/subscribe', params: { uri: `a:${nth % 5}` } });
    case 'unsubscribe':
      return facade.send({ id: `u${nth}`, method: 'resources/unsubscribe', params: { uri: `a:${nth % 5}` } });
    case 'acknowledge':
      if (facade.count('subscriptions/listen') > 0) acknowledge(facade);
      return;
    case 'end-listen':
      if (facade.count('subscriptions/listen') > 0)
        await facade.say({ id: facade.requested('subscriptions/listen').id, result: {} });
  }

  async function settle(
    id: RequestId | undefined,
    answer: (id: RequestId) => void | Promise<void>,
  ): Promise<void> {
    if (id === undefined) return;
    settled.add(id);
    await answer(id);
  }
}

/** Everybody does his part until nothing is open. */
async function finish(world: World): Promise<void> {
  const { facade, settled } = world;
  for (let round = 0; round < 100; round += 1) {
    for (const { id } of facade.questions()) await facade.send({ id, result: { action: 'cancel' } });
    await vi.advanceTimersByTimeAsync(5_000);
    const left = open(facade, settled);
    if (left.length === 0) return;
    for (const id of left) {
      settled.add(id);
      await facade.say({ id, result: { resultType: 'complete', content: [] } });
    }
  }
}

/** The server's view of calls that it has not answered. */
function open(facade: Facade, settled: ReadonlySet<RequestId>): RequestId[] {
  return facade.server.sent.flatMap(({ message: { id, method } }) =>
    method === 'tools/call' && id !== undefined && id !== null && !settled.has(id) ? [id] : [],
  );
}

function pick<T>(from: readonly T[], nth: number): T | undefined {
  return from[nth % Math.max(from.length, 1)];
}

test('holds nothing of what is over', async () => {
  const facade = await introduced({}, { capabilities: CAPABILITIES });
  const heldMb = (): number => {
    // What the test itself remembers.
    facade.received.length = 0;
    Object.assign(facade.server.sent, { length: 0 });
    return aliveMb();
  };
  await converse(facade, 200);
  const before = heldMb();
  for (let round = 0; round < 10; round += 1) {
    await converse(facade, 200);
    heldMb();
  }
  // 2,000 calls of 20 KB each.
  expect(heldMb() - before).toBeLessThan(8);
});

/** Calls that end in every way there is. */
async function converse(facade: Facade, calls: number): Promise<void> {
  const padding = 'x'.repeat(20_000);
  for (let index = 0; index < calls; index += 1) {
    await facade.send(toolCall(`c${index}`, { arguments: { padding } }));
    const { id } = facade.requested('tools/call');
    if (index % 4 === 0) await facade.say({ id, result: { content: [{ type: 'text', text: padding }] } });
    else await facade.say(inputRequired(id, index % 4 === 1 ? undefined : { a: FORM, b: FORM }, padding));
    const question = facade.questions().at(-1)?.id ?? 'none';
    if (index % 4 === 2) await facade.send({ id: question, error: { code: -1, message: 'no' } });
    await facade.send({ method: 'notifications/cancelled', params: { requestId: `c${index}` } });
  }
}
