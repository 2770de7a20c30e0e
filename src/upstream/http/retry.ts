import { toRunError, type RunError } from '../../errors.ts';
import type { Log } from '../../observe/log.ts';
import type { Post } from './post.ts';
import { isDown, isShut } from './rejection-reason.ts';

/** Has a request answered. @throws RunError */
type Exchange = (post: Post) => Promise<void>;

export interface FirstOptions {
  readonly patienceMs: number;
  readonly initializeTimeoutMs: number;
  readonly log: Log;
  readonly isClosed: () => boolean;
  /** The server does not even answer the first request. */
  fail(error: RunError): void;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;
/** The first time somebody waits for it. */
const LONGEST_FIRST_MS = 2_000;
const OWN_FAILURES: ReadonlySet<number> = new Set([500, 501]);
/** How long a server may take over a question that it may not know. */
const LONGEST_DISCOVER_MS = 30_000;

/** Nothing is known of the server yet: it may be about to start. */
export async function untilReached(post: Post, exchange: Exchange, options: FirstOptions): Promise<void> {
  const start = performance.now();
  const { initializeTimeoutMs } = options;
  const isInitialize = post.frame.method === 'initialize';
  const limitMs = isInitialize ? initializeTimeoutMs : Math.min(LONGEST_DISCOVER_MS, initializeTimeoutMs);
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_FIRST_MS, pauseMs * 2)) {
    try {
      await post.within(limitMs, () => exchange(post));
      return;
    } catch (thrown) {
      const error = toRunError(thrown);
      if (post.isAborted || options.isClosed()) return;
      // A server that rejects a request of newer revisions has answered, also one that fails at it.
      if (!isInitialize && (hasFailed(error) || (!isDown(error) && !isShut(error)))) throw error;
      const leftMs = options.patienceMs - (performance.now() - start);
      if (!isDown(error) || leftMs <= pauseMs) return options.fail(error);
      options.log.info({ event: 'remote.waiting' }, `${error.message}; trying again`);
      await post.pause(pauseMs);
    }
  }
}

/** Whether the server itself says that it failed, and not a proxy in front of it. */
function hasFailed({ code, fields }: RunError): boolean {
  return code === 'UPSTREAM_HTTP' && OWN_FAILURES.has(Number(fields['status']));
}

/** A subscription outlives its stream: what the server has taken up once, it is asked for again. */
export async function untilCancelled(
  post: Post,
  exchange: Exchange,
  report: (error: RunError) => void,
): Promise<void> {
  for (let pauseMs = FIRST_PAUSE_MS; !post.isAborted; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
    const begun = performance.now();
    try {
      await exchange(post);
      return;
    } catch (thrown) {
      const error = toRunError(thrown);
      const isLost = error.code === 'UPSTREAM_STREAM_LOST' || isDown(error);
      if (post.isAborted || !post.isAcknowledged || !isLost) throw error;
      report(error);
      if (performance.now() - begun > LONGEST_PAUSE_MS) pauseMs = FIRST_PAUSE_MS;
      await post.pause(pauseMs);
    }
  }
}
