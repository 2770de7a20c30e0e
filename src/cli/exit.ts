import { constants } from 'node:os';
import type { Clock } from '../clock.ts';

/** The only place that decides how the process ends. */

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** After the work is over nothing should hold the process; what still does gets this long. */
const LINGER_MS = 1_000;

export interface SignalWatch {
  /** Resolves when a first signal came and everything is closed, with 0 unless `codeOf` says otherwise. */
  readonly stopped: Promise<number>;
  release(): void;
}

/** The first signal closes, the second ends the process at once with 128 + its number. */
export function watchSignals(
  close: () => Promise<void>,
  codeOf: (signal: NodeJS.Signals) => number = () => 0,
): SignalWatch {
  const { promise: stopped, resolve, reject } = withResolvers<number>();
  let isClosing = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (isClosing) process.exit(killedBy(signal));
    isClosing = true;
    close().then(() => resolve(codeOf(signal)), reject);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return {
    stopped,
    release() {
      for (const signal of SIGNALS) process.off(signal, onSignal);
    },
  };
}

/** The exit code of a program whose work a signal has cut off. */
export function killedBy(signal: NodeJS.Signals): number {
  return 128 + (constants.signals[signal] ?? 0);
}

/** A bug must not leave half a program behind: `cleanUp` says what happened and closes, and the process ends. */
export function watchCrashes(cleanUp: (error: unknown) => Promise<void>): { release(): void } {
  const onCrash = (error: unknown): void => {
    const end = (): never => process.exit(1);
    cleanUp(error).then(end, end);
  };
  process.on('uncaughtException', onCrash);
  return { release: () => void process.off('uncaughtException', onCrash) };
}

/** Ends the process soon after its work is done, even if a forgotten handle would keep it alive. */
export function endSoon(code: number, clock: Clock, lastUnread = Infinity): void {
  clock.after(LINGER_MS, () => {
    // A slow reader may still be taking the last answer; one that takes nothing of it has stopped.
    const unread = process.stdout.writableLength;
    if (unread > 0 && unread < lastUnread) endSoon(code, clock, unread);
    else process.exit(code);
  });
}

function withResolvers<T>(): {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: unknown) => void;
} {
  let resolve: (value: T) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  return { promise, resolve, reject };
}
