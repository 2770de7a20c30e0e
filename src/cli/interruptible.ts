import { killedBy, watchSignals } from './exit.ts';

export interface Interruptible<T> {
  readonly result: T;
  /** If a signal has cut the work off. */
  readonly exitCode: number | undefined;
}

/** Does work that a first signal interrupts; a second one ends the process without waiting for that. */
export async function interruptible<T>(
  work: (interrupted: AbortSignal) => Promise<T>,
): Promise<Interruptible<T>> {
  const interrupt = new AbortController();
  const done = work(interrupt.signal);
  const signals = watchSignals(async () => {
    interrupt.abort();
    await done;
  }, killedBy);
  try {
    const result = await done;
    return { result, exitCode: interrupt.signal.aborted ? await signals.stopped : undefined };
  } finally {
    signals.release();
  }
}
