/** A client without manners: it connects, does what chance says, leaves in whatever way, and comes back. */
import { setTimeout as delay } from 'node:timers/promises';
import { at, json, textOf, type Json } from '../support/json.ts';
import { connectModernPeer } from '../support/modern-peer.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { connectPeer, PeerGone, type Peer, type PeerAnswer, type PeerOptions } from '../support/peer.ts';
import type { Random } from '../support/random.ts';

/** Longer than any step may take. */
const STEP_MS = PATIENCE_MS;
const LARGE_BYTES = 2 * 1024 * 1024;

export interface Tally {
  /** What must not happen, as it happened. */
  readonly violations: string[];
  /** How often each step was taken. */
  readonly steps: Map<string, number>;
  answers: number;
}

export interface ClientOptions {
  readonly name: string;
  readonly random: Random;
  readonly urls: Readonly<Record<'http' | 'sse', string>>;
  readonly tally: Tally;
  /** Of `Date.now()`. */
  readonly until: number;
  /** Everybody has the same server: it cannot ask, and others may kill it at any time. */
  readonly isShared: boolean;
}

interface Session {
  readonly peer: Peer;
  readonly random: Random;
  readonly isShared: boolean;
  /** Of revision 2026-07-28. */
  readonly isModern: boolean;
  /** Progress token → the progress that came with it. */
  readonly progress: Map<string, number[]>;
  /** A text, and an id, that nobody else has. */
  unique(): string;
  /** Calls a tool and takes note of the answer. */
  call(tool: string, args: Json, id?: string): Promise<PeerAnswer>;
  expect(truth: boolean, what: string): void;
}

/** By another client; the session goes on with the next one. */
class ServerKilled extends Error {}

type Step = (session: Session) => Promise<'over' | void>;

export async function act(options: ClientOptions): Promise<void> {
  for (let life = 0; Date.now() < options.until; life++) {
    try {
      await live(options, life);
    } catch (error) {
      const what = error instanceof Error ? error.stack : String(error);
      options.tally.violations.push(`${options.name}: ${what}`);
      return;
    }
  }
}

async function live(
  { name, random, urls, tally, until, isShared }: ClientOptions,
  life: number,
): Promise<void> {
  const kind = random.pick<'http' | 'sse' | 'modern'>(['http', 'sse', 'modern']);
  const progress = new Map<string, number[]>();
  // Revision 2026-07-28 has no sessions: each of its clients has a process of its own in any case.
  const hasCompany = isShared && kind !== 'modern';
  let count = 0;
  const peerOptions: PeerOptions = {
    capabilities: { elicitation: {} },
    answer: (_method, params) => ({ result: { action: 'accept', content: { said: params['message'] } } }),
    onNotification(_method, params) {
      const token = String(params['progressToken']);
      const known = progress.get(token);
      if (known === undefined) progress.set(token, [Number(params['progress'])]);
      else known.push(Number(params['progress']));
    },
    withoutStream: random.chance(0.2),
  };
  const peer = await bounded('connect', async () =>
    // Its name gives it a process of its own, as a session does.
    kind === 'modern'
      ? connectModernPeer(urls.http, { ...peerOptions, name })
      : await connectPeer(kind, urls[kind], peerOptions),
  );
  const session: Session = {
    peer,
    random,
    isShared: hasCompany,
    isModern: kind === 'modern',
    progress,
    unique: () => `${name}/${life}/${(count += 1)}`,
    async call(tool, args, id = session.unique()) {
      const params = { name: tool, arguments: args, _meta: { progressToken: id } };
      const answer = await peer.request('tools/call', params, id);
      tally.answers += 1;
      session.expect(answer.message['id'] === id, `${id} was answered as ${JSON.stringify(answer.message)}`);
      const reason = at(answer.message, 'error', 'data', 'reason');
      // The failure that another client's kill brings is the call's own and only answer, too.
      if (hasCompany && tool !== 'kill' && reason === 'upstream_exited') throw new ServerKilled();
      return answer;
    },
    expect(truth, what) {
      if (!truth) tally.violations.push(`${name} over ${kind}: ${what.slice(0, 400)}`);
    },
  };

  try {
    // A server that has answered nothing yet has failed to start when it ends.
    await take('echo');
    const steps = 1 + random.integer(8);
    for (let step = 0; step < steps && Date.now() < until; step++) {
      if ((await take(random.pick(CHOICES))) === 'over') break;
    }
  } finally {
    if (random.chance(0.5)) peer.drop();
    else await bounded('end', () => peer.end());
    tally.violations.push(...peer.strays.map((stray) => `${name} over ${kind}: ${stray}`));
  }

  function take(which: StepName): Promise<'over' | void> {
    tally.steps.set(which, (tally.steps.get(which) ?? 0) + 1);
    const step: Step = STEPS[which];
    return bounded(which, () => step(session)).catch((error: unknown) => {
      if (error instanceof ServerKilled) return undefined;
      throw error;
    });
  }
}

const STEPS = {
  echo: async (session) => {
    await all(Array.from({ length: 1 + session.random.integer(5) }, () => echo(session)));
  },

  report: (session) => reportAll(session, 1 + session.random.integer(300)),

  elicit: async (session) => {
    const message = session.unique();
    const params = { message, requestedSchema: { type: 'object', properties: {} } };
    const { message: answer } = await session.call('ask', { method: 'elicitation/create', params });
    if (session.isShared) {
      const code = at(answer, 'result', 'structuredContent', 'error', 'code');
      return session.expect(
        code === -32601,
        `nobody can be asked, but the answer was ${JSON.stringify(answer)}`,
      );
    }
    const result = at(answer, 'result', 'structuredContent', 'result');
    const said = at(result, 'content', 'said');
    // Another call of the same client may have been taken to ask, and then cancelled: nobody came back with an answer.
    const reason = at(answer, 'result', 'structuredContent', 'error', 'data', 'reason');
    if (session.isModern && (at(result, 'action') === 'cancel' || reason === 'client_gone')) return;
    session.expect(said === message, `asked ${message}, and the answer was ${JSON.stringify(answer)}`);
  },

  cancel: async (session) => {
    const id = session.unique();
    const call = session.call('wait', {}, id).catch(ignoreGone);
    const other = started(echo(session));
    await delay(session.random.integer(20));
    await session.peer.cancel(id);
    await all([call, other]);
  },

  readSlowly: async (session) => {
    session.peer.pause();
    const calls = [large(session), reportAll(session, 2_000), echo(session)].map(started);
    await delay(session.random.integer(100));
    session.peer.resume();
    await all(calls);
  },

  /** All at the same time. */
  everything: async (session) => {
    const steps: readonly Step[] = [STEPS.echo, STEPS.report, STEPS.elicit, STEPS.cancel];
    await all(steps.map((step) => step(session)));
  },

  /** The server is killed: whatever was asked is answered, with that. */
  die: async (session) => {
    // Not a server that has answered nothing yet: that would be one which fails to start.
    await echo(session);
    const waiting = Array.from({ length: session.random.integer(4) }, () => session.call('never', {}));
    const failing = [...waiting, session.call('kill', {})].map((call) =>
      call.then(
        ({ message }) => at(message, 'error', 'data', 'reason'),
        (error: unknown) => (error instanceof ServerKilled ? 'upstream_exited' : String(error)),
      ),
    );
    for (const reason of await Promise.all(failing))
      session.expect(reason === 'upstream_exited', `killed, and the answer was ${String(reason)}`);
    return session.isShared ? undefined : 'over';
  },

  /** The client is gone in the middle of everything. */
  vanish: async (session) => {
    const calls = [
      session.call('burst', { count: 2_000 }),
      session.call('never', {}),
      large(session),
      echo(session),
    ].map((call) => call.catch(ignoreGone));
    await delay(session.random.integer(30));
    session.peer.drop();
    await Promise.all(calls);
    return 'over';
  },
} satisfies Record<string, Step>;

type StepName = keyof typeof STEPS;

const CHOICES: readonly [StepName, ...StepName[]] = [
  'echo',
  'echo',
  'report',
  'elicit',
  'cancel',
  'readSlowly',
  'everything',
  'die',
  'vanish',
];

async function echo(session: Session): Promise<void> {
  const payload = session.unique().padEnd(session.random.pick([10, 100, 1_000, 30_000]), '.');
  const { message } = await session.call('echo', { payload });
  const echoed = json(at(message, 'result', 'structuredContent', 'arguments'))['payload'];
  session.expect(echoed === payload, `sent ${payload.slice(0, 40)}, and got ${JSON.stringify(message)}`);
}

/** All of it comes, in order, and before the answer. */
async function reportAll(session: Session, total: number): Promise<void> {
  const id = session.unique();
  const { message } = await session.call('burst', { count: total }, id);
  const came = session.progress.get(id) ?? [];
  session.progress.delete(id);
  session.expect(textOf(message['result']) === `sent ${total}`, `reported ${JSON.stringify(message)}`);
  const isWhole = came.length === total && came.every((progress, index) => progress === index + 1);
  session.expect(isWhole, `of ${total} progress notifications ${came.length} came, or out of order`);
}

async function large(session: Session): Promise<void> {
  const { message } = await session.call('large', { bytes: LARGE_BYTES });
  session.expect(textOf(message['result']).length === LARGE_BYTES, 'a large answer was not whole');
}

/** It may fail before anybody waits for it. */
function started<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** As `Promise.all`, but nothing is left running when one fails. */
async function all(promises: readonly Promise<unknown>[]): Promise<void> {
  await Promise.allSettled(promises);
  await Promise.all(promises);
}

function ignoreGone(error: unknown): undefined {
  if (!(error instanceof PeerGone || error instanceof ServerKilled)) throw error;
  return undefined;
}

/** Nothing may hang. */
async function bounded<T>(what: string, step: () => Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = delay(STEP_MS, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`${what} hangs`);
  });
  late.catch(() => {});
  return await Promise.race([step(), late]).finally(() => timer.abort());
}
