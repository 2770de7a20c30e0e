import { toRunError, type ErrorCode, type RunError } from '../../errors.ts';
import type { Log } from '../../observe/log.ts';

/** Keeps a shared child running: it is started anew when it has died, and tried again when that has failed. */
export interface Restarter {
  keep(): void;
  /** The child has died. */
  lost(): void;
  stop(): void;
}

export interface RestarterOptions {
  readonly start: () => Promise<unknown>;
  /** One that dies sooner is not started anew sooner, except by a client's call. */
  readonly minLifeMs: number;
  readonly log: Log;
}

/** Whoever opens the child paces failed starts; this is for those that it refuses at once. */
const RETRY_MS = 250;
/** Only somebody who installs something can help. */
const RETRY_UNSTARTABLE_MS = 15_000;
const UNSTARTABLE: readonly ErrorCode[] = ['COMMAND_NOT_FOUND', 'SPAWN_FAILED'];

export function createRestarter({ start, minLifeMs, log }: RestarterOptions): Restarter {
  let isKept = false;
  let startedAt = 0;
  let timer: NodeJS.Timeout | undefined;

  return {
    keep() {
      isKept = true;
      attempt();
    },
    lost: () => again(startedAt + minLifeMs - Date.now()),
    stop() {
      isKept = false;
      clearTimeout(timer);
    },
  };

  function attempt(): void {
    startedAt = Date.now();
    start().catch((thrown: unknown) => {
      const error = toRunError(thrown);
      log.debug({ event: 'server.restart-failed' }, error.message);
      again(pauseAfter(error));
    });
  }

  function again(ms: number): void {
    if (!isKept) return;
    clearTimeout(timer);
    if (ms <= 0) return attempt();
    timer = setTimeout(attempt, ms);
    timer.unref();
  }
}

function pauseAfter({ code, fields }: RunError): number {
  const { retryAfter } = fields;
  if (typeof retryAfter === 'number') return retryAfter * 1_000;
  return UNSTARTABLE.includes(code) ? RETRY_UNSTARTABLE_MS : RETRY_MS;
}
