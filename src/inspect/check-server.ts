import { isRunError, RunError, toRunError } from '../errors.ts';
import { maskUrl } from '../manifest/read/secrets.ts';
import type { ServerSpec } from '../manifest/settings.ts';
import { createListenerLog } from '../observe/listener.ts';
import type { Log } from '../observe/log.ts';
import { secretsOf } from '../observe/known-secrets.ts';
import { createMask, type Mask } from '../observe/mask.ts';
import { maskLog, maskValue } from '../observe/masked-log.ts';
import type { Link } from '../link/link.ts';
import { reattachable } from '../link/reattachable.ts';
import { detectEra, type EraVerdict } from '../router/negotiation/detect-era.ts';
import { hintForSilence } from '../upstream/supervision/hints.ts';
import { nextState, type ServerState } from '../upstream/supervision/server-state.ts';
import { createToolFilter, toolFilter } from '../link/tool-filter.ts';
import { Upstreams } from '../upstream/upstream.ts';
import { createInspector, type Inspector, type Introduction, type Offer } from './inspector.ts';

/** What came out of starting one server and asking it what it is. */
export interface CheckResult {
  readonly server: string;
  /** Of a remote server, without its secrets. */
  readonly url: string | undefined;
  /** What /readyz and the log would call it after this start. */
  readonly state: ServerState;
  /** Absent when it did not get as far as answering `initialize`. */
  readonly introduction: Introduction | undefined;
  /** From the start of its process to its answer to `initialize`. */
  readonly startMs: number | undefined;
  readonly offer: Offer | undefined;
  /** Absent when everything is fine. */
  readonly error: RunError | undefined;
  /** The last lines that it wrote to stderr. */
  readonly stderr: readonly string[];
  /** Lines on its stdout that were no JSON-RPC. */
  readonly skippedLines: number;
}

export interface CheckOptions {
  /** Our own version, for the server's eyes. */
  readonly version: string;
  /** For everything together, from the start of the process. */
  readonly timeoutMs: number;
  readonly lineLimitBytes: number;
  /** Ends what is running. */
  readonly signal: AbortSignal;
}

/** Tells whoever watches how far it is. */
export interface CheckWatcher {
  started(server: string): void;
  /** A line of its stderr (`npx` and `uvx` say there what they download), or why it may take long. */
  said(server: string, line: string): void;
  ended(result: CheckResult): void;
}

/** The answer to `server/discover` of a modern server. */
type Discovered = Extract<EraVerdict, { era: 'modern' }>['discovered'];

const AT_ONCE = 4;
const STDERR_LINES = 10;

/** Probes servers, at most four at a time; the results are in the order of `specs`. */
export async function checkServers(
  specs: readonly ServerSpec[],
  options: CheckOptions,
  watcher: CheckWatcher,
): Promise<readonly CheckResult[]> {
  const queue = [...specs.entries()];
  const results: CheckResult[] = [];
  const upstreams = new Upstreams();
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [index, spec] = next;
      watcher.started(spec.name);
      const result = await probe(spec, options, watcher, upstreams);
      results[index] = result;
      watcher.ended(result);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, queue.length) }, work));
  await upstreams.close();
  return results;
}

function stateAfter(wasStarted: boolean, hasAnswered: boolean): ServerState {
  const outcome = hasAnswered ? 'answer' : wasStarted ? 'failure' : 'unstartable';
  return nextState(nextState('stopped', 'start'), outcome);
}

/** It may repeat what the server was started or reached with. */
function maskError(error: RunError, mask: Mask): RunError {
  const fields = Object.entries(error.fields).map(
    ([name, value]) => [name, typeof value === 'string' ? mask(value) : value] as const,
  );
  return new RunError(error.code, Object.fromEntries(fields), { cause: error });
}

/** What a server says of itself may repeat it as well. */
function masked(introduction: Introduction, mask: Mask): Introduction {
  const { name, version, revision, capabilities } = introduction;
  const shown = maskValue(capabilities, mask);
  return {
    ...introduction,
    name: name === undefined ? undefined : mask(name),
    version: version === undefined ? undefined : mask(version),
    revision: mask(revision),
    capabilities: typeof shown === 'object' && shown !== null ? { ...shown } : {},
  };
}

/** @throws what ends all that is being waited for */
function unlessGivenUp(error: unknown): undefined {
  if (isRunError(error, 'PROBE_TIMEOUT') || isRunError(error, 'INTERRUPTED')) throw error;
  return undefined;
}

/** Starts a server, performs the handshake, counts what it offers, and stops it. Never rejects. */
async function probe(
  { name: server, target, stdout, era, tools }: ServerSpec,
  options: CheckOptions,
  watcher: CheckWatcher,
  upstreams: Upstreams,
): Promise<CheckResult> {
  const mask = createMask(secretsOf(target));
  const stderr: string[] = [];
  let skippedLines = 0;
  let introduction: Introduction | undefined;
  let startMs: number | undefined;
  let offer: Offer | undefined;
  let error: RunError | undefined;
  let link: Link | undefined;
  /** Ends whatever is being waited for. */
  let giveUp: (toError: (method: string) => RunError) => void = () => {};
  const startedAt = performance.now();
  try {
    options.signal.throwIfAborted();
    const first = await open();
    link = first;
    options.signal.throwIfAborted();
    await withDeadline(async () => {
      const verdict = await askEra(first);
      // Asked what it is, it has ended, or it was sent more than that and may refuse the handshake.
      const isUsed = verdict.era === 'modern' && !verdict.isOpen && era !== 'modern';
      if (isUsed) await first.close();
      const asked = verdict.era === 'gone' || isUsed ? await openAgain() : first;
      link = asked;
      const discovered = verdict.era === 'modern' ? verdict.discovered : undefined;
      let interview = startInterview(asked, discovered);
      introduction = await interview.introduce();
      startMs = Math.round(performance.now() - startedAt);
      // A process may have settled for the era of the first request. Over HTTP there is none to settle.
      const maySpeakBoth = introduction.era === 'modern' && era !== 'modern' && target.kind === 'stdio';
      if (maySpeakBoth && !isUsed) interview = (await tryHandshake(discovered)) ?? interview;
      if (introduction.era === 'modern' && interview.isOver) interview = await startModern(discovered);
      giveUp = interview.giveUp;
      offer = await interview.count(introduction.capabilities);
    });
  } catch (thrown) {
    error = options.signal.aborted ? new RunError('INTERRUPTED') : maskError(toRunError(thrown), mask);
  }
  await link?.close();
  const state = stateAfter(link !== undefined, introduction !== undefined);
  const url = target.kind === 'remote' ? maskUrl(target.url) : undefined;
  introduction &&= masked(introduction, mask);
  return { server, url, state, introduction, startMs, offer, error, stderr, skippedLines };

  /** A server that is pinned is taken at its word. */
  function askEra(asked: Link): Promise<EraVerdict> {
    if (era === 'legacy') return Promise.resolve({ era: 'legacy' });
    return new Promise((resolve, reject) => {
      giveUp = (toError) => reject(toError('initialize'));
      const silence = target.kind === 'remote' ? { silenceMs: Infinity } : {};
      detectEra(asked, { version: options.version, ...silence }).then(resolve, reject);
    });
  }

  /** Another process of a server that has ended when it was sent `initialize`. */
  async function startModern(discovered: Discovered): Promise<Inspector> {
    link = await openAgain();
    const interview = startInterview(link, discovered, false);
    introduction = await interview.introduce();
    return interview;
  }

  function startInterview(asked: Link, discovered: Discovered, speaksLegacy = era !== 'modern'): Inspector {
    const interview = createInspector(asked, server, options.version, discovered, speaksLegacy);
    giveUp = interview.giveUp;
    return interview;
  }

  /** Tries `initialize` as the first message of another process. @returns undefined if that refuses it as well */
  async function tryHandshake(discovered: Discovered): Promise<Inspector | undefined> {
    const before = { link, lines: [...stderr], skippedLines };
    const another = await openAgain();
    link = another;
    const interview = startInterview(another, discovered);
    const found = await interview.introduce().catch(unlessGivenUp);
    const isAccepted = found?.era === 'both';
    await (isAccepted ? before.link : another)?.close();
    if (isAccepted) {
      introduction = found;
      return interview;
    }
    ({ link, skippedLines } = before);
    stderr.splice(0, Infinity, ...before.lines);
    return undefined;
  }

  async function open(): Promise<Link> {
    const opened = await upstreams.open(target, {
      server,
      lineLimitBytes: options.lineLimitBytes,
      stdout,
      // A server may repeat what it was started with, and what it says is shown.
      log: maskLog(createLog(), mask),
    });
    const filter = tools && createToolFilter(tools);
    return reattachable(filter === undefined ? opened : toolFilter({ server, filter })(opened));
  }

  async function openAgain(): Promise<Link> {
    stderr.length = 0;
    skippedLines = 0;
    return open();
  }

  async function withDeadline(work: () => Promise<void>): Promise<void> {
    const { timeoutMs, signal } = options;
    const guess =
      target.kind === 'stdio' ? hintForSilence(target, target.env) : 'is it the URL of an MCP server?';
    const hint = `Allow more with --timeout; ${guess}`;
    const timer = setTimeout(
      () => giveUp((method) => new RunError('PROBE_TIMEOUT', { server, method, timeoutMs, hint })),
      timeoutMs - (performance.now() - startedAt),
    );
    const interrupt = (): void => giveUp(() => new RunError('INTERRUPTED'));
    signal.addEventListener('abort', interrupt);
    try {
      await work();
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', interrupt);
    }
  }

  function createLog(): Log {
    return createListenerLog(({ event, lines }, text) => {
      // Where such lines are summed up, the entry says how many there were so far.
      if (event === 'server.stdout-skipped')
        skippedLines = typeof lines === 'number' ? lines : skippedLines + 1;
      if (event === 'server.slow-start') watcher.said(server, text);
      if (event !== 'server.stderr' || text.trim() === '') return;
      stderr.push(text);
      if (stderr.length > STDERR_LINES) stderr.shift();
      watcher.said(server, text);
    });
  }
}
