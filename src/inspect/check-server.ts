import type { Clock } from '../clock.ts';
import { isRunError, RunError, toRunError } from '../errors.ts';
import { compose, type LinkFilter } from '../link/compose.ts';
import type { Link } from '../link/link.ts';
import { reattachable } from '../link/reattachable.ts';
import { createToolFilter, toolFilter } from '../link/tool-filter.ts';
import { maskUrl } from '../manifest/read/secrets.ts';
import type { ServerSpec } from '../manifest/settings.ts';
import { secretsOf } from '../observe/known-secrets.ts';
import { createMask, type Mask } from '../observe/mask.ts';
import { maskLog } from '../observe/masked-log.ts';
import { detectEra, type EraVerdict } from '../router/negotiation/detect-era.ts';
import { hintForSilence } from '../upstream/supervision/hints.ts';
import { nextState, type ServerState } from '../upstream/supervision/server-state.ts';
import { Upstreams } from '../upstream/upstream.ts';
import { Deadline, GivenUp, keepingAlive } from './deadline.ts';
import { Inspector, type Introduction, type Offer } from './inspector.ts';
import { maskError, maskIntroduction } from './mask-result.ts';
import { ServerOutput } from './server-output.ts';

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
  readonly clock: Clock;
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

class ServerCheck {
  readonly #spec: ServerSpec;
  readonly #options: CheckOptions;
  readonly #mask: Mask;
  readonly #output: ServerOutput;
  readonly #filters: readonly LinkFilter[];
  readonly #upstreams: Upstreams;
  readonly #clock: Clock;
  #startedAt = 0;
  #link: Link | undefined;
  #introduction: Introduction | undefined;
  #startMs: number | undefined;
  #offer: Offer | undefined;

  constructor(spec: ServerSpec, options: CheckOptions, watcher: CheckWatcher, upstreams: Upstreams) {
    const { name: server, target, tools } = spec;
    this.#spec = spec;
    this.#options = options;
    this.#mask = createMask(secretsOf(target));
    this.#output = new ServerOutput((line) => watcher.said(server, line));
    this.#filters = tools === undefined ? [] : [toolFilter({ server, filter: createToolFilter(tools) })];
    this.#upstreams = upstreams;
    this.#clock = keepingAlive(options.clock);
  }

  /** Starts the server, performs the handshake, counts what it offers, and stops it. Never rejects. */
  async run(): Promise<CheckResult> {
    this.#startedAt = this.#clock.now();
    const error = await this.#failure();
    await this.#link?.close();
    const { name, target } = this.#spec;
    const introduction = this.#introduction;
    return {
      server: name,
      url: target.kind === 'remote' ? maskUrl(target.url) : undefined,
      state: stateAfter(this.#link !== undefined, introduction !== undefined),
      introduction: introduction && maskIntroduction(introduction, this.#mask),
      startMs: this.#startMs,
      offer: this.#offer,
      error,
      stderr: this.#output.stderr,
      skippedLines: this.#output.skippedLines,
    };
  }

  /** @returns undefined when everything is fine */
  async #failure(): Promise<RunError | undefined> {
    const { signal } = this.#options;
    try {
      signal.throwIfAborted();
      this.#link = await this.#open();
      signal.throwIfAborted();
      await this.#inspectInTime(this.#link);
      return undefined;
    } catch (error) {
      return signal.aborted ? new RunError('INTERRUPTED') : maskError(toRunError(error), this.#mask);
    }
  }

  async #inspectInTime(link: Link): Promise<void> {
    const { name: server, target } = this.#spec;
    const { timeoutMs, signal } = this.#options;
    const guess =
      target.kind === 'stdio' ? hintForSilence(target, target.env) : 'is it the URL of an MCP server?';
    const hint = `Allow more with --timeout; ${guess}`;
    const deadline = new Deadline({
      ms: timeoutMs - (this.#clock.now() - this.#startedAt),
      timeoutError: (method) => new RunError('PROBE_TIMEOUT', { server, method, timeoutMs, hint }),
      interrupted: signal,
      interruptError: () => new RunError('INTERRUPTED'),
      clock: this.#clock,
    });
    deadline.start();
    try {
      await this.#inspect(link, deadline.signal);
    } finally {
      deadline.stop();
    }
  }

  async #inspect(first: Link, signal: AbortSignal): Promise<void> {
    const { target, era } = this.#spec;
    const verdict = await this.#detectEra(first, signal);
    // It was sent more than `server/discover`, and may refuse the handshake.
    const isUsed = verdict.era === 'modern' && !verdict.isOpen && era !== 'modern';
    if (isUsed) await first.close();
    if (verdict.era === 'gone' || isUsed) this.#link = await this.#openAgain();
    const discovered = verdict.era === 'modern' ? verdict.discovered : undefined;
    let inspector = this.#inspectorOf(this.#link ?? first, discovered, signal);
    this.#introduction = await inspector.introduce();
    this.#startMs = Math.round(this.#clock.now() - this.#startedAt);
    // A process may have settled for the era of the first request. Over HTTP there is none to settle.
    const maySpeakBoth = this.#introduction.era === 'modern' && era !== 'modern' && target.kind === 'stdio';
    if (maySpeakBoth && !isUsed) inspector = (await this.#tryHandshake(discovered, signal)) ?? inspector;
    if (this.#introduction.era === 'modern' && inspector.isOver)
      inspector = await this.#startModern(discovered, signal);
    this.#offer = await inspector.count(this.#introduction.capabilities);
  }

  /** A server whose era is pinned is not sent `server/discover`. */
  async #detectEra(link: Link, signal: AbortSignal): Promise<EraVerdict> {
    if (this.#spec.era === 'legacy') return { era: 'legacy' };
    const { version, clock } = this.#options;
    const silence = this.#spec.target.kind === 'remote' ? { silenceMs: Infinity } : {};
    try {
      return await detectEra(link, { version, clock, signal, ...silence });
    } catch (error) {
      throw error instanceof GivenUp ? error.toError('initialize') : error;
    }
  }

  /** Another process of a server that has ended when it was sent `initialize`. */
  async #startModern(discovered: Discovered, signal: AbortSignal): Promise<Inspector> {
    this.#link = await this.#openAgain();
    const inspector = this.#inspectorOf(this.#link, discovered, signal, false);
    this.#introduction = await inspector.introduce();
    return inspector;
  }

  /** Tries `initialize` as the first message of another process. @returns undefined if that refuses it as well */
  async #tryHandshake(discovered: Discovered, signal: AbortSignal): Promise<Inspector | undefined> {
    const before = this.#link;
    const restoreOutput = this.#output.reset();
    const another = await this.#open();
    this.#link = another;
    const inspector = this.#inspectorOf(another, discovered, signal);
    const found = await inspector.introduce().catch(unlessGivenUp);
    if (found?.era === 'both') {
      await before?.close();
      this.#introduction = found;
      return inspector;
    }
    await another.close();
    this.#link = before;
    restoreOutput();
    return undefined;
  }

  #inspectorOf(
    link: Link,
    discovered: Discovered,
    signal: AbortSignal,
    speaksLegacy = this.#spec.era !== 'modern',
  ): Inspector {
    const { version, clock } = this.#options;
    return new Inspector({
      link,
      server: this.#spec.name,
      version,
      discovered,
      speaksLegacy,
      signal,
      clock,
    }).attach();
  }

  #openAgain(): Promise<Link> {
    this.#output.reset();
    return this.#open();
  }

  async #open(): Promise<Link> {
    const { name: server, target, stdout } = this.#spec;
    const opened = await this.#upstreams.open(target, {
      server,
      lineLimitBytes: this.#options.lineLimitBytes,
      stdout,
      // A server may repeat what it was started with, and its output is shown.
      log: maskLog(this.#output.createLog(), this.#mask),
    });
    return reattachable(compose(opened, this.#filters));
  }
}

/** Probes servers, at most four at a time; the results are in the order of `specs`. */
export async function checkServers(
  specs: readonly ServerSpec[],
  options: CheckOptions,
  watcher: CheckWatcher,
): Promise<readonly CheckResult[]> {
  const queue = [...specs.entries()];
  const results: CheckResult[] = [];
  const upstreams = new Upstreams(options.clock);
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [index, spec] = next;
      watcher.started(spec.name);
      const result = await new ServerCheck(spec, options, watcher, upstreams).run();
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

/** @throws what ends all that is being waited for */
function unlessGivenUp(error: unknown): undefined {
  if (isRunError(error, 'PROBE_TIMEOUT') || isRunError(error, 'INTERRUPTED')) throw error;
  return undefined;
}
