/** The clock and the timers of everything that waits, so that tests need not. */
export interface Clock {
  /** Whole milliseconds since 1970, never running backwards. */
  now(): number;
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
  after(ms, run, keepsAlive = false) {
    const timer = setTimeout(run, ms);
    if (!keepsAlive) timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Resolves after `ms`. The timer keeps this process alive. */
export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve, true);
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
