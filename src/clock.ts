/** The clock and the timers of everything that waits, so that tests need not. */
export interface Clock {
  /** Whole milliseconds since 1970, never running backwards. */
  now(): number;
  /** Calls `run` once after `ms`, without keeping the process alive for it. @returns what prevents the call */
  after(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Math.floor(performance.timeOrigin + performance.now()),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
