import { expect, test } from 'vitest';
import { RunError } from '../../../src/errors.ts';
import { frameOf } from '../../../src/protocol/frame.ts';
import { StatelessProcess } from '../../../src/router/shared-process/stateless-process.ts';
import { createMemoryLink, type MemoryLink } from '../../support/memory-link.ts';

const GONE = new RunError('UPSTREAM_EXITED', { server: 'files', status: '1' });

interface Setup {
  readonly life: StatelessProcess;
  readonly links: readonly MemoryLink[];
  readonly events: readonly string[];
}

function setUp(open?: () => Promise<void>): Setup {
  const links: MemoryLink[] = [];
  const events: string[] = [];
  const life = new StatelessProcess({
    server: 'files',
    async openUpstream() {
      const link = createMemoryLink('server');
      links.push(link);
      await open?.();
      return link;
    },
    onFrame: ({ method = '' }) => void events.push(method),
    onReady: () => void events.push('ready'),
    onLost: ({ code }, wasReady) => void events.push(`lost ${code} ${wasReady}`),
    onStopped: () => void events.push(`stopped ${life.isStopped}`),
  });
  return { life, links, events };
}

test('a process starts once for all that wait for it', async () => {
  const { life, links, events } = setUp();
  expect([life.isStopped, life.current]).toEqual([true, undefined]);
  const [one, two] = await Promise.all([life.running(), life.running()]);
  expect(one).toBe(two);
  expect([links.length, life.current, life.isStopped, events]).toEqual([1, one, false, ['ready']]);
});

test('a process that has died is started anew when it has ended', async () => {
  const { life, links, events } = setUp();
  await life.running();
  links[0]?.drop(GONE);
  expect([life.current, life.isStopped]).toEqual([undefined, false]);
  await life.running();
  expect(links.length).toBe(2);
  expect(events).toEqual(['ready', 'lost UPSTREAM_EXITED true', 'stopped false', 'ready']);
  links[0]?.drop(GONE);
  expect(events.length).toBe(4);
});

test('a failed start is reported to those that wait, and the next one starts anew', async () => {
  let failure: Error | undefined = new RunError('SPAWN_FAILED', {
    server: 'files',
    command: 'x',
    detail: '',
  });
  const { life, events } = setUp(async () => {
    if (failure !== undefined) throw failure;
  });
  await expect(life.running()).rejects.toBe(failure);
  expect([life.isStopped, events]).toEqual([true, ['stopped true']]);
  failure = undefined;
  expect((await life.running()).link).toBeDefined();
});

test('a retired process ends beside the next one', async () => {
  const { life, links, events } = setUp();
  await life.running();
  life.retire(GONE);
  expect([links[0]?.closeReason, life.current, life.isStopped]).toEqual([GONE, undefined, false]);
  await life.running();
  expect([links.length, events]).toEqual([2, ['ready', 'stopped false', 'ready']]);
});

test('a process that is opened while it is closed is closed by its start', async () => {
  let opened = (): void => {};
  const { life, links } = setUp(() => new Promise((resolve) => (opened = resolve)));
  const starting = life.running();
  const closed = life.close();
  opened();
  await expect(starting).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
  await closed;
  expect([links[0]?.isClosed, life.isStopped]).toEqual([true, true]);
  await expect(life.running()).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
});

test('a process that runs already is taken as it is', async () => {
  const { life, links, events } = setUp();
  const link = createMemoryLink('server');
  life.adopt(link);
  await link.deliver({ method: 'notifications/message' });
  void life.send(frameOf({ id: 1, method: 'ping' }));
  expect([life.current?.link, link.sent.length, links.length, events]).toEqual([
    link,
    1,
    0,
    ['ready', 'notifications/message'],
  ]);
});
