/** The clock and the timers of everything that waits, so that tests need not. */
export interface Clock {
  /** Whole milliseconds since 1970, never running backwards: for durations. */
  now(): number;
  /**
   * Milliseconds since 1970 as the system has them set, which may jump either way: for times that are written to a file
   * or a log, and for those that come from a file, a header or another machine.
   */
  date(): number;
  /**
   * Calls `run` once after `ms`.
   * @param keepsAlive whether the timer keeps this process alive; by default it does not
   * @returns what prevents the call
   */
  after(ms: number, run: () => void, keepsAlive?: boolean): () => void;
}

/** Read once: the property costs more than the clock itself. */
const { timeOrigin } = performance;

export const systemClock: Clock = {
  now: () => Math.floor(timeOrigin + performance.now()),
  date: () => Date.now(),
  after(ms, run, keepsAlive = false) {
    const timer = setTimeout(run, ms);
    if (!keepsAlive) timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Resolves after `ms`. The timer keeps this process alive. @throws the signal's reason */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason);
      return;
    }
    let cancel: () => void = () => {};
    const abort = (): void => {
      cancel();
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', abort, { once: true });
    const end = (): void => {
      signal?.removeEventListener('abort', abort);
      resolve();
    };
    cancel = clock.after(ms, end, true);
  });
}

/** Calls `run` every `ms`. @param keepsAlive as for `Clock.after`, but true by default @returns what ends that */
export function every(clock: Clock, ms: number, run: () => void, keepsAlive = true): () => void {
  let cancel: () => void = () => {};
  const next = (): void => {
    cancel = clock.after(
      ms,
      () => {
        next();
        run();
      },
      keepsAlive,
    );
  };
  next();
  return () => cancel();
}

export interface TimeLimit {
  readonly signal: AbortSignal;
  /** Stops the timer and lets go of the outer signal. Idempotent. */
  cancel(): void;
}

/**
 * A signal that aborts after `ms` with a `TimeoutError`, or together with `outer` and for its reason. Not made by
 * `AbortSignal.any`, since a signal that lives long would keep a reference for each request that it was combined for.
 * The timer does not keep this process alive.
 */
export function timeoutSignal(clock: Clock, ms: number, outer: AbortSignal): TimeLimit {
  const controller = new AbortController();
  const follow = (): void => controller.abort(outer.reason);
  const stopTimer = clock.after(ms, () =>
    controller.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError')),
  );
  if (outer.aborted) follow();
  outer.addEventListener('abort', follow, { once: true });
  return {
    signal: controller.signal,
    cancel() {
      stopTimer();
      outer.removeEventListener('abort', follow);
    },
  };
}
