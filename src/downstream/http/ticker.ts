/** Something that acts when enough time has passed; it decides by itself whether it has. */
export interface Tickable {
  tick(now: number): void;
}

/** One timer for all open answers, streams and sessions: a timer each would be paid for on every request. */
export interface Ticker {
  add(item: Tickable): void;
  remove(item: Tickable): void;
  stop(): void;
}

export function startTicker(periodMs: number): Ticker {
  const items = new Set<Tickable>();
  const timer = setInterval(() => {
    const now = Date.now();
    for (const item of items) item.tick(now);
  }, periodMs);
  timer.unref();
  return {
    add: (item) => void items.add(item),
    remove: (item) => void items.delete(item),
    stop: () => clearInterval(timer),
  };
}
