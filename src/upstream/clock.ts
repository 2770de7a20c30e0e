/** Time as supervision sees it, so that tests need not wait for it. */
export interface Clock {
  /** Milliseconds; only differences count. */
  now(): number;
  /** Calls `run` once after `ms`, without keeping the process alive for it. @returns what prevents the call */
  after(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
