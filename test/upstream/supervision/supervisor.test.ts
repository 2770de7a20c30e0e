import { describe, expect, it } from 'vitest';
import { RunError } from '../../../src/errors.ts';
import { frameOf } from '../../../src/protocol/frame.ts';
import type { Link } from '../../../src/link/link.ts';
import type { ServerState } from '../../../src/upstream/supervision/server-state.ts';
import { Supervisor, type SupervisorOptions } from '../../../src/upstream/supervision/supervisor.ts';
import { createRecordingLog, type RecordingLog } from '../../observe/recording-log.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';
import { createMemoryLink, type MemoryLink } from '../../support/memory-link.ts';

const INITIALIZE = frameOf({ id: 1, method: 'initialize', params: {} });
const ANSWER = { id: 1, result: {} };

interface Setup {
  readonly supervisor: Supervisor;
  readonly clock: FakeClock;
  readonly log: RecordingLog;
  /** The processes that were started, so to speak. */
  readonly started: readonly MemoryLink[];
  readonly states: readonly ServerState[];
}

function setUp(overrides: Partial<SupervisorOptions> = {}): Setup {
  const clock = createFakeClock();
  const log = createRecordingLog();
  const started: MemoryLink[] = [];
  const states: ServerState[] = [];
  const supervisor = new Supervisor({
    server: 'files',
    target: { kind: 'stdio', command: 'files', args: [], cwd: undefined, env: {} },
    lineLimitBytes: 1_000,
    stdout: 'skip',
    initializeTimeoutMs: 60_000,
    probesRecovery: false,
    log,
    clock,
    random: () => 1,
    onStateChange: ({ state }) => void states.push(state),
    openUpstream: async () => {
      const link = createMemoryLink('server');
      started.push(link);
      return link;
    },
    findMissing: async () => undefined,
    ...overrides,
  });
  return { supervisor, clock, log, started, states };
}

/** Opens a conversation as the router does. */
async function converse({ supervisor, started }: Setup, abandoned?: AbortSignal) {
  const link = await supervisor.open(abandoned);
  link.onclose(() => {});
  link.onframe(() => {});
  const server = started.at(-1);
  if (server === undefined) throw new Error('nothing was started');
  return { link, server };
}

function exited(): RunError {
  return new RunError('UPSTREAM_EXITED', {
    server: 'files',
    status: 'exit code 1',
    exitCode: 1,
    stderr: 'a\nb',
  });
}

/** A start that fails, as soon as it may be made. */
async function failOnce(setup: Setup): Promise<void> {
  const opening = converse(setup);
  await setup.clock.pass(setup.supervisor.snapshot().retryInMs ?? 0);
  const { server } = await opening;
  server.drop(exited());
}

async function failTimes(setup: Setup, times: number): Promise<void> {
  for (let time = 0; time < times; time++) await failOnce(setup);
}

describe('a start', () => {
  it('goes from stopped over starting to ready, and back when its conversation is closed', async () => {
    const setup = setUp();
    expect(setup.supervisor.state).toBe('stopped');
    const { link, server } = await converse(setup);
    await server.deliver(ANSWER);
    expect(setup.supervisor.snapshot()).toEqual({
      server: 'files',
      state: 'ready',
      conversations: 1,
      failedStarts: 0,
    });
    await link.close();
    expect(setup.supervisor.snapshot()).toMatchObject({ state: 'stopped', conversations: 0 });
    expect(setup.states).toEqual(['starting', 'ready', 'stopped']);
  });

  it('that dies before its first answer has failed, and the next one waits', async () => {
    const setup = setUp();
    await failOnce(setup);
    expect(setup.supervisor.snapshot()).toEqual({
      server: 'files',
      state: 'backoff',
      conversations: 0,
      failedStarts: 1,
      lastFailure: {
        code: 'UPSTREAM_EXITED',
        message: 'Server "files" exited (exit code 1)',
        publicMessage: 'Server "files" exited (exit code 1)',
        hint: 'Its last stderr lines are in the log.',
      },
      retryInMs: 250,
    });
    void converse(setup);
    await setup.clock.pass(249);
    expect(setup.started).toHaveLength(1);
    await setup.clock.pass(1);
    expect(setup.started).toHaveLength(2);
  });

  it('that dies after the answer to initialize alone has failed, too', async () => {
    const setup = setUp();
    const { server } = await converse(setup);
    await server.deliver(ANSWER);
    server.drop(exited());
    expect(setup.supervisor.snapshot()).toMatchObject({ state: 'backoff', failedStarts: 1 });
    expect(setup.states).toEqual(['starting', 'ready', 'backoff']);
  });

  it('that dies at the question about its era has not failed, unless the next one does, too', async () => {
    const setup = setUp();
    const dieAtQuestion = async (): Promise<void> => {
      const { link, server } = await converse(setup);
      await link.send(frameOf({ id: 1, method: 'server/discover' }));
      server.drop(exited());
    };
    await dieAtQuestion();
    expect(setup.supervisor.snapshot()).toMatchObject({ state: 'stopped', failedStarts: 0 });
    await dieAtQuestion();
    expect(setup.supervisor.snapshot()).toMatchObject({ state: 'backoff', failedStarts: 1 });
  });

  it('has succeeded with one more answer: dying later is no failed start', async () => {
    const setup = setUp();
    const { server } = await converse(setup);
    await server.deliver(ANSWER);
    await server.deliver(ANSWER);
    server.drop(exited());
    expect(setup.supervisor.snapshot()).toMatchObject({ state: 'stopped', failedStarts: 0 });
    expect(setup.log.of('server.died')).toMatchObject([{ level: 'warn' }]);
  });

  it('that succeeds forgets the failures before it', async () => {
    const setup = setUp();
    await failTimes(setup, 4);
    const opening = converse(setup);
    await setup.clock.pass(2_000);
    const { server } = await opening;
    await server.deliver(ANSWER);
    await server.deliver(ANSWER);
    expect(setup.supervisor.snapshot()).toEqual({
      server: 'files',
      state: 'ready',
      conversations: 1,
      failedStarts: 0,
    });
    server.drop(exited());
    await failOnce(setup);
    expect(setup.supervisor.snapshot()).toMatchObject({ state: 'backoff', failedStarts: 1, retryInMs: 250 });
  });

  it('that is abandoned by its client is no failure', async () => {
    const setup = setUp();
    const { link } = await converse(setup);
    await link.close(new RunError('CLIENT_GONE'));
    expect(setup.supervisor.snapshot()).toMatchObject({ state: 'stopped', failedStarts: 0 });
  });

  it('that is ended because it did not answer initialize in time is one', async () => {
    const setup = setUp();
    const { link } = await converse(setup);
    await link.close(
      new RunError('REQUEST_TIMEOUT', { server: 'files', method: 'initialize', timeoutMs: 1 }),
    );
    expect(setup.supervisor.snapshot()).toMatchObject({
      state: 'backoff',
      failedStarts: 1,
      lastFailure: { code: 'REQUEST_TIMEOUT' },
    });
  });

  it('that fails while another process answers leaves the server degraded, until that ends', async () => {
    const setup = setUp();
    const first = await converse(setup);
    await first.server.deliver(ANSWER);
    await failOnce(setup);
    expect(setup.supervisor.state).toBe('degraded');
    await first.link.close();
    expect(setup.supervisor.state).toBe('backoff');
  });

  it('is said in one line: what happened, the last words, what to do', async () => {
    const setup = setUp();
    await failOnce(setup);
    expect(setup.log.of('server.start-failed')).toMatchObject([
      {
        level: 'error',
        reason: 'upstream_exited',
        text: 'Server "files" exited (exit code 1); its last words: a | b. Its last stderr lines are in the log.',
      },
    ]);
    expect(setup.log.of('server.state').at(-1)).toMatchObject({ state: 'backoff', level: 'warn' });
  });
});

describe('a client that comes during a pause', () => {
  it('and leaves again starts nothing', async () => {
    const setup = setUp();
    await failOnce(setup);
    const leaving = new AbortController();
    const opening = setup.supervisor.open(leaving.signal);
    leaving.abort();
    await expect(opening).rejects.toMatchObject({ code: 'CLIENT_GONE' });
    await setup.clock.pass(60_000);
    expect(setup.started).toHaveLength(1);
  });

  it('is refused at once when the pause is over 10 s', async () => {
    const setup = setUp();
    // Too far apart for a crash loop.
    for (let time = 0; time < 7; time++) {
      await failOnce(setup);
      await setup.clock.pass(time === 6 ? 0 : 30_000);
    }
    expect(setup.supervisor.state).toBe('backoff');
    expect(setup.supervisor.rejectionReason()).toMatchObject({
      code: 'CRASH_LOOP',
      httpStatus: 503,
      fields: { retryAfter: 16 },
    });
    await expect(setup.supervisor.open()).rejects.toMatchObject({ code: 'CRASH_LOOP' });
  });
});

describe('a crash loop', () => {
  it('comes with the fifth failed start within a minute, and refuses clients', async () => {
    const setup = setUp();
    await failTimes(setup, 4);
    expect(setup.supervisor.state).toBe('backoff');
    expect(setup.supervisor.rejectionReason()).toBeUndefined();
    await failOnce(setup);
    expect(setup.supervisor.state).toBe('crash-loop');
    expect(setup.supervisor.rejectionReason()).toMatchObject({
      code: 'CRASH_LOOP',
      message:
        'Server "files" keeps failing to start (Server "files" exited (exit code 1)); the next try is in 15 s',
    });
    await expect(setup.supervisor.open()).rejects.toMatchObject({ code: 'CRASH_LOOP' });
  });

  it('lets one client start the server every 15 s', async () => {
    const setup = setUp();
    await failTimes(setup, 5);
    await setup.clock.pass(15_000);
    expect(setup.supervisor.rejectionReason()).toBeUndefined();
    const { server } = await converse(setup);
    await expect(setup.supervisor.open()).rejects.toMatchObject({ code: 'CRASH_LOOP' });
    expect(setup.supervisor.state).toBe('crash-loop');
    server.drop(exited());
    expect(setup.supervisor.snapshot()).toMatchObject({
      state: 'crash-loop',
      failedStarts: 6,
      retryInMs: 15_000,
    });
  });

  it('ends with an answer, for everyone', async () => {
    const setup = setUp();
    await failTimes(setup, 5);
    await setup.clock.pass(15_000);
    const { server } = await converse(setup);
    await server.deliver(ANSWER);
    expect(setup.supervisor.state).toBe('ready');
    expect(setup.supervisor.rejectionReason()).toBeUndefined();
    expect(setup.log.of('server.state').at(-1)).toMatchObject({ level: 'info', text: 'ready again' });
  });

  it('is entered again at once if that was the only answer', async () => {
    const setup = setUp();
    await failTimes(setup, 5);
    await setup.clock.pass(15_000);
    const { server } = await converse(setup);
    await server.deliver(ANSWER);
    server.drop(exited());
    expect(setup.supervisor.state).toBe('crash-loop');
  });
});

describe('a command that is not there', () => {
  const missing = new RunError('COMMAND_NOT_FOUND', { server: 'files', command: 'files' });

  it('is no crash: every client is told at once, without a pause', async () => {
    const setup = setUp({ openUpstream: () => Promise.reject(missing) });
    for (let time = 0; time < 6; time++) {
      await expect(setup.supervisor.open()).rejects.toBe(missing);
    }
    expect(setup.supervisor.snapshot()).toMatchObject({
      state: 'stopped',
      failedStarts: 0,
      lastFailure: { code: 'COMMAND_NOT_FOUND' },
    });
  });

  it('is known before the first start, and looked for again until it is there', async () => {
    let found: RunError | undefined = missing;
    const setup = setUp({ probesRecovery: true, findMissing: async () => found });
    await setup.supervisor.inspect();
    await setup.clock.pass(45_000);
    expect(setup.supervisor.snapshot().lastFailure).toMatchObject({ code: 'COMMAND_NOT_FOUND' });
    expect(setup.log.entries.filter(({ level }) => level === 'error')).toMatchObject([
      { event: 'server.missing' },
    ]);
    found = undefined;
    await setup.clock.pass(15_000);
    expect(setup.supervisor.snapshot().lastFailure).toBeUndefined();
    expect(setup.started).toHaveLength(0);
  });
});

describe('a trial', () => {
  /** A server that dies at once as long as it is broken. */
  function breakable() {
    const health = { isBroken: true };
    const started: MemoryLink[] = [];
    const setup = setUp({
      probesRecovery: true,
      openUpstream: async (): Promise<Link> => {
        const link: MemoryLink = createMemoryLink('server', ({ message }) => {
          if (health.isBroken) link.drop(exited());
          else if (message.id !== undefined && message.id !== null)
            void link.deliver({ id: message.id, result: {} });
        });
        started.push(link);
        return link;
      },
    });
    return { ...setup, started, health };
  }

  it('is made after each pause, into a crash loop if need be, and then every 15 s', async () => {
    const { supervisor, clock, started } = breakable();
    const link = await supervisor.open();
    link.onframe(() => {});
    await link.send(INITIALIZE);
    expect(supervisor.state).toBe('backoff');
    await clock.pass(250 + 500 + 1_000 + 2_000);
    expect(supervisor.state).toBe('crash-loop');
    expect(started).toHaveLength(5);
    await clock.pass(30_000);
    expect(started).toHaveLength(7);
  });

  it('that succeeds makes the server usable without a client, and leaves nothing behind', async () => {
    const { supervisor, clock, started, health } = breakable();
    const link = await supervisor.open();
    link.onframe(() => {});
    await link.send(INITIALIZE);
    health.isBroken = false;
    await clock.pass(250);
    expect(supervisor.snapshot()).toEqual({
      server: 'files',
      state: 'stopped',
      conversations: 0,
      failedStarts: 0,
    });
    expect(started.at(-1)?.sent.map(({ message }) => message.method)).toEqual([
      'initialize',
      'notifications/initialized',
      'ping',
    ]);
    expect(started.at(-1)?.isClosed).toBe(true);
    await clock.pass(60_000);
    expect(started).toHaveLength(2);
  });

  it('ends with the supervisor', async () => {
    const { supervisor, clock, started } = breakable();
    const link = await supervisor.open();
    link.onframe(() => {});
    await link.send(INITIALIZE);
    await supervisor.close();
    await clock.pass(60_000);
    expect(started).toHaveLength(1);
    await expect(supervisor.open()).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
  });
});

describe('a remote server', () => {
  const target = {
    kind: 'remote',
    url: 'http://127.0.0.1/mcp',
    transport: 'auto',
    headers: {},
    tls: { caFile: undefined, certFile: undefined, keyFile: undefined },
    oauth: undefined,
    patienceMs: 0,
  } as const;
  const away = new RunError('UPSTREAM_UNREACHABLE', { server: 'files', url: target.url, detail: 'gone' });

  /** A conversation that has been answered, and what its link says about the server. */
  async function reach() {
    let onReach: (failure: RunError | undefined) => void = () => {};
    const started: MemoryLink[] = [];
    const setup = setUp({
      target,
      openUpstream: async (_target, options) => {
        ({ onReachabilityChange: onReach = () => {} } = options);
        const link = createMemoryLink('server');
        started.push(link);
        return link;
      },
    });
    const { link, server } = await converse({ ...setup, started });
    void link.send(INITIALIZE);
    await server.deliver(ANSWER);
    return { ...setup, started, link, onReach: (failure?: RunError) => onReach(failure) };
  }

  it('is not ready while it cannot be reached, and is again when it can', async () => {
    const { supervisor, onReach } = await reach();
    expect(supervisor.state).toBe('ready');
    onReach(away);
    expect(supervisor.snapshot()).toMatchObject({ state: 'backoff', failedStarts: 1, conversations: 1 });
    onReach();
    expect(supervisor.snapshot()).toMatchObject({ state: 'ready', failedStarts: 0 });
    expect(supervisor.snapshot()).not.toHaveProperty('lastFailure');
  });

  it('counts one failure for all that learn of it in the same pause, and is never in a crash loop', async () => {
    const { supervisor, clock, onReach } = await reach();
    for (let time = 1; time <= 8; time++) {
      onReach(away);
      onReach(away);
      expect(supervisor.snapshot()).toMatchObject({ state: 'backoff', failedStarts: time });
      await clock.pass(supervisor.snapshot().retryInMs ?? 0);
    }
  });
});
