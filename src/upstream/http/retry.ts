import { toRunError, type RunError } from '../../errors.ts';
import type { Clock } from '../../clock.ts';
import type { Post } from './post.ts';
import { isDown, isShut } from './rejection-reason.ts';
import type { RemoteTransportOptions } from './transport.ts';

/** Has a request answered. */
export interface Exchange {
  /** @throws RunError */
  run(post: Post): Promise<void>;
}

/** The conversation that a request belongs to. */
export interface RetryContext {
  readonly options: Pick<RemoteTransportOptions, 'patienceMs' | 'initializeTimeoutMs' | 'log' | 'fail'>;
  readonly clock: Clock;
  readonly isClosing: boolean;
  report(error: RunError): void;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;
/** A client waits for the first answer. */
const LONGEST_FIRST_MS = 2_000;
const OWN_FAILURES: ReadonlySet<number> = new Set([500, 501]);
/** How long a server may take over a question that it may not know. */
const LONGEST_DISCOVER_MS = 30_000;

/** Nothing is known of the server yet: it may be about to start. */
export async function untilReached(post: Post, exchange: Exchange, context: RetryContext): Promise<void> {
  const { options, clock } = context;
  const start = clock.now();
  const { initializeTimeoutMs } = options;
  const isInitialize = post.frame.method === 'initialize';
  const limitMs = isInitialize ? initializeTimeoutMs : Math.min(LONGEST_DISCOVER_MS, initializeTimeoutMs);
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_FIRST_MS, pauseMs * 2)) {
    try {
      await post.within(limitMs, () => exchange.run(post));
      return;
    } catch (thrown) {
      const error = toRunError(thrown);
      if (post.isAborted || context.isClosing) return;
      // A server that rejects a request of newer revisions has answered, also one that fails at it.
      if (!isInitialize && (hasFailed(error) || (!isDown(error) && !isShut(error)))) throw error;
      const leftMs = options.patienceMs - (clock.now() - start);
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

/** A subscription outlives its stream: one that the server has acknowledged is requested again. */
export async function untilCancelled(post: Post, exchange: Exchange, context: RetryContext): Promise<void> {
  const { clock } = context;
  for (let pauseMs = FIRST_PAUSE_MS; !post.isAborted; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
    const begun = clock.now();
    try {
      await exchange.run(post);
      return;
    } catch (thrown) {
      const error = toRunError(thrown);
      const isLost = error.code === 'UPSTREAM_STREAM_LOST' || isDown(error);
      if (post.isAborted || !post.isAcknowledged || !isLost) throw error;
      context.report(error);
      if (clock.now() - begun > LONGEST_PAUSE_MS) pauseMs = FIRST_PAUSE_MS;
      await post.pause(pauseMs);
    }
  }
}
