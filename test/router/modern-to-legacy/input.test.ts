/** Requests of a legacy server in the middle of a call, for a client that receives them as a demand for input. */
import { describe, expect, test } from 'vitest';
import { jsonOf, type Json } from '../../../src/era/json.ts';
import { META } from '../../../src/protocol/constants.ts';
import type { RequestId } from '../../../src/protocol/frame.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import type { MemoryLink } from '../../support/memory-link.ts';
import { createHarness, lastCallOf, requestsTo, settled, type Harness } from './harness.ts';
import { connect, type ModernTestClient } from './modern-client.ts';
import { eventually } from '../../support/eventually.ts';

const CALL = { name: 'any', arguments: { a: 1 } };
const CAPABILITIES = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };
const FORM = { message: 'Name?', requestedSchema: { type: 'object', properties: {} } };
const ACCEPTED = { action: 'accept', content: { name: 'x' } };

interface Demand {
  readonly inputRequests: Json;
  readonly requestState: string;
  readonly keys: string[];
}

describe('a server request', () => {
  test('ends the client’s request with a demand for input, and the retry resumes the call', async () => {
    const { harness, client, id } = await calling();
    await harness
      .child()
      .deliver({ id: 'q', method: 'elicitation/create', params: { ...FORM, _meta: { progressToken: 1 } } });
    const demand = await demandOf(client, id);
    expect(demand.inputRequests).toEqual({
      [demand.keys[0] ?? '']: { method: 'elicitation/create', params: FORM },
    });
    const retry = await comeBack(client, demand, [ACCEPTED], { progressToken: 'again' });
    expect(answerOf(harness.child(), 'q')).toMatchObject({ result: ACCEPTED });
    await harness.child().deliver({
      method: 'notifications/progress',
      params: { progressToken: lastCallOf(harness.child()), progress: 1 },
    });
    await harness.child().deliver({ id: lastCallOf(harness.child()), result: { content: [] } });
    expect(client.answerTo(retry)?.result).toMatchObject({ resultType: 'complete', content: [] });
    expect(requestsTo(harness.child(), 'tools/call')).toHaveLength(1);
  });

  test('is sent together with those of the same moment, and a second round follows the first', async () => {
    const { harness, client, id } = await calling();
    await harness.child().deliver({ id: 1, method: 'elicitation/create', params: FORM });
    await harness
      .child()
      .deliver({ id: '1', method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } });
    await harness.child().deliver({ id: 2, method: 'roots/list' });
    const first = await demandOf(client, id);
    expect(Object.values(first.inputRequests).map((entry) => jsonOf(entry)['method'])).toEqual([
      'elicitation/create',
      'sampling/createMessage',
      'roots/list',
    ]);
    const retry = await comeBack(client, first, [ACCEPTED, { role: 'assistant' }, { roots: [] }]);
    expect([1, '1', 2].map((one) => answerOf(harness.child(), one)?.['result'])).toEqual([
      ACCEPTED,
      { role: 'assistant' },
      { roots: [] },
    ]);
    await harness.child().deliver({ id: 3, method: 'roots/list' });
    const second = await demandOf(client, retry);
    expect(second.requestState).not.toBe(first.requestState);
    expect(second.keys).toHaveLength(1);
  });

  test('read a turn of the event loop after another belongs to the same moment', async () => {
    const clock = createFakeClock();
    const { harness, client, id } = await calling({}, { clock });
    await harness.child().deliver({ id: 1, method: 'elicitation/create', params: FORM });
    await settled();
    await harness.child().deliver({ id: 2, method: 'roots/list' });
    expect(client.answerTo(id)).toBeUndefined();
    await clock.pass(5);
    expect(Object.keys(jsonOf(client.answerTo(id)?.result?.['inputRequests']))).toHaveLength(2);
  });

  test('without a response is sent again, and a response to no request is ignored', async () => {
    const { harness, client, id } = await calling();
    await harness.child().deliver({ id: 1, method: 'elicitation/create', params: FORM });
    await harness.child().deliver({ id: 2, method: 'roots/list' });
    const first = await demandOf(client, id);
    const retry = await comeBack(
      client,
      first,
      [ACCEPTED],
      {},
      { unknown: {}, [first.keys[1] ?? '']: 'no object' },
    );
    const second = await demandOf(client, retry);
    expect(second.inputRequests).toEqual({ [first.keys[1] ?? '']: { method: 'roots/list' } });
    await comeBack(client, second, [{ roots: [] }]);
    expect(answerOf(harness.child(), 2)).toMatchObject({ result: { roots: [] } });
  });

  test.each([
    ['ping', {}, { result: {} }],
    ['example.com/ask', {}, { error: { code: -32601 } }],
    ['sampling/createMessage', { tools: [] }, { error: { code: -32602 } }],
    ['elicitation/create', { mode: 'url', url: 'file:///etc/passwd' }, { error: { code: -32602 } }],
  ])('that does not concern the client is answered: %s %j', async (method, params, answer) => {
    const { harness, client } = await calling();
    await harness.child().deliver({ id: 'q', method, params });
    await settled();
    expect(answerOf(harness.child(), 'q')).toMatchObject(answer);
    expect(client.received).toEqual([]);
  });

  test('for a capability that the client has not declared is rejected', async () => {
    const { harness } = await calling({ capabilities: { elicitation: {} } });
    await harness.child().deliver({ id: 'q', method: 'roots/list' });
    expect(answerOf(harness.child(), 'q')).toMatchObject({ error: { code: -32601 } });
  });

  test('above the limits of open requests and rounds is rejected', async () => {
    const { harness, client, id } = await calling();
    for (let n = 0; n < 9; n += 1) await harness.child().deliver({ id: n, method: 'roots/list' });
    expect(answerOf(harness.child(), 8)).toMatchObject({ error: { data: { reason: 'input_too_much' } } });
    let demand = await demandOf(client, id);
    let last: RequestId = 0;
    for (let round = 1; round < 16; round += 1) {
      const retry = await comeBack(
        client,
        demand,
        demand.keys.map(() => ({ roots: [] })),
      );
      await harness.child().deliver({ id: `round ${round}`, method: 'roots/list' });
      demand = await demandOf(client, retry);
    }
    last = await comeBack(client, demand, [{ roots: [] }]);
    await harness.child().deliver({ id: 'last', method: 'roots/list' });
    expect(answerOf(harness.child(), 'last')).toMatchObject({
      error: { data: { reason: 'input_too_much' } },
    });
    expect(client.answerTo(last)).toBeUndefined();
  });

  test('without a call waits for one', async () => {
    const harness = createHarness();
    const client = connect(harness.pool, { capabilities: CAPABILITIES });
    await client.ask('tools/list');
    await settled();
    await harness.child().deliver({ id: 'early', method: 'roots/list' });
    const id = await client.ask('tools/call', CALL);
    expect((await demandOf(client, id)).inputRequests).toMatchObject({ 'input-1': { method: 'roots/list' } });
  });

  test('belongs to the newest of several calls', async () => {
    const { harness, client, id } = await calling();
    const newest = await client.ask('tools/call', CALL);
    await harness.child().deliver({ id: 'q', method: 'roots/list' });
    await demandOf(client, newest);
    expect(client.answerTo(id)).toBeUndefined();
  });

  test('belongs to the call that it came with, where the link knows, and to no other', async () => {
    const { harness, client, id } = await calling();
    const newest = await client.ask('tools/call', CALL);
    await settled();
    const [first] = requestsTo(harness.child(), 'tools/call').map(({ message }) => message.id ?? 0);
    await harness.child().deliver({ id: 'q', method: 'elicitation/create', params: FORM }, first);
    const demand = await demandOf(client, id);
    expect(demand.keys).toHaveLength(1);
    await harness.child().deliver({ id: first, result: { content: [] } });
    await comeBack(client, demand, [ACCEPTED]);
    await harness.child().deliver({ id: 'late', method: 'elicitation/create', params: FORM }, first);
    expect(answerOf(harness.child(), 'late')).toHaveProperty('error');
    expect(client.answerTo(newest)).toBeUndefined();
  });

  test('belongs to another call when the call that it was assigned to is answered', async () => {
    const { harness, client, id } = await calling();
    const newest = await client.ask('tools/call', CALL);
    await settled();
    const number = lastCallOf(harness.child());
    // As they arrive in one piece: no client has been sent the request yet.
    void harness.child().deliver({ id: 'q', method: 'roots/list' });
    void harness.child().deliver({ id: number, result: { content: [] } });
    await comeBack(client, await demandOf(client, id), [{ roots: [] }]);
    expect(client.answerTo(newest)?.result).toMatchObject({ resultType: 'complete' });
    expect(answerOf(harness.child(), 'q')).toMatchObject({ result: { roots: [] } });
  });

  test('receives the response of the client although its call is answered meanwhile', async () => {
    const { harness, client } = await calling();
    const newest = await client.ask('tools/call', CALL);
    await settled();
    const number = lastCallOf(harness.child());
    await harness.child().deliver({ id: 'q', method: 'roots/list' });
    const demand = await demandOf(client, newest);
    await harness.child().deliver({ id: number, result: { content: [], late: true } });
    const retry = await comeBack(client, demand, [{ roots: [] }]);
    expect(client.answerTo(retry)?.result).toMatchObject({ late: true });
    expect(answerOf(harness.child(), 'q')).toMatchObject({ result: { roots: [] } });
  });

  test('of an answered call without a response is then assigned to the other call', async () => {
    const { harness, client, id } = await calling();
    const newest = await client.ask('tools/call', CALL);
    await settled();
    const number = lastCallOf(harness.child());
    await harness.child().deliver({ id: 'q', method: 'roots/list' });
    const demand = await demandOf(client, newest);
    await harness.child().deliver({ id: number, result: { content: [] } });
    await comeBack(client, demand, []);
    await comeBack(client, await demandOf(client, id), [{ roots: [] }]);
    expect(answerOf(harness.child(), 'q')).toMatchObject({ result: { roots: [] } });
  });

  test('can belong to one call only where attribution is exact', async () => {
    const { harness, client, id } = await calling({}, { attribution: 'exact' });
    const second = await client.ask('tools/call', CALL);
    const list = await client.ask('tools/list');
    await settled();
    expect(requestsTo(harness.child(), 'tools/call')).toHaveLength(1);
    await harness.child().deliver({ id: lastCallOf(harness.child(), 'tools/list'), result: { tools: [] } });
    expect(client.answerTo(list)).toBeDefined();
    await harness.child().deliver({ id: 'q', method: 'roots/list' });
    const demand = await demandOf(client, id);
    // A user who has not answered yet must not hold up the other calls.
    expect(requestsTo(harness.child(), 'tools/call')).toHaveLength(2);
    const retry = await comeBack(client, demand, [{ roots: [] }]);
    expect(answerOf(harness.child(), 'q')).toBeUndefined();
    await harness.child().deliver({ id: lastCallOf(harness.child()), result: { content: [] } });
    expect(client.answerTo(second)).toBeDefined();
    expect(answerOf(harness.child(), 'q')).toMatchObject({ result: { roots: [] } });
    expect(client.answerTo(retry)).toBeUndefined();
  });

  test('that the server cancels needs no response any more', async () => {
    const { harness, client, id } = await calling();
    await harness.child().deliver({ id: 'q', method: 'roots/list' });
    const demand = await demandOf(client, id);
    await harness.child().deliver({ method: 'notifications/cancelled', params: { requestId: 'q' } });
    const retry = await comeBack(client, demand, [{ roots: [] }]);
    expect(answerOf(harness.child(), 'q')).toBeUndefined();
    await harness.child().deliver({ id: lastCallOf(harness.child()), result: { content: [] } });
    expect(client.answerTo(retry)?.result).toMatchObject({ resultType: 'complete' });
  });

  test('is answered when the client of its call leaves, so that the server can end the call', async () => {
    const { harness, client } = await calling();
    await harness.child().deliver({ id: 'q', method: 'roots/list' });
    await client.leave();
    expect(answerOf(harness.child(), 'q')).toMatchObject({ error: { code: -32603 } });
    expect(requestsTo(harness.child(), 'notifications/cancelled')).toHaveLength(1);
  });
});

describe('a request state', () => {
  test.each<[string, (demand: Demand, client: ModernTestClient, harness: Harness) => Promise<RequestId>]>([
    ['forged', (demand, client) => retryWith(client, forge(demand.requestState), CALL)],
    ['missing', (_demand, client) => client.ask('tools/call', { ...CALL, inputResponses: {} })],
    ['no text', (_demand, client) => client.ask('tools/call', { ...CALL, requestState: 7 })],
    [
      'of another request',
      (demand, client) => retryWith(client, demand.requestState, { ...CALL, name: 'other' }),
    ],
    [
      'of another principal',
      (demand, client, harness) =>
        foreign(client, connect(harness.pool, { principalId: 'two', capabilities: CAPABILITIES }), demand),
    ],
    [
      'of another kind of client',
      (demand, client, harness) =>
        foreign(client, connect(harness.pool, { capabilities: { elicitation: {} } }), demand),
    ],
    [
      'used before',
      async (demand, client) => {
        await retryWith(client, demand.requestState, CALL);
        return retryWith(client, demand.requestState, CALL);
      },
    ],
  ])('%s reveals nothing', async (_what, misuse) => {
    const { harness, client, id } = await calling();
    await harness.child().deliver({ id: 'q', method: 'roots/list' });
    const demand = await demandOf(client, id);
    const answer = client.answerTo(await misuse(demand, client, harness));
    expect(answer?.error).toEqual({
      code: -32602,
      message: 'Invalid params: requestState does not belong to this request, or not any more',
      data: { reason: 'input_state_invalid' },
    });
  });

  test('that has expired is rejected, and the server receives the responses of an absent user', async () => {
    const { harness, client, id } = await calling({}, { inputTtlMs: 10 });
    await harness.child().deliver({ id: 'form', method: 'elicitation/create', params: FORM });
    await harness.child().deliver({ id: 'roots', method: 'roots/list' });
    const demand = await demandOf(client, id);
    await eventually(() =>
      expect(answerOf(harness.child(), 'form')).toMatchObject({ result: { action: 'cancel' } }),
    );
    expect(answerOf(harness.child(), 'roots')).toMatchObject({
      error: { data: { reason: 'input_expired' } },
    });
    const retry = await comeBack(client, demand, [ACCEPTED]);
    expect(client.answerTo(retry)?.error?.code).toBe(-32602);
    // No client waits for its result.
    await harness.child().deliver({ id: lastCallOf(harness.child()), result: { content: [] } });
    expect(harness.pool.pending).toBe(0);
  });

  test('of a process that has exited says that the call is lost', async () => {
    const { harness, client, id } = await calling();
    await harness.child().deliver({ id: 'q', method: 'roots/list' });
    const demand = await demandOf(client, id);
    harness.child().drop();
    const retry = await comeBack(client, demand, [{ roots: [] }]);
    await eventually(() =>
      expect(client.answerTo(retry)?.error).toMatchObject({
        code: -32603,
        data: { reason: 'upstream_restarted' },
      }),
    );
  });
});

describe('a suspended call', () => {
  test('is not cancelled when the connection of its client closes', async () => {
    const { harness, client, id } = await calling();
    await harness.child().deliver({ id: 'q', method: 'roots/list' });
    const demand = await demandOf(client, id);
    await client.leave();
    expect(requestsTo(harness.child(), 'notifications/cancelled')).toEqual([]);
    const again = connect(harness.pool, { capabilities: CAPABILITIES });
    await comeBack(again, demand, [{ roots: [] }]);
    expect(answerOf(harness.child(), 'q')).toMatchObject({ result: { roots: [] } });
  });

  test('keeps an answer that the server sends meanwhile', async () => {
    const { harness, client, id } = await calling();
    await harness.child().deliver({ id: 'q', method: 'roots/list' });
    const demand = await demandOf(client, id);
    await harness.child().deliver({ id: lastCallOf(harness.child()), result: { content: [], late: true } });
    const retry = await comeBack(client, demand, [{ roots: [] }]);
    expect(client.answerTo(retry)?.result).toMatchObject({ late: true });
    expect(answerOf(harness.child(), 'q')).toBeUndefined();
  });

  test('is discarded when there are too many', async () => {
    const harness = createHarness({ maxSuspended: 1 });
    const clients = ['one', 'two'].map((principalId) =>
      connect(harness.pool, { principalId, capabilities: CAPABILITIES }),
    );
    for (const [n, client] of clients.entries()) {
      const id = await client.ask('tools/call', CALL);
      await settled();
      await harness.child(n).deliver({ id: 'q', method: 'elicitation/create', params: FORM });
      await demandOf(client, id);
    }
    expect(answerOf(harness.child(0), 'q')).toMatchObject({ result: { action: 'cancel' } });
    expect(answerOf(harness.child(1), 'q')).toBeUndefined();
  });

  test('is not needed for URLs that must be visited first: the retry sends the request anew', async () => {
    const { harness, client, id } = await calling();
    const elicitations = [{ mode: 'url', url: 'https://a.example', message: 'm', elicitationId: '1' }];
    await harness.child().deliver({
      id: lastCallOf(harness.child()),
      error: { code: -32042, message: 'visit', data: { elicitations } },
    });
    const demand = await demandOf(client, id);
    expect(Object.values(demand.inputRequests)).toEqual([
      { method: 'elicitation/create', params: { mode: 'url', url: 'https://a.example', message: 'm' } },
    ]);
    await comeBack(client, demand, [{ action: 'accept' }]);
    expect(requestsTo(harness.child(), 'tools/call')).toHaveLength(2);
    expect(requestsTo(harness.child(), 'tools/call')[1]?.message.params).toEqual(CALL);
  });
});

/** A client with a call that the server has received. */
async function calling(
  options: Parameters<typeof connect>[1] = {},
  overrides: Parameters<typeof createHarness>[0] = {},
): Promise<{ harness: Harness; client: ModernTestClient; id: RequestId }> {
  const harness = createHarness(overrides);
  const client = connect(harness.pool, { capabilities: CAPABILITIES, ...options });
  const id = await client.ask('tools/call', CALL);
  await settled();
  return { harness, client, id };
}

async function demandOf(client: ModernTestClient, id: RequestId): Promise<Demand> {
  const result = await eventually(() => {
    const found = client.answerTo(id)?.result;
    expect(found).toMatchObject({ resultType: 'input_required' });
    return jsonOf(found);
  });
  const inputRequests = jsonOf(result['inputRequests']);
  expect(result['_meta']).toHaveProperty([META.serverInfo]);
  return { inputRequests, requestState: String(result['requestState']), keys: Object.keys(inputRequests) };
}

/** @param answers in the order of the input requests */
async function comeBack(
  client: ModernTestClient,
  { requestState, keys }: Demand,
  answers: readonly object[],
  meta: object = {},
  more: object = {},
): Promise<RequestId> {
  const given = Object.fromEntries(answers.map((answer, index) => [keys[index] ?? '', answer]));
  const id = await client.ask(
    'tools/call',
    { ...CALL, inputResponses: { ...more, ...given }, requestState },
    meta,
  );
  await settled();
  return id;
}

function retryWith(client: ModernTestClient, requestState: string, call: object): Promise<RequestId> {
  return client.ask('tools/call', { ...call, inputResponses: {}, requestState });
}

/** Another client sends the state; the answer is added to those of the first client. */
async function foreign(
  client: ModernTestClient,
  other: ModernTestClient,
  { requestState }: Demand,
): Promise<RequestId> {
  const id = await other.ask('tools/call', { ...CALL, inputResponses: {}, requestState });
  await eventually(() => expect(other.answerTo(id)).toBeDefined());
  client.received.push(...other.received);
  return id;
}

function answerOf(link: MemoryLink, id: RequestId): Json | undefined {
  return link.answersTo(id)[0];
}

/** A different text: all bits of the last character but five are data. */
function forge(state: string): string {
  return `${state.slice(0, -6)}${state.at(-6) === 'A' ? 'B' : 'A'}${state.slice(-5)}`;
}
