import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { JsonRpcMessage, RequestId } from '../../../src/protocol/frame.ts';
import { inputRequired, introduced, toolCall, type Facade } from './facade.ts';

const ALL = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };
const FORM = {
  method: 'elicitation/create',
  params: { mode: 'form', message: 'name?', requestedSchema: { type: 'object', properties: {} } },
};
const SAMPLING = { method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } };
const ROOTS = { method: 'roots/list' };
const url = (target: string): object => ({
  method: 'elicitation/create',
  params: { mode: 'url', message: 'go there', url: target },
});

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

interface AskedOptions {
  readonly capabilities?: object;
  readonly state?: string;
  readonly method?: string;
}

/** A call that waits for what `inputRequests` asks. */
async function asked(
  inputRequests: object | undefined,
  { capabilities = ALL, state, method = 'tools/call' }: AskedOptions = {},
): Promise<Facade> {
  const facade = await introduced({}, { capabilities });
  await facade.send({ ...toolCall('call'), method });
  await demand(facade, inputRequests, state, method);
  return facade;
}

async function demand(
  facade: Facade,
  inputRequests: object | undefined,
  state?: string,
  method = 'tools/call',
): Promise<void> {
  await facade.say(inputRequired(facade.requested(method).id, inputRequests, state));
}

async function finish(facade: Facade): Promise<JsonRpcMessage> {
  await facade.say({
    id: facade.requested('tools/call').id,
    result: { resultType: 'complete', content: [] },
  });
  return facade.answerTo('call');
}

function lastQuestion(facade: Facade): RequestId {
  const last = facade.questions().at(-1);
  if (last === undefined) throw new Error('nothing was asked');
  return last.id;
}

function cancelledQuestions(facade: Facade): unknown[] {
  return facade.received.flatMap(({ message }) =>
    message.method === 'notifications/cancelled' ? [message.params?.['requestId']] : [],
  );
}

describe('a server that wants input', () => {
  test('has the client asked, and gets the answers with the request once more', async () => {
    const facade = await asked({ a: FORM, b: SAMPLING, c: ROOTS }, { state: 'sealed' });
    const first = facade.server.sent[0]?.message;
    const questions = facade.questions();
    expect(questions.map(({ message }) => message.method)).toEqual([
      'elicitation/create',
      'sampling/createMessage',
      'roots/list',
    ]);
    expect(questions.map(({ id }) => id)).toEqual(['mcpr:1', 'mcpr:2', 'mcpr:3']);
    expect(questions.map(({ relatedRequestId }) => relatedRequestId)).toEqual(['call', 'call', 'call']);
    expect(questions[0]?.message.params).toStrictEqual(FORM.params);

    await facade.send({ id: 'mcpr:3', result: { roots: [] } });
    await facade.send({ id: 'mcpr:1', result: { action: 'accept', content: { name: 'x' } } });
    expect(facade.count('tools/call')).toBe(1);
    await facade.send({
      id: 'mcpr:2',
      result: { role: 'assistant', content: { type: 'text', text: 'hi' }, model: 'm' },
    });
    const { id, params } = facade.requested('tools/call');
    expect(id).not.toBe(first?.id);
    expect(params).toStrictEqual({
      ...first?.params,
      inputResponses: {
        a: { action: 'accept', content: { name: 'x' } },
        b: { role: 'assistant', content: { type: 'text', text: 'hi' }, model: 'm' },
        c: { roots: [] },
      },
      requestState: 'sealed',
    });
    expect((await finish(facade)).result).toStrictEqual({ content: [] });
    expect(facade.received).toHaveLength(4);
  });

  test('gets its state and the answers back byte for byte', async () => {
    const facade = await introduced({}, { capabilities: ALL });
    await facade.send(toolCall('call'));
    const state = String.raw`"\u00e9\/\"\ud800 é"`;
    await facade.say(
      `{"jsonrpc":"2.0","id":${facade.requested('tools/call').id},"result":{"resultType":"input_required","inputRequests":{"__proto__":${JSON.stringify(FORM)}},"requestState":${state}}}`,
    );
    await facade.send(
      `{"jsonrpc":"2.0","id":"${lastQuestion(facade)}","result":{"action":"accept","content":{"n":12345678901234567890}}}`,
    );
    const retry = Buffer.from(facade.server.sent.at(-1)?.frame.bytes ?? []).toString();
    expect(retry).toContain(`"requestState":${state}`);
    expect(retry).toContain(
      '"inputResponses":{"__proto__":{"action":"accept","content":{"n":12345678901234567890}}}',
    );
  });

  test('sends no state back that it was not given', async () => {
    const facade = await asked({ a: FORM }, { state: 'first' });
    await facade.send({ id: lastQuestion(facade), result: { action: 'decline' } });
    await demand(facade, { b: FORM });
    await facade.send({ id: lastQuestion(facade), result: { action: 'decline' } });
    const { params } = facade.requested('tools/call');
    expect(params).toMatchObject({ inputResponses: { b: { action: 'decline' } } });
    expect(params).not.toHaveProperty('requestState');
  });

  test('may want more, eight times', async () => {
    const facade = await asked({ a: FORM });
    for (let round = 1; round <= 8; round += 1) {
      expect(facade.questions()).toHaveLength(round);
      await facade.send({ id: lastQuestion(facade), result: { action: 'accept', content: {} } });
      await demand(facade, { a: FORM });
    }
    expect(facade.questions()).toHaveLength(8);
    expect(facade.answerTo('call').result).toMatchObject({
      isError: true,
      content: [{ type: 'text', text: expect.stringContaining('8 rounds') }],
    });
  });

  test('waits for no one else: other requests go on', async () => {
    const facade = await asked({ a: FORM });
    await facade.send({ id: 2, method: 'tools/list' });
    await facade.say({ id: facade.requested('tools/list').id, result: { tools: [] } });
    expect(facade.answerTo(2).result).toStrictEqual({ tools: [] });
  });

  test.each(['prompts/get', 'resources/read'])('may want it for %s', async (method) => {
    const facade = await asked({ a: ROOTS }, { method });
    await facade.send({ id: lastQuestion(facade), result: { roots: [] } });
    expect(facade.requested(method).params).toMatchObject({ inputResponses: { a: { roots: [] } } });
  });
});

describe('a server that wants input which it cannot have', () => {
  test.each([
    ['no capability', { a: FORM, b: SAMPLING }, { elicitation: {} }, /sampling/],
    ['not this mode', { a: FORM, b: url('https://a.example') }, { elicitation: {} }, /url/],
    ['no such request', { a: FORM, b: { method: 'ping' } }, ALL, /ping/],
    ['no method', { a: FORM, b: {} }, ALL, /undeclared|not MCP|not declared/],
    ['no request', { a: FORM, b: 1 }, ALL, /"b"/],
    ['no object', [FORM], ALL, /inputRequests/],
    ['nothing', {}, ALL, /without/],
    ['too much', Object.fromEntries(Array.from({ length: 33 }, (_none, n) => [n, FORM])), ALL, /32/],
    ['a program', { a: FORM, b: url('file:///bin/sh') }, ALL, /http/],
  ])('fails the call before anybody is asked: %s', async (_what, requests, capabilities, text) => {
    const facade = await asked(requests, { capabilities });
    expect(facade.questions()).toHaveLength(0);
    const { result } = facade.answerTo('call');
    expect(result).toMatchObject({
      isError: true,
      content: [{ type: 'text', text: expect.stringMatching(text) }],
    });
    expect(facade.count('tools/call')).toBe(1);
  });

  test('fails what is no tool with an error', async () => {
    const facade = await asked({ a: FORM }, { capabilities: {}, method: 'prompts/get' });
    expect(facade.answerTo('call').error).toMatchObject({
      code: -32603,
      data: { reason: 'input_unsupported' },
    });
  });

  test('fails the call if its state is no string', async () => {
    const facade = await introduced({}, { capabilities: ALL });
    await facade.send(toolCall('call'));
    await facade.say({
      id: facade.requested('tools/call').id,
      result: { resultType: 'input_required', inputRequests: { a: FORM }, requestState: 1 },
    });
    expect(facade.answerTo('call').result).toMatchObject({ isError: true });
  });

  test('fails the call if it cannot be written', async () => {
    const facade = await introduced({}, { capabilities: ALL });
    await facade.send(toolCall('call'));
    const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
    await facade.say(
      `{"jsonrpc":"2.0","id":${facade.requested('tools/call').id},"result":{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"message":${deep}}}}}}`,
    );
    expect(facade.answerTo('call').result).toMatchObject({ isError: true });
  });
});

describe('a client that does not answer well', () => {
  test('with an error fails the call, and the other questions are taken back', async () => {
    const facade = await asked({ a: FORM, b: SAMPLING, c: ROOTS });
    await facade.send({ id: 'mcpr:2', error: { code: -1, message: 'User rejected sampling request' } });
    expect(cancelledQuestions(facade)).toEqual(['mcpr:1', 'mcpr:3']);
    expect(facade.answerTo('call').result).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining('User rejected') }],
    });
    // In this order: the answer ends the stream that the questions came by.
    expect(facade.received.at(-1)?.message.id).toBe('call');
    await facade.send({ id: 'mcpr:1', result: { action: 'accept' } });
    expect(facade.count('tools/call')).toBe(1);
  });

  test('at once, since it cannot be asked, fails the call at the first question', async () => {
    const facade = await introduced({}, { capabilities: ALL });
    facade.link.onframe((frame) => {
      facade.received.push({ message: frame.message, relatedRequestId: undefined, text: '' });
      if (frame.kind === 'request')
        return facade.send({ id: frame.id ?? null, error: { code: -32601, message: 'cannot' } });
    });
    await facade.send(toolCall('call'));
    await demand(facade, { a: FORM, b: FORM });
    expect(facade.questions()).toHaveLength(1);
    expect(facade.answerTo('call').result).toMatchObject({ isError: true });
  });

  test('twice has its second answer dropped', async () => {
    const facade = await asked({ a: FORM });
    await facade.send({ id: 'mcpr:1', result: { action: 'accept' } });
    await facade.send({ id: 'mcpr:1', result: { action: 'cancel' } });
    expect(facade.count('tools/call')).toBe(2);
  });
});

describe('a client that cancels', () => {
  test('while it is asked has the questions taken back, and nothing more is said', async () => {
    const facade = await asked({ a: FORM, b: SAMPLING });
    await facade.send({ method: 'notifications/cancelled', params: { requestId: 'call' } });
    expect(cancelledQuestions(facade)).toEqual(['mcpr:1', 'mcpr:2']);
    await facade.send({ id: 'mcpr:1', result: { action: 'accept' } });
    await facade.send({ id: 'mcpr:2', result: {} });
    expect(facade.server.sent).toHaveLength(1);
    expect(facade.received.filter(({ message }) => message.id === 'call')).toHaveLength(0);
  });

  test('while the request is there once more cancels that', async () => {
    const facade = await asked({ a: FORM });
    await facade.send({ id: 'mcpr:1', result: { action: 'accept' } });
    const { id } = facade.requested('tools/call');
    await facade.send({ method: 'notifications/cancelled', params: { requestId: 'call' } });
    expect(facade.server.sent.at(-1)?.message.params).toMatchObject({ requestId: id });
  });

  test('during a pause ends it', async () => {
    const facade = await asked(undefined, { state: 's' });
    await facade.send({ method: 'notifications/cancelled', params: { requestId: 'call' } });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(facade.count('tools/call')).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a server that wants nothing but another request', () => {
  test('gets it after a pause that grows', async () => {
    const facade = await asked(undefined, { state: 's1' });
    await vi.advanceTimersByTimeAsync(249);
    expect(facade.count('tools/call')).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(facade.requested('tools/call').params).toMatchObject({ requestState: 's1' });
    await demand(facade, undefined, 's2');
    await vi.advanceTimersByTimeAsync(499);
    expect(facade.count('tools/call')).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(facade.requested('tools/call').params).toMatchObject({ requestState: 's2' });
    for (let round = 0; round < 20; round += 1) {
      await demand(facade, {}, 's');
      await vi.advanceTimersByTimeAsync(5_000);
    }
    expect(facade.count('tools/call')).toBe(23);
    expect((await finish(facade)).result).toStrictEqual({ content: [] });
  });
});

describe('a question to open a URL', () => {
  const target = 'https://a.example/login';

  test('gets an id, which clients of 2025-11-25 require', async () => {
    const facade = await asked({ a: url(target) });
    const { params } = facade.questions()[0]?.message ?? {};
    expect(params).toMatchObject({
      mode: 'url',
      url: target,
      elicitationId: expect.stringMatching(/^[\da-f-]{36}$/),
    });
  });

  test('is put once, however often the server looks whether the user is done', async () => {
    const facade = await asked({ a: url(target) }, { state: 's' });
    await facade.send({ id: 'mcpr:1', result: { action: 'accept' } });
    for (const [round, ms] of [1_000, 2_000, 4_000, 5_000, 5_000, 5_000, 5_000, 5_000, 5_000].entries()) {
      await demand(facade, { a: url(target) }, `s${round}`);
      await vi.advanceTimersByTimeAsync(ms - 1);
      expect(facade.count('tools/call')).toBe(2 + round);
      await vi.advanceTimersByTimeAsync(1);
      expect(facade.requested('tools/call').params).toMatchObject({
        inputResponses: { a: { action: 'accept' } },
        requestState: `s${round}`,
      });
    }
    expect(facade.questions()).toHaveLength(1);
    expect((await finish(facade)).result).toStrictEqual({ content: [] });
  });

  test('is put again if it is about another one', async () => {
    const facade = await asked({ a: url(target) });
    await facade.send({ id: 'mcpr:1', result: { action: 'accept' } });
    await demand(facade, { a: url(`${target}?2`), b: url(target) });
    expect(facade.questions()).toHaveLength(3);
  });

  test('that was declined stays declined, and not for ever', async () => {
    const facade = await asked({ a: url(target) });
    await facade.send({ id: 'mcpr:1', result: { action: 'decline' } });
    for (let round = 2; round <= 9; round += 1) {
      await demand(facade, { a: url(target) });
      await vi.advanceTimersByTimeAsync(5_000);
    }
    expect(facade.questions()).toHaveLength(1);
    expect(facade.answerTo('call').result).toMatchObject({ isError: true });
  });
});

describe('progress over several rounds', () => {
  async function reported(rounds: readonly (readonly number[])[]): Promise<unknown[]> {
    const facade = await introduced({}, { capabilities: ALL });
    await facade.send(toolCall('call', { _meta: { progressToken: 'tok' } }));
    for (const [index, values] of rounds.entries()) {
      if (index > 0) {
        await demand(facade, { a: FORM });
        await facade.send({ id: lastQuestion(facade), result: { action: 'accept' } });
      }
      const { id, meta } = facade.requested('tools/call');
      expect(meta['progressToken']).toBe(id);
      for (const progress of values)
        await facade.say({
          method: 'notifications/progress',
          params: { progressToken: id, progress, total: 10 },
        });
    }
    return facade.received.flatMap(({ message: { method, params } }) =>
      method === 'notifications/progress'
        ? [[params?.['progressToken'], params?.['progress'], params?.['total']]]
        : [],
    );
  }

  test('goes on counting when the server begins again', async () => {
    expect(await reported([[1, 5], [0, 1, 2], [3]])).toEqual([
      ['tok', 1, 10],
      ['tok', 5, 10],
      ['tok', 6, 15],
      ['tok', 7, 15],
      ['tok', 10, 17],
    ]);
  });

  test('is as the server says when it goes on by itself', async () => {
    expect(
      await reported([
        [1, 5],
        [6, 7],
      ]),
    ).toEqual([
      ['tok', 1, 10],
      ['tok', 5, 10],
      ['tok', 6, 10],
      ['tok', 7, 10],
    ]);
  });
});
