import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { RunError } from '../../../src/errors.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import {
  createFacade,
  DISCOVERED,
  initialize,
  inputRequired,
  introduced,
  listening,
  toolCall,
} from './facade.ts';

const FORM = {
  method: 'elicitation/create',
  params: { message: 'name?', requestedSchema: { type: 'object' } },
};

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('the end', () => {
  test('of the server ends the link, with its reason', async () => {
    const facade = await listening();
    const reason = new RunError('UPSTREAM_EXITED', { server: 'files', status: 'exit code 1' });
    facade.server.drop(reason);
    expect(facade.closedWith).toEqual([reason]);
  });

  test('of the link ends the server, with its reason', async () => {
    const facade = await listening();
    const reason = new RunError('CLIENT_GONE');
    await facade.link.close(reason);
    expect(facade.server.closeReason).toBe(reason);
    expect(facade.closedWith).toHaveLength(1);
    await facade.link.close();
    expect(facade.closedWith).toHaveLength(1);
  });

  test.each(['close', 'drop'] as const)('leaves no timer and says nothing more: %s', async (how) => {
    const facade = await introduced({}, { capabilities: { elicitation: {} } });
    await facade.send({ method: 'notifications/initialized' });
    void facade.send({ id: 'sub', method: 'resources/subscribe', params: { uri: 'a:1' } });
    await facade.send(toolCall('poll'));
    await facade.say(inputRequired(facade.requested('tools/call').id, undefined, 's'));
    await facade.send(toolCall('ask'));
    await facade.say(inputRequired(facade.requested('tools/call').id, { a: FORM }));
    await facade.send(toolCall('run'));
    const { id } = facade.requested('tools/call');
    const [question] = facade.questions();
    expect(vi.getTimerCount()).toBe(2);

    if (how === 'close') await facade.link.close();
    else facade.server.drop();
    expect(vi.getTimerCount()).toBe(0);
    const [sent, received] = [facade.server.sent.length, facade.received.length];
    await facade.say({ id, result: { content: [] } });
    await facade.send({ id: question?.id ?? null, result: { action: 'accept' } });
    await facade.send(toolCall('late'));
    await facade.send({ method: 'notifications/cancelled', params: { requestId: 'run' } });
    await vi.advanceTimersByTimeAsync(120_000);
    expect(facade.server.sent).toHaveLength(sent);
    expect(facade.received).toHaveLength(received);
  });

  test('during the handshake lets go of what waits for it', async () => {
    const facade = createFacade();
    await facade.send(initialize(1));
    const waiting = facade.send(toolCall(2));
    await facade.link.close();
    await waiting;
    expect(facade.received).toHaveLength(0);
  });
});

describe('the injected clock', () => {
  test('measures the pauses of polls and of new subscriptions', async () => {
    vi.useRealTimers();
    const clock = createFakeClock();
    const facade = await listening({ clock });
    await facade.send(toolCall('poll'));
    await facade.say(inputRequired(facade.requested('tools/call').id, undefined, 's'));
    await facade.say({ id: facade.listenId, result: { resultType: 'complete' } });
    await clock.pass(249);
    expect([facade.count('tools/call'), facade.count('subscriptions/listen')]).toEqual([1, 1]);
    await clock.pass(1);
    expect([facade.count('tools/call'), facade.count('subscriptions/listen')]).toEqual([2, 2]);
  });
});

describe('while server/discover is open', () => {
  test('holds the frames after initialize back until it is answered', async () => {
    const facade = createFacade();
    await facade.send(initialize(1));
    const first = facade.send(toolCall('first'));
    expect(facade.count('tools/call')).toBe(0);
    void facade.say({ id: facade.requested('server/discover').id, result: DISCOVERED });
    await first;
    expect(facade.answerTo(1).result).toBeDefined();
    expect(facade.count('tools/call')).toBe(1);
  });

  test('answers a ping at once, and lets a failed initialize be repeated', async () => {
    const facade = createFacade();
    await facade.send(initialize(1));
    await facade.send({ id: 2, method: 'ping' });
    expect(facade.answerTo(2).result).toEqual({});
    await facade.say({ id: facade.requested('server/discover').id, error: { code: -32603, message: 'x' } });
    expect(facade.answerTo(1).error).toBeDefined();
    await facade.send(initialize(3));
    await facade.say({ id: facade.requested('server/discover').id, result: DISCOVERED });
    expect(facade.answerTo(3).result).toBeDefined();
  });
});
