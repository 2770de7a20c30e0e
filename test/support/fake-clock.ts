import type { Clock } from '../../src/clock.ts';

export interface FakeClock extends Clock {
  /** Lets time pass: what is due runs in order, each with what it causes at once. */
  pass(ms: number): Promise<void>;
}

export function createFakeClock(): FakeClock {
  const due = new Set<{ readonly at: number; readonly run: () => void }>();
  let now = 0;

  return {
    now: () => now,
    date: () => now,
    after(ms, run) {
      const entry = { at: now + ms, run };
      due.add(entry);
      return () => due.delete(entry);
    },
    async pass(ms) {
      const end = now + ms;
      for (;;) {
        await settled();
        const next = [...due].filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        due.delete(next);
        now = next.at;
        next.run();
      }
      now = end;
    },
  };
}

/** Everything that promises alone can bring about has happened. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
