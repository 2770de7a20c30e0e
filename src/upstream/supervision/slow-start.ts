import type { Log } from '../../observe/log.ts';
import type { Clock } from '../clock.ts';
import { hintForSilence, mayBeFetching, type Launch } from './hints.ts';

/** Silence after which a server that was asked something is worth a line. */
const QUIET_MS = 5_000;
/** How often the log says that a download may be going on. */
const PROGRESS_MS = 10_000;

/** Says in the log why nothing happens while a server starts. */
export interface SlowStart {
  /** The server has been asked something; before that it owes nothing. */
  asked(): void;
  /** It answered, or is gone. */
  end(): void;
}

export function watchSlowStart(
  launch: Launch & { readonly env: Readonly<Record<string, string>> },
  log: Log,
  clock: Clock,
): SlowStart {
  const startedAt = clock.now();
  let isOver = false;
  let cancel: (() => void) | undefined;

  return {
    asked() {
      if (!isOver) cancel ??= clock.after(mayBeFetching(launch) ? PROGRESS_MS : QUIET_MS, tell);
    },
    end() {
      isOver = true;
      cancel?.();
    },
  };

  function tell(): void {
    const seconds = Math.round((clock.now() - startedAt) / 1000);
    const hint = hintForSilence(launch, launch.env);
    log.info({ event: 'server.slow-start', seconds }, `still starting after ${seconds} s: ${hint}`);
    // A server that fetches nothing and is silent has been told about once.
    cancel = mayBeFetching(launch) ? clock.after(PROGRESS_MS, tell) : undefined;
  }
}
